package stateproxy

import "time"

// Every queue, window and set of the machine is bounded here. Reaching a bound is a
// named event (trace.Overflow carries the Bound), never a silent loss.
const (
	// KeyMax is the longest identity of an object in bytes. An IPv6 TCP flow with a
	// zone needs 40.
	KeyMax = 64

	// StateMax is the longest state of an object in bytes. A frame must hold one
	// announcement whatever it is.
	StateMax = 512

	// ObjectsMax bounds the setting of the same name: slots are 32-bit numbers and an
	// object costs about 150 bytes here and as much at each peer.
	ObjectsMax = 1 << 24

	// PeersMax bounds the peers of one proxy: each costs 32 bytes per object.
	PeersMax = 16

	// syncWindow is how many messages of a resync may be unconfirmed. It keeps the
	// bursts of a resync inside a receive buffer of a megabyte.
	syncWindow = 2048

	// stepFrames is how many frames one step builds for one peer. A step stays well
	// below a millisecond, so that heartbeats on the same goroutine are not late.
	stepFrames = 64

	// gapsMax is how many separate runs of received numbers may lie beyond a gap.
	// Past it a frame is not taken; it will be asked for again.
	gapsMax = 512

	// numberMax is the highest number of a message that is believed: a million a second
	// would take two thousand years to reach it.
	numberMax = 1 << 56

	// nackRanges is how many ranges one Nack names; it fits one frame.
	nackRanges = 64

	// checkpointsMax is how many frames the sender remembers the digest of. An
	// acknowledgement of an older frame confirms but does not prove.
	checkpointsMax = 4096

	// burst is how many changed objects end the gathering of changes early: about as
	// many as fill a frame.
	burst = 48
)

// Bound names a limit that was reached; trace.Overflow carries it in A.
type Bound uint64

// The bounds.
const (
	OwnObjects  Bound = 1 + iota // the internal cache is full: an object is not replicated
	HeldObjects                  // an external cache is full: the peer's object is not held
	Resend                       // too many unconfirmed messages: the peer gets a full resync
	Tombstones                   // too many unconfirmed Destroys: the same
	Gaps                         // a peer's stream is too broken: frames are not taken
)

// String names the bound.
func (b Bound) String() string {
	switch b {
	case OwnObjects:
		return "own objects"
	case HeldObjects:
		return "held objects"
	case Resend:
		return "resend queue"
	case Tombstones:
		return "tombstones"
	case Gaps:
		return "gaps"
	}
	return "unknown bound"
}

// The timers that are not settings. Each is a compromise between the datagrams of an
// idle pair and how long a loss may go unseen.
const (
	probeAfter    = 30 * time.Millisecond  // unconfirmed: ask; doubles up to probeMost
	probeMost     = 500 * time.Millisecond //
	aliveEvery    = 200 * time.Millisecond // idle and confirmed: prove again
	nackRetry     = 15 * time.Millisecond  // an asked-for gap is asked for again; doubles up to nackRetryMost
	nackRetryMost = 240 * time.Millisecond //
	helloEvery    = 100 * time.Millisecond // a peer not heard from is greeted
	awayAfter     = 2 * time.Second        // silence after which nothing is queued for a peer
	repairFirst   = time.Second            // between resyncs for divergence; doubles up to repairMost
	repairMost    = time.Minute            //
)

package cast

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const (
	// bodyMax is what a packet carries besides headers: 1359 bytes.
	bodyMax = wire.FrameMax - bodyAt

	// windowDefault is 1.4 MB on their way: a record of a megabyte fits, and a gigabit
	// for ten milliseconds.
	windowDefault = 1024

	// windowMost bounds the setting, and with it and the reserve what a receiver keeps of
	// one stream beyond what it has released: 7 MB.
	windowMost = 4096

	// windowLeast is the smallest setting: with fewer packets a window would fill while
	// an acknowledgement waits for company.
	windowLeast = 4 * ackEvery

	// windowMin is what the network's window never falls below: at 100 µs a round trip
	// it still is 900 MB/s, and it fits the smallest receive buffers that kernels give.
	windowMin = 64

	// reserve is how many packets beyond the largest window control records may use: the
	// others may need them for releasing anything at all, so they must never find it used
	// up. A member whose own window is full orders what the windows of all others hold:
	// 31 times 1024 packets with twenty messages each make 650,000 messages, and 1.4 MB are
	// two bytes for each. With the default window, 4096 packets are left for them.
	reserve = 1024

	// thriftAfter is how much of the reserve is used without thrift: a sender whose window
	// is full and emptied all the time must not wait for its own numbers.
	thriftAfter = 64

	// ringMin is for how many packets there is a place from the beginning.
	ringMin = 64

	// ringMax bounds what is kept of one stream, released by the owner or not. A member
	// that is not acknowledged by a third for so long that it would exceed this takes
	// nothing more of the stream.
	ringMax = 2 * windowMost

	// recordMax is the longest record in bytes that is believed. A sender's own limit
	// is [Machine.Room], which is lower with the default window.
	recordMax = 2 << 20

	// leadMax is how many bytes of a record's lead are kept in one packet. A message's is
	// five bytes, and more with causal order, by what it tells of others.
	leadMax = 64

	// overhead is the most that a record's head and the bytes that it and the lead may
	// leave unused in the packet before take.
	overhead = headMax + headMax + leadMax - 1

	// numberMax is the last packet of a view: a million a second would take nine years.
	numberMax = 1<<48 - 1

	// ackEvery packets are acknowledged at once: one acknowledgement for what the kernel
	// takes in two calls with segmentation.
	ackEvery = 64

	// reorderMax is how many later packets prove that one is lost and not late: the
	// number that TCP uses (RFC 5681). Where packets turn out to have been late, more
	// prove it, up to spreadMax.
	reorderMax = 3
	spreadMax  = 128

	// nackPackets is how many packets one Nack is answered with, and asks for: a Nack
	// of 60 bytes never brings more than 90 kB.
	nackPackets = 64

	// waitingMax is how many packets of a stream are asked for and not here, at most;
	// waitingMin where answers are lost: they crowd the way of what is sent first.
	waitingMax = 256
	waitingMin = 16

	// repeatMax is how many packets one step sends again, so that many members that lost
	// the same do not make a step long.
	repeatMax = 512

	// piecesMax is how many pieces one fetch may have: every range of every rank from
	// another holder.
	piecesMax = 4 * view.RangesMax

	// askAnother is how often the sender of a stream is asked in vain before another
	// holder is, every second time.
	askAnother = 2

	// listClasses is how many lengths lists of a record's parts come in: powers of two, so
	// that the longest holds the packets of recordMax bytes.
	listClasses = 12

	// slotsKept is how many packets' buffers outlive a view unused: 380 kB.
	slotsKept = 256
)

// The timers, as they are for up to four members. Acknowledgements go from everybody to
// everybody, so with more members they wait longer.
const (
	// ackDelay is how long an acknowledgement waits for company.
	ackDelay = time.Millisecond

	// thriftStep is how much longer a small packet waits to be filled for each packet of
	// the reserve that is used, up to thriftMost: a second uses 320 of them.
	thriftStep = 20 * time.Microsecond
	thriftMost = 20 * time.Millisecond

	// releaseDelay is how long the news of a release waits for an acknowledgement that it
	// can go with: it matters only to a sender whose window is nearly full, and such a
	// one is told every ackEvery packets.
	releaseDelay = 10 * time.Millisecond

	// reorderDelay is how long the last packets of a burst may be late before they are
	// taken for lost.
	reorderDelay = 500 * time.Microsecond

	// repeatPause is how long a packet is not sent again to the member that was just
	// sent it: a Nack may come twice.
	repeatPause = 250 * time.Microsecond

	// roundFirst is the round trip that is assumed before one was measured; roundMin and
	// roundMost bound what is believed of measurements. The least covers a process
	// that waits for its turn on a busy machine.
	roundFirst = 2 * time.Millisecond
	roundMin   = 500 * time.Microsecond
	roundMost  = 100 * time.Millisecond

	// retryMost is the longest pause between two askings for the same packet.
	retryMost = 200 * time.Millisecond

	// probeMost is the longest pause between two questions to a member that has not
	// acknowledged: ten small frames a second to one that is dead and not yet suspected.
	probeMost = 100 * time.Millisecond

	// slowAfter is how long a member must hold this member's stream up before that is
	// an event; it is one again each time that has doubled.
	slowAfter = time.Second

	// stuckAfter is how long a member with packets to release releases nothing before it
	// is named while the window is full.
	stuckAfter = 100 * time.Millisecond
)

// Bound names a limit that was reached; trace.Overflow carries it in A.
type Bound uint64

// The bounds.
const (
	Ring Bound = 1 + iota // too much is kept of one stream: a packet is not taken
)

// String names the bound.
func (b Bound) String() string {
	switch b {
	case Ring:
		return "ring"
	}
	return "unknown bound"
}

package stateproxy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config is what a proxy must be told. It does not change after [New].
type Config struct {
	Self        view.Member
	Peers       []view.ID // whom we tell and whom we back up; 1 to [PeersMax], ascending
	Fingerprint uint32    // of the cluster, for the frame's header

	// ObjectsMax bounds the internal cache in objects. Tombstones, which wait for a
	// confirmation, may be as many again; an external cache holds up to twice as many,
	// for what its source destroyed but a moment ago, or left in a former life.
	// Zero: 262,144. Too small: objects beyond it are not protected (trace.Refused).
	ObjectsMax int

	// ResendMax bounds the unconfirmed messages to one peer. Reaching it drops them and
	// resynchronises the peer. Zero: 131,072.
	ResendMax int

	// Coalesce is how long changes are gathered before they are sent, so that an object
	// that changes several times costs one message. It is also the age up to which a
	// change may be lost with this node. Zero: sent at the next Tick.
	Coalesce time.Duration

	// DestroyDelay is how long a Destroy may wait for a frame to ride in; it protects
	// nothing (the seed, 6.1). Zero: 200 ms.
	DestroyDelay time.Duration

	// AckWindow is how many messages are confirmed by one acknowledgement. Zero: 256.
	AckWindow int

	// AckDelay is the longest a confirmation waits when fewer arrive. Zero: 20 ms.
	AckDelay time.Duration

	// KeepFormer keeps what a peer's former life replicated until [Machine.Release],
	// even when its new life says that it has nothing. A takeover needs it: the new
	// life of the active node must not erase the state that the standby is about to
	// take over.
	KeepFormer bool

	Recorder trace.Recorder // nil: nobody listens
}

const (
	objectsDefault      = 262144
	resendDefault       = 131072
	destroyDelayDefault = 200 * time.Millisecond
	ackWindowDefault    = 256
	ackDelayDefault     = 20 * time.Millisecond
)

// Recovered is what a proxy finds of its former life: nothing. State is re-read from
// the service, and peers are recognised by their lives.
type Recovered struct{}

// New makes a proxy. rng seeds its hash tables; it is used here only.
func New(cfg Config, _ Recovered, rng *rand.Rand) (*Machine, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m := &Machine{cfg: cfg, own: newCache(rng.Uint64())}
	for _, id := range cfg.Peers {
		m.peers = append(m.peers, &peer{
			id:       id,
			sender:   sender{peer: id},
			receiver: receiver{peer: id, cache: newCache(rng.Uint64())},
		})
	}
	return m, nil
}

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	switch {
	case !c.Self.Known():
		return fmt.Errorf("stateproxy: Self is %v: both ID and incarnation must be known", c.Self)
	case len(c.Peers) == 0 || len(c.Peers) > PeersMax:
		return fmt.Errorf("stateproxy: %d peers: 1 to %d are possible", len(c.Peers), PeersMax)
	case !slices.IsSorted(c.Peers) || len(slices.Compact(slices.Clone(c.Peers))) != len(c.Peers):
		return fmt.Errorf("stateproxy: peers %v: must be ascending and different", c.Peers)
	case slices.Contains(c.Peers, c.Self.ID) || slices.Contains(c.Peers, view.Nobody):
		return fmt.Errorf("stateproxy: peers %v: must not contain %v or nobody", c.Peers, c.Self.ID)
	case c.ObjectsMax < 0 || c.ObjectsMax > ObjectsMax:
		return fmt.Errorf("stateproxy: ObjectsMax is %d: at most %d", c.ObjectsMax, ObjectsMax)
	case c.ResendMax < 0 || c.AckWindow < 0 || c.Coalesce < 0 || c.DestroyDelay < 0 || c.AckDelay < 0:
		return fmt.Errorf("stateproxy: a bound or delay is negative")
	}
	c.ObjectsMax = orDefault(c.ObjectsMax, objectsDefault)
	c.ResendMax = orDefault(c.ResendMax, resendDefault)
	c.AckWindow = orDefault(c.AckWindow, ackWindowDefault)
	c.DestroyDelay = orDefault(c.DestroyDelay, destroyDelayDefault)
	c.AckDelay = orDefault(c.AckDelay, ackDelayDefault)
	c.Peers = slices.Clone(c.Peers)
	return nil
}

func orDefault[T int | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

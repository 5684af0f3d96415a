package detect

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Config says who is watched and how fast. Links, Heartbeat and SuspectAfter should be the
// same on all members: Fingerprint is how they notice that they are not.
type Config struct {
	Self  view.Member
	Peers []view.ID // all other candidates, ascending; at most view.SeatMax-1
	Links int       // between any two members, numbered from 1; at most 8

	Heartbeat    time.Duration // between two heartbeats on one link; at least 1 ms
	SuspectAfter time.Duration // of silence on all links; 3 heartbeats to a minute

	// Perfect leaves suspicion to Suspect alone, for a simulator that knows who has
	// failed: the perfect detector of the textbooks. Heartbeats are sent all the same, for
	// they make lives known.
	Perfect bool

	Fingerprint uint32         // goes into every frame
	Recorder    trace.Recorder // may be nil
}

// Change is one change of opinion.
type Change struct {
	Peer      view.Member
	Suspected bool // or trusted: heard for the first time in this life, or again
}

// Output is what a step puts out.
type Output struct {
	wire.Outbox
	Changes []Change // in this order; of one peer, the end of a life before the next
}

// Reset makes an output empty and keeps its buffers.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Changes = o.Changes[:0]
}

func (c *Config) validate() error {
	if !c.Self.Known() {
		return fmt.Errorf("self is %v; both its ID and its incarnation must be known", c.Self)
	}
	if len(c.Peers) > peersMax {
		return fmt.Errorf("%d peers; at most %d can be watched", len(c.Peers), peersMax)
	}
	for i, id := range c.Peers {
		if id == view.Nobody || id == view.Everyone || id == c.Self.ID || i > 0 && id <= c.Peers[i-1] {
			return fmt.Errorf("peers must be ascending, each once, and not self; number %d is %v", i+1, id)
		}
	}
	switch {
	case c.Links < 1 || c.Links > linksMax:
		return fmt.Errorf("%d links; there must be 1 to %d", c.Links, linksMax)
	case c.Heartbeat < heartbeatMin:
		return fmt.Errorf("heartbeat is %v; it must be at least %v", c.Heartbeat, heartbeatMin)
	case c.SuspectAfter < heartbeatsPerSuspicion*c.Heartbeat:
		return fmt.Errorf("suspect_after is %v and heartbeat is %v; it must be at least %d heartbeats, %v",
			c.SuspectAfter, c.Heartbeat, heartbeatsPerSuspicion, heartbeatsPerSuspicion*c.Heartbeat)
	case c.SuspectAfter > suspectMax:
		return fmt.Errorf("suspect_after is %v; it must be at most %v", c.SuspectAfter, suspectMax)
	}
	return nil
}

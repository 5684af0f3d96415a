package checkpointed

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config is what a member is told.
type Config struct {
	Self         view.Member
	Peer         view.ID
	Preferred    view.ID       // of the two, the same at both: who serves first when both are there
	Fingerprint  uint32        // of the cluster and its shared configuration
	Head         []byte        // stands before each message: whose of several services it is. Who gives Receive a message has taken it off
	Heartbeat    time.Duration // between two "I am alive"; default 10 ms
	SuspectAfter time.Duration // of silence; at least 3 heartbeats; default 5. Too short: takeovers for nothing
	Every        time.Duration // between two checkpoints, if there is something new; default 10 s. Longer: the survivor has more to execute
	Executor     *session.Executor
	Recorder     trace.Recorder // nil: nobody listens
}

func (c *Config) check() error {
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Millisecond
	}
	if c.SuspectAfter == 0 {
		c.SuspectAfter = 5 * c.Heartbeat
	}
	if c.Every == 0 {
		c.Every = 10 * time.Second
	}
	switch {
	case !c.Self.Known():
		return fmt.Errorf("checkpointed: the member itself is %v; it needs a number and an incarnation", c.Self)
	case c.Peer == view.Nobody || c.Peer == view.Everyone || c.Peer == c.Self.ID:
		return fmt.Errorf("checkpointed: the other of %v is %v; name the other member", c.Self.ID, c.Peer)
	case c.Preferred != c.Self.ID && c.Preferred != c.Peer:
		return fmt.Errorf("checkpointed: %v is preferred; prefer one of the two, %v or %v", c.Preferred, c.Self.ID, c.Peer)
	case c.Heartbeat < time.Millisecond:
		return fmt.Errorf("checkpointed: a heartbeat of %v; at least 1ms is needed", c.Heartbeat)
	case c.SuspectAfter < 3*c.Heartbeat:
		return fmt.Errorf("checkpointed: silence counts after %v, with a heartbeat of %v; at least three heartbeats are needed, since one may be lost", c.SuspectAfter, c.Heartbeat)
	case c.Every < c.Heartbeat:
		return fmt.Errorf("checkpointed: a checkpoint every %v; at least a heartbeat, %v, must be between two", c.Every, c.Heartbeat)
	case c.Executor == nil:
		return fmt.Errorf("checkpointed: %v has no executor; give it the service's", c.Self.ID)
	}
	return nil
}

package pair

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Policy is what a member does when the other is silent: with two members a crash cannot be
// told from a network that is cut.
type Policy uint8

// The policies.
const (
	// Prefer lets Config.Preferred go on alone and the other stop, whoever was the primary. The
	// service survives the crash of the other, and stops while the preferred one is down.
	Prefer Policy = 1 + iota
	// Freeze stops the service until the other is heard again, or somebody says [Machine.Proceed].
	Freeze
	// Arbitrate asks an arbiter outside: see [Question].
	Arbitrate
)

var policyNames = [...]string{"none", "prefer", "freeze", "arbitrate"}

// String gives the policy as it is configured.
func (p Policy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return "unknown"
}

// Config is what a member is told.
type Config struct {
	Self view.Member
	Peer view.ID
	// Preferred is one of the two, the same at both: it founds the service, of two who went on at
	// once it keeps its state, and with [Prefer] it is who goes on.
	Preferred    view.ID
	Policy       Policy        // the same at both
	Fingerprint  uint32        // of the cluster and its shared configuration
	Head         []byte        // stands before each message, at most 4 bytes: whose of several services it is. Who gives Receive a message has taken it off
	Heartbeat    time.Duration // between two statements; default 10 ms
	SuspectAfter time.Duration // of silence; at least 3 heartbeats; default 5. Too short: healthy members are taken for crashed
	Executor     *session.Executor
	Recorder     trace.Recorder // nil: nobody listens

	// Logged says that what is executed is logged, and Save a record in that log: the executor has what the log had, and
	// the owner keeps each reply back until the log has what it stands on. The same at both; one that does not log is not heard by one that does.
	Logged bool
}

// Recovered is what a member kept over a restart of what it was told to save.
type Recovered struct {
	Known bool       // there is a disk on which it was kept; if not, the policy has to do
	Epoch view.Epoch // the highest epoch that was to be saved; 0: none

	// Mate is, of a log, which life of the other Epoch was of; 0: this member was alone in it.
	Mate view.Incarnation

	// Born is, of a log, in which life of this member it was begun; 0: it is new, and [Machine.Begun] will tell.
	Born view.Incarnation
}

func (c *Config) check() error {
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Millisecond
	}
	if c.SuspectAfter == 0 {
		c.SuspectAfter = 5 * c.Heartbeat
	}
	switch {
	case !c.Self.Known():
		return fmt.Errorf("pair: the member itself is %v; it needs a number and an incarnation", c.Self)
	case c.Peer == view.Nobody || c.Peer == view.Everyone || c.Peer == c.Self.ID:
		return fmt.Errorf("pair: the other of %v is %v; name the other member", c.Self.ID, c.Peer)
	case c.Preferred != c.Self.ID && c.Preferred != c.Peer:
		return fmt.Errorf("pair: %v is preferred; prefer one of the two, %v or %v", c.Preferred, c.Self.ID, c.Peer)
	case c.Policy < Prefer || c.Policy > Arbitrate:
		return fmt.Errorf("pair: policy %d is none; it is prefer, freeze or arbitrate", c.Policy)
	case c.Heartbeat < time.Millisecond:
		return fmt.Errorf("pair: a heartbeat of %v; at least 1ms is needed", c.Heartbeat)
	case c.SuspectAfter < 3*c.Heartbeat:
		return fmt.Errorf("pair: silence counts after %v, with a heartbeat of %v; at least three heartbeats are needed, since one may be lost", c.SuspectAfter, c.Heartbeat)
	case len(c.Head) > headRoom:
		return fmt.Errorf("pair: %d bytes before each message; there is room for %d", len(c.Head), headRoom)
	case c.Executor == nil:
		return fmt.Errorf("pair: %v has no executor; give it the service's", c.Self.ID)
	}
	return nil
}

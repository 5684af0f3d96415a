package takeover

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Role is what a node does for the group. Its values are on the wire (RFC 0005).
type Role uint8

// The roles. Zero is a machine that was not started.
const (
	Waiting   Role = 1 // just started; listens for an active before it does anything
	Standby   Role = 2 // keeps a copy of the state and watches the active
	Promoting Role = 3 // puts the state into the kernel, then raises the addresses
	Active    Role = 4 // holds the addresses
	Draining  Role = 5 // holds the addresses and hands them over
	Stopped   Role = 6 // said goodbye
)

var roleNames = [...]string{"not started", "waiting", "standby", "promoting", "active", "draining", "stopped"}

// String gives the role in one word.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "unknown role"
}

// Verb is what a [Command] asks for.
type Verb uint8

// The verbs.
const (
	// Commit asks to put all state of the peers into the kernel and then to call
	// [Machine.Committed]. From here on, until Lower or until the role is standby
	// again, state that still arrives goes straight into the kernel as well. With the
	// reason Renewal the node holds the addresses already and its own kernel is what
	// counts: nothing must be put there, only Committed called.
	Commit Verb = 1 + iota
	// Raise asks to add the addresses, to announce them, and then to call
	// [Machine.Raised]. It never comes before Committed of the same epoch. It may
	// come while the addresses are held already and must then change nothing.
	Raise
	// Lower asks to remove the addresses and then to call [Machine.Lowered]. It must
	// work whether they are held or not.
	Lower
	// Announce asks to tell the neighbours again where the addresses are
	// (gratuitous ARP, unsolicited neighbour advertisements).
	Announce
)

var verbNames = [...]string{"none", "commit", "raise", "lower", "announce"}

// String gives the verb in one word.
func (v Verb) String() string {
	if int(v) < len(verbNames) {
		return verbNames[v]
	}
	return "unknown verb"
}

// Command is one thing for the service to do, in the name of an epoch.
type Command struct {
	Verb   Verb
	Epoch  view.Epoch
	Reason Reason
}

// Output collects what one or several steps of a machine ask for. Commands must be
// carried out in their order.
type Output struct {
	wire.Outbox
	Deliver []Command
}

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Deliver = o.Deliver[:0]
}

// Reason says why the role of a node changed.
type Reason uint8

// The reasons.
const (
	None       Reason = iota
	Vacancy           // nobody was active
	Silence           // the active fell silent on every link
	Goodbye           // the active stopped
	Rebirth           // the active crashed and is back in a new life
	Unhealthy         // the active has a tracked interface down
	Requested         // somebody asked for the handover
	Preemption        // a member with a higher priority asked for the addresses
	Stopping          // this node is being stopped
	Contest           // two nodes were active, or about to be, and the other one stays
	Unheard           // two nodes were active and the other one does not hear this one
	Renewal           // a higher epoch than the active's own turned up
	Withdrawn         // the active lives after all, or took the handover back
	TargetLost        // handover given up: the successor fell silent, restarted or became unhealthy
	TargetLate        // handover given up: the successor was not ready in time, or not proven
	LowerLate         // handover given up: the addresses could not be lowered in time
)

var reasonNames = [...]string{
	"none", "nobody was active", "the active fell silent", "the active stopped",
	"the active restarted", "an interface is down", "it was requested",
	"a member of higher priority asked", "this node stops",
	"another node has the later epoch", "another active does not hear this node",
	"a later epoch turned up", "the active is there",
	"the successor was lost", "the successor was not ready in time",
	"the addresses were not lowered in time",
}

// String gives the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown reason"
}

// LinkStatus is one link to a peer.
type LinkStatus struct {
	Link    uint8     // counted from 1
	Heard   bool      // it carries the peer's heartbeats
	HearsUs bool      // the peer says that it carries ours
	Last    time.Time // the last heartbeat that counted; zero: never
}

// PeerStatus is what a node knows of another.
type PeerStatus struct {
	Member   view.Member // incarnation zero: never heard
	Alive    bool
	Role     Role       // as last said
	Epoch    view.Epoch // as last said
	Priority uint8
	Healthy  bool // no tracked interface is down there
	Synced   bool // its copy of the active's state is complete
	HearsUs  bool // it hears this node on some link
	Proven   bool // it has confirmed all our state
	Ready    bool // it could take over now: alive, both ways heard, healthy, synced, standby
	Last     time.Time
	Links    []LinkStatus
}

// Status is what a machine knows, for people and metrics. It shares no memory with
// the machine.
type Status struct {
	Self      view.Member
	Role      Role
	Since     time.Time   // of the role
	Reason    Reason      // for the last change of role, or why a handover was given up
	Epoch     view.Epoch  // in which this node acts, or else that of the active it follows
	Highest   view.Epoch  // known of; what a next life wants in Recovered
	Active    view.Member // nobody if none is known
	Successor view.ID     // to whom a handover is under way
	Down      int         // tracked interfaces that are down
	Synced    bool
	Peers     []PeerStatus
	Dropped   [wire.ReasonCount]uint64 // messages, by reason
}

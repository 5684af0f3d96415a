// Package service holds the judges of what a replicated service promises to its clients, one
// file a promise, under the names of docs/guarantees.md. They read histories only: what was
// asked, what was answered, what each replica executed, who believed to hold a lock and what
// the guarded resource took.
//
//	linearizability  what clients are answered is what one server that does not fail could
//	                 have answered, at some moment between question and answer
//	once             a request of at most once or exactly once is executed no more than once
//	agreement        replicas execute the same requests in the same order
//	retention        what a client was told to be done is in the state, for ever
//	knowledge        what a client is told not to have been executed was not, and is not later
//	exclusion        two clients never believe at one time to hold a lock that excludes
//	fencing          tokens grow from grant to grant, and the resource takes no older one
//	queue            a lock is granted in the order in which it was asked for
//	honesty          replicas that differ are named, and no others
//	liveness         after calm every call is answered, and no client waits for a free lock
//
// Linearizability is that of Herlihy and Wing (1990), decided by porcupine (Athalye 2017) with
// the algorithm of Wing and Gong as improved by Lowe.
package service

import (
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Kind says what a fact is about.
type Kind uint8

// The kinds of facts. Client is who asked, Node where it happened.
const (
	// Called: Client begins call Call, of Op on Key with the argument Value. Once says that
	// it is to be executed no more than once.
	Called Kind = 1 + iota
	// Answered: that call is answered; Value is what there was before.
	Answered
	// Unexecuted: Client is told that the call was not executed and will not be.
	Unexecuted
	// Unknown: Client gave up, and is told that nobody knows.
	Unknown
	// Crashed: Client is gone; what it had asked may be executed still.
	Crashed

	// Executed: Node executed, as its Index-th command, that of Session with Number; Sum is
	// of its bytes, State of the whole state after it, as seen from outside.
	Executed
	// Restored: Node has the state as of Index instead of its own.
	Restored
	// Fell: Node is down and has forgotten everything.
	Fell
	// Named: Node says that Peer has diverged.
	Named
	// Halted: Node says that the replicas differ, and nobody knows who is right.
	Halted

	// Asked: in the agreed order Session asks for lock Key and does not get it at once; Shared
	// says how. It is told of one replica only, as are Granted and Quit.
	Asked
	// Granted: Session gets lock Key with the token Value.
	Granted
	// Quit: Session gives lock Key back, or its place in the queue, or has ended.
	Quit
	// Held: Client believes from now on that it holds lock Key with the token Value; Shared.
	Held
	// Dropped: it does not any more.
	Dropped
	// Wrote: the resource guarded by lock Key took something under the token Value.
	Wrote

	// Calmed: there are no more faults.
	Calmed
	// Ended: this is all, and time enough has passed since Calmed.
	Ended
)

// Op is what a call does with the cell Key of the service.
type Op uint8

// The operations.
const (
	Read Op = 1 + iota // answers the value
	Swap               // puts Value there and answers what there was
	Add                // adds Value and answers what there was
)

// Fact is one thing that happened. What a kind has no use for is zero.
type Fact struct {
	At     time.Duration // the true time
	Kind   Kind
	Node   view.Member
	Peer   view.Member
	Client int
	Call   uint64 // of one client, from 1
	Op     Op
	Key    uint32
	Value  uint64
	Once   bool
	Shared bool

	Index   uint64
	Session uint64
	Number  uint64
	Sum     uint64
	State   uint64
}

// Judge hears facts in the order in which they happened. What it returns is nil, or says
// how its promise was broken.
type Judge interface {
	Promise() string
	Hear(f *Fact) error
}

// All gives every judge of a service. strict says that locks are granted first come, first
// served; volatile that a state may be lost when all members are down at once.
func All(strict, volatile bool) []Judge {
	judges := []Judge{Once(), Agreement(), Knowledge(), Exclusion(), Fencing(), Honesty(), Liveness()}
	if strict {
		judges = append(judges, Queue())
	}
	if !volatile {
		judges = append(judges, Retention())
	}
	return append(judges, Linearizability())
}

// Court passes facts to judges and keeps the first violation.
type Court struct {
	judges []Judge
	first  *check.Violation
}

// NewCourt makes a court.
func NewCourt(judges ...Judge) *Court { return &Court{judges: judges} }

// Hear takes one fact. After the first violation nothing is heard any more.
func (c *Court) Hear(f *Fact) {
	if c.first != nil {
		return
	}
	for _, j := range c.judges {
		if err := j.Hear(f); err != nil {
			c.first = &check.Violation{Promise: j.Promise(), At: f.At, Text: err.Error()}
			return
		}
	}
}

// Violation is the first broken promise; nil: none is.
func (c *Court) Violation() *check.Violation { return c.first }

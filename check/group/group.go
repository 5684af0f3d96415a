// Package group holds the judges of what a group promises, one file a promise, under the
// names of docs/guarantees.md.
//
// As in package check a judge knows a promise and a history, never the implementation.
// The history is a sequence of [Fact] values: what an observer saw who stands outside of
// all processes, knows the true time, hears what each process was asked by its owner and
// what it told its owner. Simulator and tests of real processes are such observers. What
// depends on what (which view a message belongs to, what happened before what, what a
// process ought to have in its state) is worked out from the history alone, in [Ledger].
//
//	view agreement  members of a view agree on it, and on who came along from where
//	primary         views follow each other in one chain: one component goes on
//	self-inclusion  a member is in its own views, and is given messages in a view only
//	view synchrony  who goes from one view to the next together has delivered the same
//	sending view    a message is delivered in one view, in which its sender was
//	fifo            what a sender multicast before comes before, and none is left out
//	causal          what happened before comes before
//	total           who goes on together has delivered total messages in the same order
//	uniform         what anybody delivered uniformly, all do that go on, in one order
//	integrity       once in a life, as it was multicast, and never what was not
//	state transfer  who is let in has the state of the others at that point
//	liveness        after calm one view has everybody, and everything is delivered
//	flow            queues keep within their bounds, and who holds a sender up is named
//	detector        the dead are suspected in time; who is heard is not, nor anybody after calm
//
// All of it is of one group; an observer of several has a [Court] for each.
//
// What is judged of a member that crashes or is expelled in the middle of a view: fifo,
// causal, sending view and integrity at each delivery; the order of total messages only
// of uniform ones, for a message that nobody else got cannot have a place at others.
//
// The names of the properties are those of Chockler, Keidar and Vitenberg, "Group
// communication specifications" (2001); the orders are those of Hadzilacos and Toueg.
package group

import (
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Order is the order that a message asks for, a set of the flags below.
type Order uint8

// The flags, as in protocol/order.
const (
	FIFO    Order           = 1 << iota // after the sender's earlier messages that are FIFO or stronger
	causal                              // see Causal
	Total                               // in the same place among all total messages
	Uniform                             // to all that go on, if to anybody
	Causal  = FIFO | causal             // after the causal messages that happened before
)

// Kind says what a fact is about.
type Kind uint8

// The kinds of facts. Node is where it happened.
const (
	// Booted: a life of the process began. It is in no view, and its state is empty.
	Booted Kind = 1 + iota
	// Crashed: that life ended.
	Crashed
	// Perished: every process is down: the group with all that it knew is gone, and may be
	// founded anew, with names of views that were there before.
	Perished
	// Joined: the owner wants the process in the group.
	Joined
	// Left: the owner does not want it any more.
	Left
	// Viewed: the process was told View; Members are those that came along, with it, from
	// the view that it was in.
	Viewed
	// Expelled: it was told that it is out of the group against its will.
	Expelled
	// Merged: it was told that its component gives itself up for a greater one.
	Merged
	// Departed: it was told that it has left.
	Departed
	// Multicast: the owner's message Number was taken: Order, Sum of the payload, Size.
	Multicast
	// Delivered: the process delivered message Number of Peer: Order, Sum, Size.
	Delivered
	// Lost: it was told that its own messages Number to Last are not delivered to it.
	Lost
	// Emptied: what the process has as the group's state is void, another one comes.
	Emptied
	// Restored: it has the state with Entries instead, in the order of their delivery.
	Restored
	// Blocked and Unblocked: it was told that the group does not go on, or does.
	Blocked
	Unblocked
	// Slowed: it was told that Peer holds its messages up, or nobody if Peer is zero.
	Slowed
	// Flushed: a view change has begun or goes on at the process; Peer holds it up, if known.
	Flushed
	// Refused: the owner's message was not taken, as all before it for the time Since. Peer,
	// if known, is the one who holds it up, and nothing else goes on.
	Refused
	// Heard: the first datagram of the life Peer was given to the process.
	Heard
	// Suspected and Trusted: the process takes Peer for failed, or not any more. Since, if
	// known, is for how long nothing of it was given to the process.
	Suspected
	Trusted
	// Quiet: nothing of Peer was given to the process for the time Since, in all of which
	// it ran, as true time has it.
	Quiet
	// Used: the process uses Value of the thing Name, of which Limit is the most.
	Used
	// Calmed: there are no more faults; who wants to be in the group runs.
	Calmed
	// Ended: this is all, and time enough has passed since Calmed.
	Ended
)

// Entry is one message in a state.
type Entry struct {
	From   view.Member
	Number uint64
	Sum    uint64
}

// Fact is one thing that happened. What a kind has no use for is zero. Members and
// Entries are valid while the fact is judged, and View is never changed.
type Fact struct {
	At   time.Duration // the true time, since the observation began
	Kind Kind
	Node view.Member
	Peer view.Member

	View    *view.View
	Members []view.Member
	Entries []Entry

	Number, Last uint64 // of messages of one life, from 1
	Order        Order
	Sum          uint64
	Size         int

	Since        time.Duration
	Name         string
	Value, Limit uint64
}

// Judge hears facts in the order in which they happened. What it returns is nil, or says
// how its promise was broken.
type Judge interface {
	Promise() string
	Hear(f *Fact) error
}

// Court passes facts to judges and keeps the first violation.
type Court struct {
	judges []Judge
	first  *check.Violation
}

// NewCourt makes a court. Judges hear each fact in the order given here; the [Ledger]
// must be the first.
func NewCourt(judges ...Judge) *Court { return &Court{judges: judges} }

// All gives every judge of a group, the ledger first; then that of liveness, since others
// judge what there is at the end as if it were all. primary says that one component at
// most may go on; stateful, that who is let in is given the state.
func All(primary, stateful bool, patience Patience) []Judge {
	l := NewLedger()
	judges := []Judge{
		l, Liveness(l), Agreement(l), Inclusion(l), Integrity(l), Synchrony(l), Sending(l), Succession(l), Causality(l),
		Totality(l), Uniformity(l, primary), Flow(l, patience), Detector(l, patience),
	}
	if primary {
		judges = append(judges, Chain(l))
	}
	if stateful {
		judges = append(judges, Transfer(l))
	}
	return judges
}

// Patience is for how long something may last before it is a violation.
type Patience struct {
	Detect time.Duration // silence until a peer is suspected
	Hasty  time.Duration // silence before which it is not
	Settle time.Duration // after calm, until nobody is suspected wrongly
	Refuse time.Duration // messages not taken until a reason must have been told
	Name   time.Duration // messages not taken until it is told who holds them up, if nothing else happens
}

// Hear passes one fact on. After the first violation it does nothing.
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

// Verdict is the first broken promise, or nil.
func (c *Court) Verdict() *check.Violation { return c.first }

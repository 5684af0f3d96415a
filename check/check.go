// Package check holds the judges of what Holdfast promises, one file a promise, under the
// names of docs/guarantees.md.
//
// A judge knows a promise and a history, never the implementation. The history is a
// sequence of [Fact] values: what an observer saw who stands outside of all nodes, knows
// the true time, and hears what each node was told and what it said. The simulator is
// such an observer. Judges do not look into machines, so a machine cannot talk them into
// anything: what a copy holds is what was delivered to its owner, and whether that is
// right is decided against what the source was given.
//
// A [Court] passes every fact to its judges and keeps the first [Violation].
//
//	convergence  after calm every copy equals its source, and is proven
//	proof        what is shown as proven is so at that moment
//	divergence   equal copies are never called diverged
//	delivery     the deliveries, replayed, are exactly the copy
//	order        a copy never goes back to an earlier state of an object
//	retention    a copy does not lose what its source keeps
//	bounds       everything stays within its limit, and what is refused is named
//	address      one holder an epoch, state before address, and old epochs lose
//	survival     what was proven when the active died is in its successor's table
//	handover     a planned handover loses no flow
//	agreement    after calm one node is active, and all agree on it
//
// Judges are exact, with one exception: a source cannot know at once that a peer has
// died. How long it may go on showing the peer as proven is the judge's setting.
package check

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Kind says what a fact is about.
type Kind uint8

// The kinds of facts. Node is where it happened.
const (
	// Booted: a life of the node began, with no object and no copy.
	Booted Kind = 1 + iota
	// Crashed: that life ended, and all that it held is gone.
	Crashed
	// Stored: the node was given an object: Key, State.
	Stored
	// Removed: the node was told that an object is gone: Key.
	Removed
	// Cleared: the node was told that all its objects are gone.
	Cleared
	// Turned: the node did not take an object that it was given.
	Turned
	// Copied: Peer's object Key now is State in this node's copy, it says.
	Copied
	// Dropped: Peer's object Key is gone from this node's copy, it says.
	Dropped
	// Heard: the node was given a datagram that the life Peer had sent.
	Heard
	// Claimed: the node says of its peer Peer that it is proven.
	Claimed
	// Listed: Objects are what this node's copy of Peer holds when read out; if Peer is
	// the node itself, its own objects.
	Listed
	// Used: the node uses Value of the thing Name, of which Limit is the most.
	Used
	// Traced: the node recorded Event.
	Traced
	// Asked: the node's machine asked its service to do Name (commit, raise, lower) in the
	// epoch Value.
	Asked
	// Answered: the machine was told that it was done.
	Answered
	// Addressed: the node's host has the addresses from now on, if Value is 1, or not.
	Addressed
	// Opened: a flow Key went through the node, which has it in its table as State now.
	Opened
	// Closed: the flow Key ended, or its end points gave it up.
	Closed
	// Pledged: the node gives the addresses up, willingly or by dying (Name says which),
	// and Peer ought to have Objects when it holds them.
	Pledged
	// Took: the node holds the addresses instead, and has Objects in its table. Name is
	// that of the pledge.
	Took
	// Stood: at the end the node has the role Name, takes Peer as active, and Value is 1
	// if it holds the addresses.
	Stood
	// Calmed: the network does no more harm and everybody lives; nothing changes.
	Calmed
	// Ended: this is all. Value is 1 if every node says that all its peers are proven.
	Ended
)

// Object is one object as read out of a node.
type Object struct{ Key, State []byte }

// Fact is one thing that happened. What a kind has no use for is zero. Key, State and
// Objects are valid while the fact is judged.
type Fact struct {
	At   time.Duration // the true time, since the world began
	Kind Kind
	Node view.Member
	Peer view.Member

	Key, State   []byte
	Objects      []Object
	Name         string
	Value, Limit uint64
	Event        trace.Event
}

// Judge hears facts in the order in which they happened. What it returns is nil, or says
// how its promise was broken.
type Judge interface {
	Promise() string
	Hear(f *Fact) error
}

// Violation is a broken promise.
type Violation struct {
	Promise string
	At      time.Duration
	Text    string
}

// Error gives the promise, when it was broken, and how.
func (v *Violation) Error() string {
	return fmt.Sprintf("%s: broken at %v: %s", v.Promise, v.At, v.Text)
}

// Court passes facts to judges.
type Court struct {
	judges []Judge
	first  *Violation
}

// NewCourt makes a court. Judges hear each fact in the order given here; a [Ledger] that
// some of them read must be the first.
func NewCourt(judges ...Judge) *Court { return &Court{judges: judges} }

// Hear passes one fact on. After the first violation it does nothing.
func (c *Court) Hear(f *Fact) {
	if c.first != nil {
		return
	}
	for _, j := range c.judges {
		if err := j.Hear(f); err != nil {
			c.first = &Violation{Promise: j.Promise(), At: f.At, Text: err.Error()}
			return
		}
	}
}

// Verdict is the first broken promise, or nil.
func (c *Court) Verdict() *Violation { return c.first }

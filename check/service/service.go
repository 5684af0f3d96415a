// Package service holds the judges of what a replicated service promises to its clients, one
// file a promise, under the names of docs/guarantees.md.
//
// As in package check a judge knows a promise and a history, never the implementation. The
// history is a sequence of [Fact] values: what clients asked and were answered, what each
// replica executed, who believed to hold a lock and what the guarded resource took. An
// observer tells it who stands outside of all processes and knows the true time: the
// simulator, or a test of real processes. What belongs together (which call a request is of,
// and which life of the service it was executed in) is worked out in [Ledger].
//
//	linearizability  what clients are answered is what one server that does not fail could
//	                 have answered, at some moment between question and answer
//	once             a call that is at most once or exactly once is executed no more than once,
//	                 and is always given the same answer
//	execution        what is answered was executed, at least once
//	exactly-once, at-most-once, at-least-once, maybe
//	                 calls are executed as often as their semantics say
//	agreement        replicas execute the same requests in the same order, and none is left out
//	retention        what a client was told to be done is in the state, for ever
//	knowledge        what a client is told not to have been executed was not, and is not later
//	votes            an answer is the reply of more than half of the members that vote
//	exclusion        a lock that excludes is not granted to two, and no two believe to hold it
//	lease            a client has stopped believing before the lock is granted to another
//	fencing          tokens grow from grant to grant, and the resource takes no older one
//	queue            a lock is granted in the order in which it was asked for
//	prompt           whoever can be granted a lock has been
//	overtaking       where it is not, nobody is passed too often
//	gone             a session that is over has nothing, and gets nothing
//	honesty          replicas that differ are named and restored, and no others; what is shown
//	                 as proven is so
//	liveness         after calm every call is answered, every replica has what was answered,
//	                 nobody waits for a free lock, and who wants a lock gets it
//
// # What is not judged
//
// Calls that change a cell and may be executed several times ([AtLeastOnce], [Maybe]) spoil
// it for linearizability: cells with such a call are not judged, so let tests give them
// cells of their own. A read that a style answers without executing it is judged by
// linearizability only. When all that was in memory is lost at once ([Perished]) the cells
// begin anew at 0, and a call that was under way may have been executed before and once more
// after it.
//
// Honesty knows who differs, and with [Setting.Majority] also who is right: whom more than
// half of all replicas that told a state agree with, be they dead or alive. A difference that
// has gone by itself before it was noticed need not be named, and may be.
//
// # Cost
//
// Each judge takes a constant time a fact, and all of them together some 5 ms for 10,000
// facts; but the search for a linearization is exponential in the worst case. It is short if
// the values that are swapped and added are drawn at random from all 64-bit numbers, for then
// each answer tells what was executed before it. Limits of it: limits.go. A history that is
// beyond them is not judged, and the court says so as a mistake of the history.
//
// Linearizability is that of Herlihy and Wing (1990), decided by porcupine (Athalye 2017) with
// the algorithm of Wing and Gong as improved by Lowe. The semantics of calls are those of
// Birrell and Nelson (1984) and Spector (1982); fencing tokens are sequencers as in Burrows'
// Chubby (2006).
package service

import (
	"slices"

	"github.com/holdfast-ha/holdfast/check"
)

// Judge hears facts in the order in which they happened. What it returns is nil, or says
// how its promise was broken.
type Judge interface {
	Promise() string
	Hear(f *Fact) error
}

// Setting is what the service under judgement is meant to promise.
type Setting struct {
	// FIFO: locks are granted first come, first served. Otherwise there is no judge of it.
	FIFO bool
	// Overtakes: locks may be granted out of order, and each who waits is passed so many times at most for
	// each from the first of the queue to itself that waits to have it alone. 0: there is no judge of it.
	Overtakes int
	// Prompt: facts that follow from one command have one time, so that it can be judged whether whoever could
	// have a lock has been granted it at once.
	Prompt bool
	// Volatile: the state is in memory only. When all members lose it at once, which the
	// observer tells as [Perished], what was there before is excused. Otherwise nothing is.
	Volatile bool
	// Reassert: clients tell a lock service that has lost its state who held what and who
	// waited, so exclusion and the growth of tokens hold over that loss too.
	Reassert bool
	// Lazy: a replica may be behind for ever, as the backup of a checkpointed pair is.
	Lazy bool
	// Majority: a replica is named only if it is not with more than half, as the active and
	// the voted style decide. Without it, as with a primary whose state is the right one
	// whatever it is, it only has to differ from another.
	Majority bool
	// Voted: replies are voted upon. [Executed] tells them.
	Voted bool
	// Tolerance is by how much two replies may differ that count as the same; 0: exact.
	Tolerance uint64
	// Replies: [Executed] tells them, and an answer must be one of those of its call.
	Replies bool
	// Semantics: calls of all four are made, and the judges of them are heard before those of once and execution, which
	// judge the same of all calls alike.
	Semantics bool
}

// All gives every judge of a service, the ledger first. Where a mistake breaks several
// promises, the one that says most about it comes before the others: that an answered command is
// lost before that replicas disagree, that before that one of them executes something twice.
func All(s Setting) []Judge {
	l := NewLedger(s)
	judges := []Judge{l, Retention(l), Agreement(l)}
	if s.Semantics {
		judges = append(judges, AllSemantics(l)...)
	}
	judges = append(judges, Once(l), Execution(l), Knowledge(l),
		Fencing(s), Exclusion(s), Lease(s), Gone(), Honesty(s), Liveness(l))
	if !s.Semantics {
		judges = append(judges, AllSemantics(l)...)
	}
	if s.FIFO {
		judges = append(judges, Queue())
	}
	if s.Prompt {
		judges = append(judges, Prompt(s))
	}
	if s.Overtakes > 0 {
		judges = append(judges, Overtaking(s.Overtakes))
	}
	if s.Voted {
		judges = append(judges, Votes(l))
	}
	return append(judges, Linearizability(l))
}

// Without leaves some judges out, by their promises: where one cannot be kept, and that is known.
func Without(judges []Judge, promises ...string) []Judge {
	return slices.DeleteFunc(judges, func(j Judge) bool { return slices.Contains(promises, j.Promise()) })
}

// unjudged is the error of a judge that cannot judge a history.
type unjudged string

// Error says why.
func (u unjudged) Error() string { return string(u) }

// Court passes facts to judges and keeps the first violation.
type Court struct {
	judges []Judge
	first  *check.Violation
}

// NewCourt makes a court. Judges hear each fact in the order given here; the [Ledger] that
// some of them read must be the first.
func NewCourt(judges ...Judge) *Court { return &Court{judges: judges} }

// Hear takes one fact. After the first violation nothing is heard any more. A history that
// contradicts itself, or is too hard to judge, is a violation of "history": of the test.
func (c *Court) Hear(f *Fact) {
	if c.first != nil {
		return
	}
	for _, j := range c.judges {
		if err := j.Hear(f); err != nil {
			c.first = &check.Violation{Promise: j.Promise(), At: f.At, Text: err.Error()}
			if _, is := err.(unjudged); is {
				c.first.Promise = historyPromise
			}
			return
		}
	}
}

// Violation is the first broken promise; nil: none is.
func (c *Court) Violation() *check.Violation { return c.first }

package service

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Kind says what a fact is about.
type Kind uint8

// The kinds of facts. Client is who asked, Node where it happened. What a fact of a kind has
// is named with it; the rest is zero.
const (
	// Called: Client begins call Call with Semantics: Op on cell Key with the argument Value.
	// Op 0 is any other command. Session and Number, or Sum, are those of [Sent] if they are
	// known already.
	Called Kind = 1 + iota
	// Sent: that call has gone out as request Number of Session, or if Number is 0, without
	// a session, in a request whose bytes have the sum Sum. It may go out as several.
	Sent
	// Answered: Client has the answer to the call: Value, what there was before. It may be
	// late, after Unknown, and may be told again.
	Answered
	// Unexecuted: Client is told that the call was not executed and will not be.
	Unexecuted
	// Unknown: Client gave up, and is told that nobody knows.
	Unknown
	// Crashed: Client is gone with all that it believed; what it had asked may be executed
	// still. If it comes back, its calls have other numbers, or it is another client.
	Crashed

	// Executed: Node executed, as command Index from 1, request Number of Session (or 0,
	// without one), for good: a primary that executes before its backups have the update
	// is heard when they have it. Sum is of its bytes; Value is the reply; State is the sum
	// of the whole state after it, as seen from outside, or 0 if it was not looked at.
	Executed
	// Skipped: as command Index Node had something that executes no request: a repeat, one
	// of a session that is over, a step of time. Sum and State as with Executed.
	Skipped
	// Restored: Node has the state as of Index instead of its own, from another member or
	// from its disk. What its log has beyond is told as Executed or Skipped.
	Restored
	// Fell: Node is down or out of the service, and has no state.
	Fell
	// Perished: no member has the state any more, and the service begins anew. It is told
	// before the first command of the new life.
	Perished
	// Seated: from now on Value members vote.
	Seated
	// Named: Node says that Peer has diverged.
	Named
	// Halted: Node says that the replicas differ and nobody knows who is right, and stops.
	Halted
	// Proven: Node says that the state of Peer as of Index was that of its own.
	Proven

	// Asked: in the agreed order Session of Client asks for lock Key and does not get it at
	// once; Shared says how. Of the agreed order each thing is told once, when the first
	// replica executes it. Who tries a lock and does not get it does not ask. Number is its
	// turn in the queue, if that is known.
	Asked
	// Granted: Session of Client gets lock Key with the token Value; Shared.
	Granted
	// Reasserted: after a loss Session of Client is believed that it has lock Key with the
	// token Value, or if that is 0, that it stood in the queue, with the turn Number; Shared.
	Reasserted
	// Quit: Session gives back what it has under the token Value of lock Key, or if that is
	// 0, whatever it has of that lock, and its place in the queue; or it has ended.
	Quit
	// Broken: an operator takes lock Key away from who has it under the token Value, or if
	// that is 0, from everybody. They may go on believing.
	Broken
	// Held: Client believes from now on that it holds lock Key with the token Value; Shared.
	Held
	// Dropped: Client does not believe any more that it holds lock Key.
	Dropped
	// Closed: Session is over, in the agreed order: it has nothing of any lock, and will not.
	Closed
	// Wanted: Client waits from now on until it holds lock Key, or has Waived it. Shared.
	Wanted
	// Waived: Client does not want lock Key any more, or was told that it cannot have it.
	Waived
	// Wrote: the resource guarded by lock Key took something of Client under token Value.
	Wrote

	// Calmed: there are no more faults.
	Calmed
	// Ended: this is all, and time enough has passed since Calmed.
	Ended
)

// Op is what a call does with the cell Key of the service. All cells are 0 at first.
type Op uint8

// The operations.
const (
	Read Op = 1 + iota // answers the value
	Swap               // puts Value there and answers what there was
	Add                // adds Value and answers what there was
)

// Semantics says how often a call may be executed.
type Semantics uint8

// The semantics of calls.
const (
	ExactlyOnce Semantics = iota // once; if it fails, once or not at all
	AtMostOnce                   // once or not at all
	AtLeastOnce                  // once or more; if it fails, any number
	Maybe                        // once or not at all
)

// single says whether a call is executed no more than once.
func (s Semantics) single() bool { return s <= AtMostOnce }

// Fact is one thing that happened. What a kind has no use for is zero.
type Fact struct {
	At   time.Duration // the true time, since the observation began
	Kind Kind
	Node view.Member
	Peer view.Member

	Client    int    // from 1
	Call      uint64 // of one client, from 1
	Semantics Semantics
	Op        Op
	Key       uint32 // of a cell or a lock
	Value     uint64
	Shared    bool

	Index   uint64 // in the agreed order, from 1
	Session uint64
	Number  uint64
	Sum     uint64
	State   uint64
}

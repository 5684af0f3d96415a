package holdfast

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
)

// Kind says what an event tells, or why an operation failed.
type Kind uint8

// The kinds.
const (
	// Viewed: there is a new view. View.
	Viewed Kind = 1 + iota
	// Message: From, Number, Order, Payload.
	Message
	// Blocked: the group does not go on for want of votes. Members: who is not heard.
	Blocked
	// Unblocked: it goes on.
	Unblocked
	// Expelled: the others went on without this member, since they did not hear it. What it
	// has delivered since the last view they may not have. It asks to be let in again by
	// itself, as a newcomer: the state is restored, and a view follows.
	Expelled
	// Merging: with GroupConfig.Partition "all", two parts of the group have found each
	// other, and this member's gives way to the greater one: it comes to that one as a
	// newcomer, with that one's state, and a view follows. Nothing multicast is lost.
	Merging
	// Refused: the others do not let this member in. Reason. It goes on asking.
	Refused
	// Lost: this member's own messages Number to Last were not delivered before it was
	// expelled; the others may have them. As the kind of an error: a message that Confirm
	// waited for is among them.
	Lost
	// Slow: From holds up the messages of this member; "" if nobody does any longer.
	Slow
	// Departed: this member has left the group. It is the last event, and then the kind of
	// all errors of the group.
	Departed

	// Closed: the node was closed. What follows is the kind of errors only.
	Closed
	// TooLong: the message is longer than GroupConfig.MessageMax.
	TooLong
	// Invalid: the configuration or the order makes no sense; the error says what to change.
	Invalid
	// Waiting: the context ended while something was waited for, which the error names. The
	// error of the context is in its chain.
	Waiting
	// Failed: the operating system, or a function of the application, returned an error.
	Failed
)

var kindNames = [...]string{
	"none", "viewed", "message", "blocked", "unblocked", "expelled", "merging", "refused", "lost", "slow", "departed",
	"closed", "too long", "invalid", "waiting", "failed",
}

// String gives the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown kind"
}

// Event is one thing that a group tells. Which fields mean something is said at the kinds.
type Event struct {
	Kind    Kind
	Order   Order
	From    string // name of a member
	Number  uint64 // of the sender's messages since it joined, from 1
	Last    uint64
	Payload []byte // valid until the next event is asked for
	View    *View
	Members []string // names
	Reason  string
}

// View is who is in a group. It is never changed.
type View struct {
	// Epoch grows from view to view. It fences: who acts in the name of a view tells its
	// epoch, and what has seen a later one refuses.
	Epoch uint64
	// Name is the view's name: parts of a group that go on apart ("all") can come to the
	// same epoch, and never to the same name.
	Name string
	// Members are the names of the members; who has been in the group longest comes first.
	Members []string
	// Incarnations tell the members' lives: a process that comes back has a greater one.
	Incarnations []uint64
	// Former are those who come from the view before together with this member: they have
	// delivered the same in it. The others are new to this member.
	Former []string
}

// Error is every error of this package.
type Error struct {
	Op    string // what was asked for: "join"
	Group string // the group that it concerns; may be empty
	Kind  Kind
	Err   error // what it was, and what to do
}

// Error gives the operation, the group and the cause.
func (e *Error) Error() string {
	if e.Group == "" {
		return fmt.Sprintf("holdfast: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("holdfast: %s group %q: %v", e.Op, e.Group, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// failure words an error of the driver.
func failure(op, group string, err error) *Error {
	e := &Error{Op: op, Group: group, Kind: Failed, Err: err}
	for _, c := range []struct {
		err  error
		kind Kind
	}{
		{driver.ErrClosed, Closed}, {driver.ErrDeparted, Departed}, {driver.ErrTooLong, TooLong}, {driver.ErrLost, Lost},
		{driver.ErrOrder, Invalid}, {driver.ErrWitness, Invalid},
		{context.Canceled, Waiting}, {context.DeadlineExceeded, Waiting},
	} {
		if errors.Is(err, c.err) {
			e.Kind = c.kind
			break
		}
	}
	return e
}

// kindOf gives our name for what the driver tells.
func kindOf(k cohort.Kind) Kind {
	switch k {
	case cohort.Viewed:
		return Viewed
	case cohort.Blocked:
		return Blocked
	case cohort.Unblocked:
		return Unblocked
	case cohort.Expelled:
		return Expelled
	case cohort.Merging:
		return Merging
	case cohort.Refused:
		return Refused
	case cohort.Lost:
		return Lost
	case cohort.Slow:
		return Slow
	case cohort.Departed:
		return Departed
	}
	return 0
}

package session

import (
	"io"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// ID names a client's session with a service. It is given by the service, in the agreed
// order, and never a second time; 0 is nobody's.
type ID uint64

// Command is what a service executes: a client's request, at its place in the agreed order.
type Command struct {
	// At is the agreed time: how long the service has existed. It never goes back and
	// never runs faster than any correct clock by more than their drift; while nobody
	// serves it stands still. A service knows no other time.
	At time.Duration
	// Session is whose command it is; 0: a client's without a session.
	Session ID
	// Body is the service's own; it is valid during the call only.
	Body []byte
}

// Service is a deterministic state machine: what every replica executes in the same order,
// whatever the replication style. The same commands make the same state, the same replies
// and the same digest everywhere; so it must not look at a clock, draw a number, or go
// through a map in Go's order. One goroutine at a time uses it.
type Service interface {
	// Apply executes a command and appends the reply. It does not fail: what is wrong with
	// a command is said in the reply. A body comes from outside and may be anything.
	Apply(c Command, reply []byte) []byte
	// Ended tells that a session is over: its client has closed it or was silent for
	// longer than its lease. It changes the state like a command.
	Ended(at time.Duration, s ID)
	// Passed tells that the agreed time has come to at, for what the service does by time.
	Passed(at time.Duration)
	// Next is the agreed time at which Passed has something to do; 0: never.
	Next() time.Duration
	// Digest is a 64-bit digest of the state, kept up to date at each change: replicas
	// whose digests differ have diverged.
	Digest() uint64
	// Snapshot writes the state, and Restore reads it in place of the present one. Equal
	// states are written as equal bytes.
	Snapshot(w io.Writer) error
	Restore(r io.Reader) error
}

// Founded is a service that wants to know when it begins with nothing. One that is kept on disks is
// not told: it goes on from what it had.
type Founded interface {
	// Founded tells, at every replica alike and before the first command, the epoch in which the service
	// begins. In memory it counts the nanoseconds since 1970 at which the last of the founders was
	// started, by that one's clock; of two servers, those at which one of them begins. It may be told again, with a later
	// epoch, as long as nothing was executed.
	Founded(epoch view.Epoch)
}

// Recoverer is a service that hears from its clients what it held, when it has lost its state.
type Recoverer interface {
	// Recovery is for how long it does so, 0: it does not; and until what agreed time it does now, 0: it goes on as usual.
	Recovery() (window, until time.Duration)
}

// Leaser is a service that bounds the leases of its sessions.
type Leaser interface {
	// LeaseMost is the longest lease that a session may have; 0: LeaseMax. All replicas have it alike.
	LeaseMost() time.Duration
}

// Termed is a service whose settings all replicas must have alike.
type Termed interface {
	// Terms are the settings in words, name=value with a space between two, 64 bytes at most: a member that has others is
	// refused before it is given the state, and told both.
	Terms() string
}

// Notifier is a service that has something to tell clients that they have not asked for, as
// a lock that is granted to one who waited.
type Notifier interface {
	// Notify gives what sessions are to be told since the last call, oldest first, and
	// forgets it. It is no part of the state, and may be lost: a client asks again. body
	// is valid during the call.
	Notify(tell func(to ID, body []byte))
}

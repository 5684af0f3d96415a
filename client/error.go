package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/call"
)

// Outcome is what is known of a call that failed.
type Outcome = call.Outcome

// The outcomes.
const (
	Executed    = call.Executed
	NotExecuted = call.NotExecuted
	Unknown     = call.Unknown
)

// Error is why a call failed.
type Error struct {
	Outcome Outcome
	Cause   call.Cause
	Servers []string
	Faults  []error // of the servers that cannot be reached; each names its socket
}

// Error gives the cause, what it means for the call, who was asked, and why some were not.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "call: %v; ", e.Cause)
	switch e.Outcome {
	case NotExecuted:
		b.WriteString("it was not executed")
	case Executed:
		b.WriteString("it was executed")
	default:
		b.WriteString("whether it was executed is not known")
	}
	if len(e.Servers) > 0 {
		fmt.Fprintf(&b, "; servers: %s", strings.Join(e.Servers, ", "))
	}
	for i, f := range e.Faults {
		fmt.Fprintf(&b, "%s%v", [...]string{" (", ", "}[min(i, 1)], f)
	}
	if len(e.Faults) > 0 {
		b.WriteString("); see that they run and that this user may use their sockets")
	}
	return b.String()
}

// LeaseError says that the service allows no session with the client's lease: one that loses its state could not hear of it in
// time. Open another client.
type LeaseError struct {
	Lease, Most time.Duration
}

// Error says what is allowed.
func (e *LeaseError) Error() string {
	return fmt.Sprintf("client: a lease of %v is longer than the service allows, %v: use a shorter one, or have the service configured with a longer window of recovery", e.Lease, e.Most)
}

// What ends a session, for Config.Ended, and calls after its end.
var (
	// ErrClosed is the error of calls after Close.
	ErrClosed = errors.New("client: it is closed")
	// ErrStale says that the service has ended the session, or has forgotten it.
	ErrStale = errors.New("client: the service has ended the session")
	// ErrLapsed says that no server has renewed the session before its lease ended, less its margin.
	ErrLapsed = errors.New("client: no server has renewed the session in time")
)

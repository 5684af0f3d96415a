package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// Outcome is what is known of a call that failed.
type Outcome = call.Outcome

// The outcomes.
const (
	Executed    = call.Executed
	NotExecuted = call.NotExecuted
	Unknown     = call.Unknown
)

// Error is why a call failed. It unwraps to ErrStale or ErrLapsed if the session has ended.
type Error struct {
	Outcome Outcome
	Class   Class // what the failure may have been; 0: nobody has failed
	Cause   call.Cause
	Servers []string
	Faults  []error // of the servers that cannot be reached; each names its socket

	detail string // numbers and the remedy
	ended  error
}

// Error gives the cause, what it means for the call, who was asked, and why some were not.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "call: %v", e.Cause)
	if e.detail != "" {
		fmt.Fprintf(&b, ": %s", e.detail)
	}
	switch e.Outcome {
	case NotExecuted:
		b.WriteString("; it was not executed")
	case Executed:
		b.WriteString("; it was executed")
	default:
		b.WriteString("; whether it was executed is not known")
	}
	if e.Class != 0 {
		fmt.Fprintf(&b, " (%v)", e.Class)
	}
	if len(e.Servers) > len(e.Faults) { // a fault names its server
		fmt.Fprintf(&b, "; servers: %s", strings.Join(e.Servers, ", "))
	}
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "; %v", f)
	}
	if len(e.Faults) > 0 {
		b.WriteString("; see that they run and that this user may use their sockets")
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

// Unwrap gives what has ended the session, or nil.
func (e *Error) Unwrap() error { return e.ended }

// failure makes the error of a call. The caller has the lock.
func (c *Client) failure(r call.Result, size int) *Error {
	e := &Error{Outcome: r.Outcome, Class: classOf(r.Cause, r.Put), Cause: r.Cause, Servers: c.cfg.Servers}
	for _, l := range c.links {
		switch {
		case l.fault != nil:
			e.Faults = append(e.Faults, l.fault)
		case l.pipe != nil && !l.pipe.came:
			e.Faults = append(e.Faults, fmt.Errorf("%s: it takes the connection and does not answer: its process stands still, or has no majority (holdfast group why), or this is no service's socket", l.path))
		}
	}
	switch r.Cause {
	case call.TooLong:
		e.detail = fmt.Sprintf("it has %d bytes, and a request takes %d at most; split it", size, BodyMax)
	case call.TooLarge:
		e.detail = fmt.Sprintf("the service's answer has more than %d bytes; ask for less at a time", BodyMax)
	case call.TooMany:
		e.detail = "this client has 4096 of them, or 64 MiB; wait for some"
	case call.NoAnswer:
		if r.Put != 0 {
			e.detail = fmt.Sprintf("a server that was reached says %q", r.Put.String())
		}
	case call.Unadmitted:
		e.detail = "the service has as many sessions as it may; close some, or wait until those of clients that died end with their leases"
		if r.Put == session.Crowded {
			e.detail = fmt.Sprintf("this process has %d of them at that member, and may have no more; close those that are not used, or let one client serve all of the program", session.ProcessMax)
		}
	case call.SessionEnded:
		e.ended = ErrLapsed
		remedy := "see whether the members have a majority"
		if r.Put == session.StaleSession {
			e.ended = ErrStale
			remedy = "this process stood still, or the members have lost their memory"
		}
		e.detail = fmt.Sprintf("%v (its lease is %v); %s. What the session held is free, and a new one is opened by itself: look how things stand, then call again",
			e.ended, c.cfg.Lease, remedy)
	}
	return e
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

package client

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// Semantics is how often a call may be executed.
//
// What each promises, by what fails:
//
//	                       Maybe          AtLeastOnce        AtMostOnce       ExactlyOnce
//	no server is found     each waits for one until its deadline, and is then NotExecuted
//	the request is lost    Unknown        sent again         Unknown          sent again
//	the server crashes     Unknown        sent again: once   Unknown, never   sent again,
//	                                      more, perhaps      a second time    executed once
//	the reply is lost      Unknown        the same           the same         sent again, and
//	                                                                          the same reply
//	the client crashes     0 or 1 times   any number         0 or 1 times     0 or 1 times
//
// What is sent again and has no answer at its deadline is Unknown. A call AtMostOnce or ExactlyOnce that is Unknown
// is not executed any more after a call of the same client that was begun when all calls before it, too, were over: what is cancelled is over
// when the service has heard of that, which may be later than its caller is told Unknown. A server that says that it does not serve has not
// executed the call: another is asked, whatever the semantics.
type Semantics = session.Semantics

// The semantics.
const (
	// Maybe: sent once, and nothing is remembered. The cheapest, for what may be lost: a
	// measurement, a hint.
	Maybe = session.Maybe
	// AtLeastOnce: sent until it is answered, and executed each time that a copy arrives. For what
	// is idempotent: reading, setting to a value.
	AtLeastOnce = session.AtLeastOnce
	// AtMostOnce: sent once, and not executed twice whatever the network does; the service
	// remembers it. For what must not wait for a takeover, and must not happen later either.
	AtMostOnce = session.AtMostOnce
	// ExactlyOnce: sent until it is answered, and executed once; repeats are given the reply of the
	// first. It outlives takeovers, and with a log power cuts. It ends with its deadline, or the session.
	ExactlyOnce = session.ExactlyOnce
)

// BodyMax is the longest body of a call and of a reply, in bytes.
const BodyMax = session.BodyMax

// Method is what the calls of one kind have in common: how a service's owner declares, once, what may be done with
// them. It must not be changed while calls are made.
type Method struct {
	// Name is for people: errors begin with it.
	Name string
	// How is how often a call may be executed.
	How Semantics
	// Idempotent says that to execute a call again changes nothing, not even the reply. Only then it is sent to a second
	// server when the first is slow ([Config.Hedge]), if How allows it to be sent again at all.
	Idempotent bool
	// Timeout is the longest that a call takes, if its context does not end sooner; 0: no other.
	Timeout time.Duration
}

// Invoke calls a method of the service, and waits for the reply. When ctx is done the call
// is cancelled, whatever it is waiting for: a connection, a session, a reply. The error then unwraps to that of ctx, and to
// an [*Error] that says whether the call was executed, as far as that is known a quarter of a second later.
func (c *Client) Invoke(ctx context.Context, m *Method, body []byte) ([]byte, error) {
	if m.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, m.Timeout)
		defer cancel()
		ctx = limited
	}
	reply, err := c.await(ctx, call.Call{How: m.How, Idempotent: m.Idempotent, Body: body})
	if err != nil && m.Name != "" {
		err = fmt.Errorf("%s: %w", m.Name, err)
	}
	return reply, err
}

// Call asks the service to execute a command that is of no declared [Method], and waits for the reply, as Invoke does. It is
// not hedged.
func (c *Client) Call(ctx context.Context, how Semantics, body []byte) ([]byte, error) {
	return c.await(ctx, call.Call{How: how, Body: body})
}

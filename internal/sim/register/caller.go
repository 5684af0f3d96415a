package register

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Caller is a program's side of a session: one call at a time, each to be executed exactly once. When it asks, whom and how often
// is its owner's.
type Caller struct {
	Number  int        // of the program, as the observer knows it
	Session session.ID // 0: none
	Nonce   uint64     // the owner's to choose, for each session
	Calls   uint64     // of the whole program
	Open    Request    // the present call, or the last
	Sent    uint64     // the number of the present call in the session; 0: there is none

	numbers uint64 // of the last call in the session
}

// Call begins a call; there must be a session.
func (c *Caller) Call(r Request) {
	c.numbers++
	c.Sent, c.Open = c.numbers, r
}

// Asks is what is to be sent while there is no answer: the present call, or that a session is opened.
func (c *Caller) Asks(lease time.Duration) []byte {
	r := session.Request{Verb: session.Open, Nonce: c.Nonce, Lease: lease}
	if c.Session != 0 {
		r = session.Request{
			Verb: session.Call, How: session.ExactlyOnce, Session: c.Session, Nonce: c.Nonce,
			Number: c.Sent, Acked: c.Sent - 1, Body: c.Open.Append(nil),
		}
	}
	return r.Append(nil)
}

// Outcome is what follows from an answer.
type Outcome uint8

// The outcomes.
const (
	Nothing  Outcome = iota // it is not to this program, or late
	Later                   // who gave it does not execute the request; another may
	Opened                  // there is a session
	Stale                   // there is none any more: Lose it
	Answered                // the present call is
	Again                   // the last call is, once more
)

// Take takes an answer.
func (c *Caller) Take(b []byte) (session.Reply, Outcome) {
	r, why := session.ParseReply(b)
	switch {
	case why != wire.OK || r.Nonce != c.Nonce:
	case r.Status.Later():
		return r, Later
	case c.Session == 0:
		if r.Status == session.OK && r.Number == 0 {
			c.Session, c.numbers, c.Sent = r.Session, 0, 0
			return r, Opened
		}
	case r.Session != c.Session:
	case r.Status == session.StaleSession:
		return r, Stale
	case r.Status != session.OK || r.Number == 0 || r.Number != c.numbers:
	case c.Sent == 0:
		return r, Again
	default:
		c.Sent = 0
		return r, Answered
	}
	return r, Nothing
}

// Lose ends the session. It says whether a call was open, of which nobody knows what became.
func (c *Caller) Lose() (open bool) {
	open = c.Sent != 0
	c.Session, c.Sent = 0, 0
	return open
}

package stage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// repeatAfter is how long a client waits for an answer until it asks the other server.
const repeatAfter = 60 * time.Millisecond

// Client is a program that asks the service.
type Client struct {
	register.Caller
	s      *Stage
	server view.ID
	fixed  bool             // it asks only whom it is told
	serial int              // of what was sent last, so that an older timer does nothing
	said   map[string]bool  // of the present call
	wants  register.Request // what it asks when it has a session
	waits  bool             // for that
}

// Idle says whether the last call has ended.
func (x *Client) Idle() bool { return x.Sent == 0 && !x.waits }

// Ask begins a call; it must be idle.
func (x *Client) Ask(op service.Op, key uint32, value uint64) {
	x.ask(register.Request{Op: op, Key: key, Value: value})
}

// Traffic lets idle clients begin calls, at most so many, and says how many.
func (s *Stage) Traffic(most int) int {
	begun := 0
	for _, x := range s.Clients {
		if begun < most && x.Idle() && s.Rng.IntN(2) == 0 {
			begun++
			x.ask(register.Draw(s.Rng, 0, 0))
		}
	}
	return begun
}

func (x *Client) ask(r register.Request) {
	x.Calls++
	r.Client, r.Call = x.Number, x.Calls
	if x.Session == 0 {
		x.wants, x.waits, x.said = r, true, map[string]bool{}
		x.send()
		return
	}
	x.begin(r)
}

// begin begins a call in the session.
func (x *Client) begin(r register.Request) {
	x.said = map[string]bool{}
	x.Call(r)
	f := r.Called()
	x.s.Hear(&f)
	x.send()
}

// send sends what has no answer, and again until it has one.
func (x *Client) send() {
	s := x.s
	x.serial++
	h, data := s.hosts[x.server-1], x.Asks(s.Lease)
	x.say(fmt.Sprintf("asks %v", x.server))
	s.Send(2+x.Number, h, func() { h.process.Submit(x.Number, data) })
	x.elsewhere(repeatAfter)
}

// elsewhere lets it ask the other server after a time, if there is no answer until then.
func (x *Client) elsewhere(after time.Duration) {
	serial := x.serial
	x.s.After(after, func() {
		if x.serial != serial || x.Sent == 0 && x.Session != 0 {
			return
		}
		if !x.fixed {
			x.server = 3 - x.server
		}
		x.send()
	})
}

// say tells what the client does, if it has not done so for this call.
func (x *Client) say(what string) {
	if !x.said[what] {
		x.said[what] = true
		x.tell(what)
	}
}

func (x *Client) tell(what string) { x.s.Tell(fmt.Sprintf("c%d", x.Number), what) }

// Answer carries a reply from a host to a client.
func (s *Stage) Answer(from *Host, client int, reply []byte) {
	x, data := s.Clients[client-1], bytes.Clone(reply)
	s.Post(int(from.ID), 2+client, func() { x.receive(data) })
}

func (x *Client) receive(data []byte) {
	s := x.s
	r, outcome := x.Take(data)
	switch outcome {
	case register.Later:
		if x.Sent != 0 && r.Number == x.Sent || x.Session == 0 {
			x.say(fmt.Sprintf("is told %v, %v", r.Status, r.Server))
			x.elsewhere(repeatAfter / 6)
		}
	case register.Opened:
		if x.waits {
			x.waits = false
			x.begin(x.wants)
		}
	case register.Stale:
		if x.Lose() {
			f := x.Open.Unknown()
			s.Hear(&f)
		}
		x.Nonce += 1000
		x.tell("has no session any more")
	case register.Answered, register.Again:
		if outcome == register.Answered {
			x.tell(fmt.Sprintf("has call %d answered: %d", x.Open.Call, binary.BigEndian.Uint64(r.Body)))
		}
		f := x.Open.Answered(r.Body)
		s.Hear(&f)
	}
}

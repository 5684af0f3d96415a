package services

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const (
	lease       = 2 * time.Second
	repeatAfter = 60 * time.Millisecond
)

// caller is a program that asks a register, one call at a time.
type caller struct {
	world.Host
	w      *services
	frames wire.Outbox

	number  int
	session session.ID
	server  view.ID
	nonce   uint64
	calls   uint64 // of the whole program
	open    request
	sent    uint64 // number of the present call in the session; 0: none
	numbers uint64
	repeat  time.Duration
	led     bool // somebody has said who serves, since the last repeat
	over    bool // has given up, since the service has stopped for good
}

// boot begins the program's life; a client lives through the run.
func (c *caller) boot() {
	c.w.Boot(&c.Host, c.w.opt.drift, true)
	c.Host.Work = c.w.Now + c.w.Interval(c.w.opt.every)
	c.server = view.ID(1 + c.w.Rng.IntN(len(c.w.members)))
}

// Work begins a call, or a session, or sends again what has no answer.
func (c *caller) Work() {
	w := c.w
	switch {
	case c.over:
	case c.session == 0 && c.nonce == 0:
		c.nonce = w.Rng.Uint64() | 1
		c.send()
	case w.Now >= c.repeat && (c.session == 0 || c.sent != 0):
		c.server = 1 + c.server%view.ID(len(w.members))
		c.led = false
		c.send()
	case c.session != 0 && c.sent == 0 && (!w.Calm && w.called < callsMax || w.Calm && w.more > 0):
		if w.Calm {
			w.more--
		}
		c.call()
	}
	c.Host.Work = w.Now + min(repeatAfter/2, 1+w.Interval(w.opt.every))
}

// call begins a call.
func (c *caller) call() {
	w := c.w
	c.calls++
	c.numbers++
	c.sent = c.numbers
	c.open = request{c.number, c.calls, service.Op(1 + w.Rng.IntN(3)), uint32(w.Rng.IntN(cellCount)), w.Rng.Uint64()}
	w.called++
	w.hear(&service.Fact{
		Kind: service.Called, Client: c.number, Call: c.calls, Op: c.open.op, Key: c.open.key, Value: c.open.value,
		Session: uint64(c.number), Number: c.calls,
	})
	c.send()
}

// send sends what has no answer.
func (c *caller) send() {
	w := c.w
	r := session.Request{Verb: session.Open, Nonce: c.nonce, Lease: lease}
	if c.session != 0 {
		r = session.Request{
			Verb: session.Call, How: session.ExactlyOnce, Session: c.session, Nonce: c.nonce,
			Number: c.sent, Acked: c.sent - 1, Body: c.open.append(nil),
		}
	}
	c.repeat = w.Now + repeatAfter
	c.frames.Reset()
	b := c.frames.Begin(wire.Header{Channel: wire.Call, Fingerprint: fingerprint})
	c.frames.End(c.server, 1, r.Append(b))
	w.Net.Send(w.Now, c.Self, c.server, 1, c.frames.Send[0].Frame)
}

// Receive takes an answer.
func (c *caller) Receive(d *simnet.Datagram) {
	h, payload, why := wire.Open(d.Frame)
	if why != wire.OK || h.Channel != wire.Call {
		return
	}
	r, why := session.ParseReply(payload)
	if why != wire.OK || r.Nonce != c.nonce || c.over {
		return
	}
	if r.Status.Later() {
		c.put(&r)
		return // it is sent again
	}
	switch {
	case c.session == 0:
		if r.Status == session.OK && r.Number == 0 {
			c.session, c.numbers, c.sent = r.Session, 0, 0
		}
	case r.Status == session.StaleSession && r.Session == c.session:
		c.gone()
	case r.Session == c.session && c.sent != 0 && r.Number == c.sent && r.Status == session.OK:
		c.sent = 0
		if c.w.tentative != nil {
			c.w.tentative.answered(c.number, c.open.call, r.Index)
		}
		c.w.hear(&service.Fact{Kind: service.Answered, Client: c.number, Call: c.open.call, Value: binary.BigEndian.Uint64(r.Body)})
	}
}

// put hears that this member does not execute the request: another may, or nobody any more.
func (c *caller) put(r *session.Reply) {
	switch {
	case c.session != 0 && (c.sent == 0 || r.Number != c.sent):
	case r.Status == session.Halted && c.w.Calm && !c.w.opt.disk.on:
		c.over = true
		c.gone()
	case r.Status == session.Elsewhere && r.Server != view.Nobody && !c.led:
		c.led, c.server = true, r.Server
		c.send()
	}
}

// gone notes that the session has ended: what became of the open call, nobody knows.
func (c *caller) gone() {
	if c.sent != 0 {
		c.w.hear(&service.Fact{Kind: service.Unknown, Client: c.number, Call: c.open.call})
	}
	c.session, c.nonce, c.sent = 0, 0, 0
}

// Tick is for machines; a caller has none.
func (c *caller) Tick() {}

// settle ends what was done to it: nothing was.
func (c *caller) settle() {}

// waits says whether it has no answer, and stopped that there will be none.
func (c *caller) waits() (waits, stopped bool) { return c.sent != 0, c.over }

package services

import (
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/register"
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
	register.Caller
	w      *services
	frames wire.Outbox

	server view.ID
	repeat time.Duration
	led    bool // somebody has said who serves, since the last repeat
	over   bool // has given up, since the service has stopped for good
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
	case c.Session == 0 && c.Nonce == 0:
		c.Nonce = w.Rng.Uint64() | 1
		c.send()
	case w.Now >= c.repeat && (c.Session == 0 || c.Sent != 0):
		c.server = 1 + c.server%view.ID(len(w.members))
		c.led = false
		c.send()
	case c.Session != 0 && c.Sent == 0 && (!w.Calm && w.called < callsMax || w.Calm && w.more > 0):
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
	c.Calls++
	c.Call(register.Draw(w.Rng, c.Number, c.Calls))
	w.called++
	f := c.Open.Called()
	w.hear(&f)
	c.send()
}

// send sends what has no answer.
func (c *caller) send() {
	w := c.w
	c.repeat = w.Now + repeatAfter
	c.frames.Reset()
	b := c.frames.Begin(wire.Header{Channel: wire.Call, Fingerprint: fingerprint})
	c.frames.End(c.server, 1, append(b, c.Asks(lease)...))
	w.Net.Send(w.Now, c.Self, c.server, 1, c.frames.Send[0].Frame)
}

// Receive takes an answer.
func (c *caller) Receive(d *simnet.Datagram) {
	h, payload, why := wire.Open(d.Frame)
	if why != wire.OK || h.Channel != wire.Call || c.over {
		return
	}
	switch r, outcome := c.Take(payload); outcome {
	case register.Later:
		c.put(&r)
	case register.Stale:
		c.gone()
	case register.Answered:
		if c.w.tentative != nil {
			c.w.tentative.answered(c.Number, c.Open.Call, r.Index)
		}
		f := c.Open.Answered(r.Body)
		c.w.hear(&f)
	}
}

// put hears that this member does not execute the request: another may, or nobody any more. It is sent again.
func (c *caller) put(r *session.Reply) {
	switch {
	case c.Session != 0 && (c.Sent == 0 || r.Number != c.Sent):
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
	if c.Lose() {
		f := c.Open.Unknown()
		c.w.hear(&f)
	}
	c.Nonce = 0
}

// Tick is for machines; a caller has none.
func (c *caller) Tick() {}

// settle ends what was done to it: nothing was.
func (c *caller) settle() {}

// waits says whether it has no answer, and stopped that there will be none.
func (c *caller) waits() (waits, stopped bool) { return c.Sent != 0, c.over }

package servers

import (
	"bytes"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

const repeatAfter = 60 * time.Millisecond

// client is a program that asks the service, one call at a time.
type client struct {
	world.Host
	register.Caller
	w   *servers
	own view.ID // the only server that it can reach; Nobody: both

	server view.ID
	repeat time.Duration
	led    bool // somebody has said who serves, since the last repeat
}

// boot begins the program's life; a client lives through the run.
func (c *client) boot() {
	c.w.Boot(&c.Host, c.w.opt.drift, true)
	c.Host.Work = c.w.Now + c.w.Interval(c.w.opt.every)
	if c.server = c.own; c.own == view.Nobody {
		c.server = view.ID(1 + c.w.Rng.IntN(2))
	}
}

// Work begins a call, or a session, or sends again what has no answer.
func (c *client) Work() {
	w := c.w
	switch {
	case c.Session == 0 && c.Nonce == 0:
		c.Nonce = w.Rng.Uint64() | 1
		c.send()
	case w.Now >= c.repeat && (c.Session == 0 || c.Sent != 0):
		if c.own == view.Nobody {
			c.server = 3 - c.server
		}
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
func (c *client) call() {
	w := c.w
	c.Calls++
	fill := 0
	if w.Rng.IntN(10) == 0 {
		fill = w.Rng.IntN(5000) // it is carried in pieces
	}
	r := register.Draw(w.Rng, c.Number, c.Calls)
	r.Fill = fill
	c.Call(r)
	w.called++
	f := r.Called()
	w.hear(&f)
	c.send()
}

// send sends what has no answer. A client's socket has no frames; here its request is cut into as many as it takes.
func (c *client) send() {
	w := c.w
	c.repeat = w.Now + repeatAfter
	w.deliver(&c.Host, c.server, c.Asks(lease))
}

// Receive takes nothing: a client's socket is not of the network.
func (c *client) Receive(*simnet.Datagram) {}

// answered takes an answer.
func (c *client) answered(b []byte) {
	switch r, outcome := c.Take(b); outcome {
	case register.Later: // it is sent again
		if c.own == view.Nobody && r.Status == session.Elsewhere && r.Server != view.Nobody && !c.led && (c.Session == 0 || r.Number == c.Sent) {
			c.led, c.server = true, r.Server
			c.send()
		}
	case register.Stale:
		if c.Lose() {
			f := c.Open.Unknown()
			c.w.hear(&f)
		}
		c.Nonce = 0
	case register.Answered:
		if !bytes.Equal(r.Body[8:], c.Open.Append(nil)) {
			c.w.Fail(sim.Safety, "an answer was changed on its way")
		}
		f := c.Open.Answered(r.Body)
		c.w.hear(&f)
	}
}

// Tick is for machines; a client has none.
func (c *client) Tick() {}

package servers

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const repeatAfter = 60 * time.Millisecond

// client is a program that asks the service, one call at a time.
type client struct {
	world.Host
	w   *servers
	own view.ID // the only server that it can reach; Nobody: both

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
	case c.session == 0 && c.nonce == 0:
		c.nonce = w.Rng.Uint64() | 1
		c.send()
	case w.Now >= c.repeat && (c.session == 0 || c.sent != 0):
		if c.own == view.Nobody {
			c.server = 3 - c.server
		}
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
func (c *client) call() {
	w := c.w
	c.calls++
	c.numbers++
	c.sent = c.numbers
	fill := 0
	if w.Rng.IntN(10) == 0 {
		fill = w.Rng.IntN(5000) // it is carried in pieces
	}
	c.open = request{c.number, c.calls, service.Op(1 + w.Rng.IntN(3)), uint32(w.Rng.IntN(cellCount)), w.Rng.Uint64(), fill}
	w.called++
	w.hear(&service.Fact{
		Kind: service.Called, Client: c.number, Call: c.calls, Op: c.open.op, Key: c.open.key, Value: c.open.value,
		Session: uint64(c.number), Number: c.calls,
	})
	c.send()
}

// send sends what has no answer. A client's socket has no frames; here its request is cut into as many as it takes.
func (c *client) send() {
	w := c.w
	r := session.Request{Verb: session.Open, Nonce: c.nonce, Lease: lease}
	if c.session != 0 {
		r = session.Request{
			Verb: session.Call, How: session.ExactlyOnce, Session: c.session, Nonce: c.nonce,
			Number: c.sent, Acked: c.sent - 1, Body: c.open.append(nil),
		}
	}
	c.repeat = w.Now + repeatAfter
	w.deliver(&c.Host, c.server, r.Append(nil))
}

// Receive takes nothing: a client's socket is not of the network.
func (c *client) Receive(*simnet.Datagram) {}

// answered takes an answer.
func (c *client) answered(b []byte) {
	r, why := session.ParseReply(b)
	if why != wire.OK || r.Nonce != c.nonce {
		return
	}
	if r.Status.Later() {
		if c.own == view.Nobody && r.Status == session.Elsewhere && r.Server != view.Nobody && !c.led && (c.session == 0 || r.Number == c.sent) {
			c.led, c.server = true, r.Server
			c.send()
		}
		return // it is sent again
	}
	switch {
	case c.session == 0:
		if r.Status == session.OK && r.Number == 0 {
			c.session, c.numbers, c.sent = r.Session, 0, 0
		}
	case r.Status == session.StaleSession && r.Session == c.session:
		if c.sent != 0 {
			c.w.hear(&service.Fact{Kind: service.Unknown, Client: c.number, Call: c.open.call})
		}
		c.session, c.nonce, c.sent = 0, 0, 0
	case r.Session == c.session && c.sent != 0 && r.Number == c.sent && r.Status == session.OK:
		if !bytes.Equal(r.Body[8:], c.open.append(nil)) {
			c.w.Fail(sim.Safety, "an answer was changed on its way")
		}
		c.sent = 0
		c.w.hear(&service.Fact{Kind: service.Answered, Client: c.number, Call: c.open.call, Value: binary.BigEndian.Uint64(r.Body)})
	}
}

// Tick is for machines; a client has none.
func (c *client) Tick() {}

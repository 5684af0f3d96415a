package services

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// freeCell is the cell that calls change which may be executed several times, or get lost: it is not judged
// for linearizability.
const freeCell = register.CellCount - 1

// doubtsMax is how many calls that change judged cells may have an end that nobody knows. Each of them may have
// been executed at any time since, or not: more make the search for a linearization too long.
const doubtsMax = 8

// semanticsOf are the semantics of the judges by those of calls.
var semanticsOf = map[session.Semantics]service.Semantics{
	session.Maybe: service.Maybe, session.AtLeastOnce: service.AtLeastOnce, session.AtMostOnce: service.AtMostOnce, session.ExactlyOnce: service.ExactlyOnce,
}

// user is a program that calls a register, as package client does it, without its goroutines and sockets.
type user struct {
	world.Host
	w   *services
	all *users

	number int // of this life
	m      *call.Machine
	out    call.Output
	frames wire.Outbox
	calls  uint64            // of this life
	open   map[uint64]wanted // by the machine's name for a call
}

// wanted is an open call.
type wanted struct {
	number uint64 // the court's name for it
	judged bool   // it changes a cell that is judged
}

// boot begins a life.
func (c *user) boot() {
	w := c.w
	w.Boot(&c.Host, w.opt.drift, true)
	c.all.born++
	c.number = c.all.born
	cfg := call.Config{
		Label: strconv.Itoa(c.number), Lease: c.all.opt.lease, Hedge: c.all.opt.hedge, RetryMin: c.all.opt.retry, RetryMax: 10 * c.all.opt.retry,
	}
	for _, m := range w.members {
		cfg.Servers = append(cfg.Servers, m.Self.ID)
	}
	var err error
	if c.m, err = call.New(cfg, rand.New(rand.NewPCG(w.Rng.Uint64(), 3))); err != nil {
		panic(fmt.Sprintf("services: a drawn client is refused: %v", err))
	}
	c.out, c.calls, c.open = call.Output{}, 0, map[uint64]wanted{}
	c.m.Open(w.Read(&c.Host), &c.out)
	c.Host.Work = w.Now + w.Interval(w.opt.every)
	c.after()
}

// crash ends a life; the next comes soon.
func (c *user) crash() {
	if !c.Up {
		return
	}
	c.w.Did("crashes", c.Self, view.Member{})
	c.w.hear(&service.Fact{Kind: service.Crashed, Client: c.number})
	for _, of := range c.open { //tidy:unordered they are counted
		if of.judged {
			c.all.doubts++
		}
	}
	c.End()
	c.Host.Work, c.m = world.Never, nil
	c.w.After(c.w.UpTo(c.all.opt.lease), func() {
		if !c.Up {
			c.boot()
		}
	})
}

// cancel ends the interest in a call.
func (c *user) cancel() {
	if c.Runs() && len(c.open) > 0 {
		ids := slices.Sorted(maps.Keys(c.open))
		c.m.Cancel(c.w.Read(&c.Host), ids[c.w.Rng.IntN(len(ids))], &c.out)
		c.after()
	}
}

// settle ends what was done to it.
func (c *user) settle() {
	if !c.Up {
		c.boot()
	}
}

// waits says whether calls are open.
func (c *user) waits() (waits, stopped bool) { return len(c.open) > 0, false }

// Work makes a call, and hears from the transport who can be reached.
func (c *user) Work() {
	w := c.w
	for _, m := range w.members {
		if c.all.opt.reach && (w.Calm || w.Rng.IntN(3) == 0) {
			c.m.Reachable(w.Read(&c.Host), m.Self.ID, m.Up, &c.out)
		}
	}
	if len(c.open) < c.all.opt.open && (!w.Calm && w.called < callsMax || w.Calm && w.more > 0) {
		c.call()
	}
	c.Host.Work = w.Now + 1 + w.Interval(w.opt.every)
	c.after()
}

// call makes a call.
func (c *user) call() {
	w := c.w
	if w.Calm {
		w.more--
	}
	w.called++
	c.calls++
	how := session.Semantics(1 + w.Rng.IntN(4))
	r := register.Draw(w.Rng, c.number, c.calls)
	switch {
	case r.Op == service.Read:
	case how.Remembered() && c.all.doubts >= doubtsMax:
		r.Op = service.Read
	case how.Remembered():
		r.Key = uint32(w.Rng.IntN(freeCell))
	default:
		r.Key = freeCell
	}
	within := min(1+w.Interval(c.all.opt.deadline), 8*time.Second)
	switch repeats := how == session.AtLeastOnce || how == session.ExactlyOnce; {
	case w.Calm && repeats:
		within = time.Minute
	case w.Calm: // a change of the view may lose it, which nobody repeats
		within = 2 * time.Second
	}
	now := w.Read(&c.Host)
	q := call.Call{How: how, Idempotent: r.Op == service.Read, Deadline: now.Add(within), Body: r.Append(nil)}
	f := r.Called()
	f.Semantics = semanticsOf[how]
	w.hear(&f)
	id, why := c.m.Submit(now, q, &c.out)
	if why != call.None {
		w.hear(&service.Fact{Kind: service.Unexecuted, Client: c.number, Call: c.calls})
		return
	}
	c.open[id] = wanted{c.calls, r.Op != service.Read && r.Key != freeCell}
}

// Receive takes a reply.
func (c *user) Receive(d *simnet.Datagram) {
	if h, payload, why := wire.Open(d.Frame); why == wire.OK && h.Channel == wire.Call {
		c.m.Receive(c.w.Read(&c.Host), d.From.ID, payload, &c.out)
	}
	c.after()
}

// Tick does what is due.
func (c *user) Tick() {
	c.m.Tick(c.w.Read(&c.Host), &c.out)
	c.after()
}

// after ends a step: what the machine asks for is done.
func (c *user) after() {
	c.w.Report.Steps++
	for len(c.out.Send)+len(c.out.Results)+len(c.out.Events) > 0 {
		out := c.out
		c.out = call.Output{}
		for _, r := range out.Results {
			c.resolve(r)
		}
		for _, e := range out.Events {
			if e.State == call.Idle {
				c.m.Open(c.w.Read(&c.Host), &c.out)
			}
		}
		for _, m := range out.Send {
			c.send(m)
		}
	}
	c.w.Schedule(&c.Host, c.m.Deadline())
}

// send gives a request to the network, which brings some twice: but none that is to be sent once, for
// a connection brings nothing twice, and what is remembered must stand more.
func (c *user) send(m call.Message) {
	mark := connection(c.w.members[m.To-1])
	c.post(m.To, mark, m.Data)
	if r, why := session.ParseRequest(m.Data); why != wire.OK || r.How == session.Maybe || c.w.Calm || c.w.Rng.Float64() >= c.all.opt.copies {
		return
	}
	life, data := c.number, bytes.Clone(m.Data)
	c.w.After(c.w.UpTo(c.all.opt.late), func() {
		if c.Up && c.number == life {
			c.post(m.To, mark, data)
		}
	})
}

func (c *user) post(to view.ID, mark uint32, data []byte) {
	c.frames.Reset()
	b := c.frames.Begin(wire.Header{Channel: wire.Call, Fingerprint: mark})
	c.frames.End(to, 1, append(b, data...))
	c.w.Net.Send(c.w.Now, c.Self, to, 1, c.frames.Send[0].Frame)
}

// resolve tells the court of the end of a call.
func (c *user) resolve(r call.Result) {
	of, is := c.open[r.ID]
	if !is {
		return
	}
	delete(c.open, r.ID)
	f := service.Fact{Kind: service.Unknown, Client: c.number, Call: of.number}
	switch {
	case r.Outcome == call.Executed && r.Cause == call.None:
		if f.Kind = service.Answered; len(r.Body) == 8 {
			f.Value = binary.BigEndian.Uint64(r.Body)
		}
		if c.w.tentative != nil {
			c.w.tentative.answered(c.number, of.number, r.Index)
		}
	case r.Outcome == call.NotExecuted:
		f.Kind = service.Unexecuted
	case of.judged:
		c.all.doubts++
	}
	c.w.hear(&f)
}

// connection marks what is sent to this life of a member: a connection does not outlive it.
func connection(m *member) uint32 { return fingerprint + uint32(m.Self.Incarnation) }

// connected says whether a request comes over a connection of this life, if it is one that must not come twice. What is
// remembered, or may be executed again, is let through: datagrams do that, and it must be stood.
func (m *member) connected(mark uint32, request []byte) bool {
	r, why := session.ParseRequest(request)
	return why != wire.OK || r.How != session.Maybe || mark == connection(m)
}

var _ client = (*user)(nil)

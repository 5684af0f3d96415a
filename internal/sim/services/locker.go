package services

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
	"github.com/holdfast-ha/holdfast/service/lock"
)

const (
	// askEvery is how often who waits asks whether it has got the lock: a notice may be lost.
	askEvery = 150 * time.Millisecond

	retryFirst = 20 * time.Millisecond
	retryLast  = 40 * time.Millisecond

	// workCalm is how long work under a lock takes at most when there are no more faults.
	workCalm = 50 * time.Millisecond

	// lateMost is how late replies may be: what is later than eight repeats renews no lease.
	lateMost = 250 * time.Millisecond

	// patience is when a call is given up that nobody has given up before.
	patience = time.Minute
)

// locker is a program that uses locks: the machine of protocol/call and a holder for each lock, put
// together as packages client and lock do it, without their goroutines and sockets.
type locker struct {
	world.Host
	w *services
	l *locks

	number  int // of this life
	m       *call.Machine
	out     call.Output
	frames  wire.Outbox
	calls   map[uint64]*open
	unsent  []uint64 // the oldest first
	gone    map[sent]bool
	ready   []func()
	session int // counts sessions
	from    time.Time
	check   time.Time
	tasks   []*task
	asleep  time.Duration // since when
}

// open is a call without an end.
type open struct {
	as   sent
	then func(p lock.Reply, r call.Result)
}

// sent is as what a call has gone out. The nonce names the session: a service that has lost its state
// gives the same numbers again.
type sent struct{ nonce, number uint64 }

// boot begins a life.
func (c *locker) boot() {
	w := c.w
	w.Boot(&c.Host, w.opt.drift, true)
	c.l.born++
	c.number = c.l.born
	cfg := call.Config{
		Label: strconv.Itoa(c.number), Lease: c.l.opt.lease, Margin: c.l.opt.margin, RetryMin: retryFirst, RetryMax: retryLast, Patience: patience,
	}
	for _, m := range w.members {
		cfg.Servers = append(cfg.Servers, m.Self.ID)
	}
	var err error
	if c.m, err = call.New(cfg, rand.New(rand.NewPCG(w.Rng.Uint64(), 2))); err != nil {
		panic(fmt.Sprintf("services: a drawn client is refused: %v", err))
	}
	c.out, c.calls, c.unsent, c.gone, c.ready = call.Output{}, map[uint64]*open{}, nil, map[sent]bool{}, nil
	c.session, c.from, c.check, c.tasks = 1, time.Time{}, c.now().Add(c.l.opt.lease/3), nil
	for range c.l.opt.tasks {
		c.tasks = append(c.tasks, &task{c: c, next: w.Now + w.Interval(c.l.opt.rest)})
	}
	c.m.Open(c.now(), &c.out)
	c.links()
	c.after()
}

func (c *locker) now() time.Time { return c.w.Read(&c.Host) }

// crash ends a life: in the queue, in the critical section, wherever it is.
func (c *locker) crash() {
	if !c.Up {
		return
	}
	c.end()
	c.w.After(c.w.UpTo(2*c.l.opt.lease), func() {
		if !c.Up {
			c.boot()
		}
	})
}

// end ends a life.
func (c *locker) end() {
	c.w.Did("crashes", c.Self, view.Member{})
	f := service.Fact{Kind: service.Crashed, Client: c.number}
	c.w.hear(&f)
	c.l.say(f)
	c.End()
	c.Host.Work, c.m = world.Never, nil
}

// pause stops the process; the clock goes on, unless nobody is to see it.
func (c *locker) pause() {
	if !c.Runs() {
		return
	}
	for _, t := range c.tasks {
		t.doubt() // who stands still does nothing
	}
	c.asleep = c.w.Now
	c.w.Pause(&c.Host, c.w.UpTo(c.l.opt.pauseMost), c.resume)
}

// resume ends a pause. The first thing that a process does is to look at the clock.
func (c *locker) resume() {
	c.w.Resume(&c.Host)
	if c.l.opt.frozen {
		c.Clock = c.Clock.Ahead(c.w.Now, c.asleep-c.w.Now)
	}
	for _, t := range c.tasks {
		t.look()
		t.believe()
	}
	if c.w.Rng.IntN(2) == 0 {
		c.w.Tick(&c.Host)
	}
	c.w.Drain(&c.Host)
	c.links()
	if c.Runs() {
		c.Tick()
	}
}

// jump sets the clock forward, as that of a machine that has slept.
func (c *locker) jump() {
	if c.Up && !c.l.opt.frozen {
		c.w.Did("has a clock that jumps", c.Self, view.Member{})
		c.Clock = c.Clock.Ahead(c.w.Now, c.w.UpTo(2*c.l.opt.lease))
		if c.Runs() {
			c.Tick()
		}
	}
}

// cut cuts the client off from some members or all, in both directions or in one.
func (c *locker) cut() {
	w := c.w
	both, out, all := w.Rng.IntN(2) == 0, w.Rng.IntN(2) == 0, w.Rng.IntN(4) != 0
	var from []view.ID
	for _, m := range w.members {
		if all || w.Rng.IntN(2) == 0 {
			from = append(from, m.Self.ID)
		}
	}
	if w.Rng.IntN(2) == 0 {
		c.slow()
		return
	}
	w.Did("is cut off from members", c.Self, view.Member{})
	sever := func(cut bool) {
		for _, id := range from {
			if out {
				w.Sever(c.Self.ID, id, 0, both, cut)
			} else {
				w.Sever(id, c.Self.ID, 0, both, cut)
			}
		}
	}
	sever(true)
	w.After(c.l.opt.lease/2+w.UpTo(2*c.l.opt.lease), func() { sever(false) })
}

// slow lets what members say be long on its way, and then cuts the client off: whoever counts its lease from
// an answer counts it too long.
func (c *locker) slow() {
	w, lease := c.w, c.l.opt.lease
	w.Did("is told everything late", c.Self, view.Member{})
	late := simnet.Faults{Delay: 20*time.Millisecond + time.Duration(w.Rng.Int64N(int64(min(lease/2, lateMost))))}
	each := func(do func(id view.ID)) {
		for _, m := range w.members {
			do(m.Self.ID)
		}
	}
	each(func(id view.ID) { w.Net.Shape(id, c.Self.ID, 1, late) })
	w.After(lease/3+w.UpTo(lease), func() {
		each(func(id view.ID) { w.Sever(id, c.Self.ID, 0, true, true) })
		w.After(2*lease+w.UpTo(lease), func() {
			each(func(id view.ID) {
				w.Net.Shape(id, c.Self.ID, 1, w.shape)
				w.Sever(id, c.Self.ID, 0, true, false)
			})
		})
	})
}

// settle ends what was done to it.
func (c *locker) settle() {
	switch {
	case !c.Up:
		c.boot()
	case c.Paused:
		c.resume()
	}
	for _, t := range c.tasks {
		switch t.stage {
		case entering, waiting:
			t.until = c.w.Now + patience
		case holding:
			t.until = min(t.until, c.w.Now+workCalm)
			t.next = min(t.next, t.until)
		}
	}
	c.links()
	c.after()
}

// waits says whether it is not done.
func (c *locker) waits() (waits, stopped bool) {
	return slices.ContainsFunc(c.tasks, func(t *task) bool { return t.stage != resting }), false
}

// links looks which members can be reached.
func (c *locker) links() {
	if !c.Runs() || !c.l.opt.links {
		return
	}
	for _, m := range c.w.members {
		c.m.Reachable(c.now(), m.Self.ID, m.Up, &c.out)
	}
	c.after()
}

// Receive takes a reply or a notice.
func (c *locker) Receive(d *simnet.Datagram) {
	h, payload, why := wire.Open(d.Frame)
	switch {
	case why != wire.OK || h.Channel != wire.Call:
	case h.Fingerprint == unasked:
		c.notice(payload)
	default:
		c.m.Receive(c.now(), d.From.ID, payload, &c.out)
	}
	c.after()
}

// Tick does what is due by the clock.
func (c *locker) Tick() {
	now := c.now()
	c.m.Tick(now, &c.out)
	for _, t := range c.tasks {
		t.look()
	}
	if !now.Before(c.check) {
		c.check = now.Add(c.l.opt.lease / 3)
		c.ask()
	}
	c.after()
}

// Work does what the program wants to do.
func (c *locker) Work() {
	for _, t := range c.tasks {
		if t.next <= c.w.Now {
			t.work()
		}
	}
	c.after()
}

// after ends a step.
func (c *locker) after() {
	c.w.Report.Steps++
	c.carryOut()
	for len(c.ready) > 0 {
		then := c.ready[0]
		c.ready = c.ready[1:]
		then()
		c.carryOut()
	}
	next := c.check
	if d := c.m.Deadline(); !d.IsZero() && d.Before(next) {
		next = d
	}
	c.Host.Work = world.Never
	for _, t := range c.tasks {
		c.Host.Work = min(c.Host.Work, max(t.next, c.w.Now))
		if t.holder != nil {
			if d := t.holder.Deadline(); !d.IsZero() && d.Before(next) {
				next = d
			}
		}
	}
	c.w.Schedule(&c.Host, next)
}

// carryOut does what the machine asks.
func (c *locker) carryOut() {
	for len(c.out.Send)+len(c.out.Results)+len(c.out.Events) > 0 {
		out := c.out
		c.out = call.Output{}
		for _, e := range out.Events {
			c.changed(e)
		}
		for _, r := range out.Results {
			c.resolve(r)
		}
		for _, m := range out.Send {
			c.send(m)
		}
	}
	end := c.m.LeaseEnd()
	if end.IsZero() {
		return
	}
	if from := end.Add(c.l.opt.margin - c.l.opt.lease); from.After(c.from) {
		c.from = from
		for _, t := range c.tasks {
			t.renewed()
		}
	}
}

// changed follows a change of the session.
func (c *locker) changed(e call.Event) {
	if e.State == call.Opened {
		for _, t := range c.tasks {
			t.opened()
		}
	}
	if e.State != call.Idle {
		return
	}
	c.from = time.Time{}
	c.session++
	for _, t := range c.tasks {
		t.ended(e.Stale)
	}
	c.m.Open(c.now(), &c.out)
}

// submit asks the service, and does then what follows.
func (c *locker) submit(how session.Semantics, q lock.Request, within time.Duration, then func(p lock.Reply, r call.Result)) (id uint64) {
	now := c.now()
	c.m.Tick(now, &c.out)
	c.carryOut()
	id, why := c.m.Submit(now, call.Call{How: how, Deadline: now.Add(within), Body: q.Append(nil)}, &c.out)
	if why != call.None {
		c.ready = append(c.ready, func() { then(lock.Reply{}, call.Result{Outcome: call.NotExecuted, Cause: why}) })
		return 0
	}
	c.calls[id] = &open{then: then}
	c.unsent = append(c.unsent, id)
	f := service.Fact{Kind: service.Called, Client: c.number, Call: id}
	if how == session.AtLeastOnce {
		f.Semantics = service.AtLeastOnce
	}
	c.w.hear(&f)
	return id
}

// send gives a request to the network, and tells as what a call has gone out: the machine sends calls for the first time in
// the order in which they were submitted.
func (c *locker) send(m call.Message) {
	if r, why := session.ParseRequest(m.Data); why == wire.OK && r.Verb == session.Call && !c.gone[sent{r.Nonce, r.Number}] {
		as := sent{r.Nonce, r.Number}
		c.gone[as] = true
		for len(c.unsent) > 0 {
			id := c.unsent[0]
			c.unsent = c.unsent[1:]
			if o := c.calls[id]; o != nil {
				o.as = as
				c.w.hear(&service.Fact{Kind: service.Sent, Client: c.number, Call: id, Session: as.nonce, Number: as.number})
				break
			}
		}
	}
	c.post(m.To, fingerprint, m.Data)
}

func (c *locker) post(to view.ID, mark uint32, data []byte) {
	c.frames.Reset()
	b := c.frames.Begin(wire.Header{Channel: wire.Call, Fingerprint: mark})
	c.frames.End(to, 1, append(b, data...))
	c.w.Net.Send(c.w.Now, c.Self, to, 1, c.frames.Send[0].Frame)
}

// resolve takes the end of a call.
func (c *locker) resolve(r call.Result) {
	o := c.calls[r.ID]
	if o == nil {
		return
	}
	delete(c.calls, r.ID)
	f := service.Fact{Kind: service.Unknown, Client: c.number, Call: r.ID}
	p := lock.Reply{}
	switch {
	case r.Outcome == call.Executed && r.Cause == call.None:
		f.Kind, f.Value = service.Answered, digest(r.Body)
		if c.w.tentative != nil {
			c.w.tentative.answered(int(o.as.nonce), o.as.number, r.Index)
		}
		var err error
		if p, err = lock.ParseReply(r.Body); err != nil {
			panic("services: a reply of the lock service is none: " + err.Error())
		}
	case r.Outcome == call.NotExecuted:
		f.Kind = service.Unexecuted
	}
	c.w.hear(&f)
	r.Body = nil
	c.ready = append(c.ready, func() { o.then(p, r) })
}

// notice takes what the service says unasked.
func (c *locker) notice(b []byte) {
	n, err := lock.ParseNotice(b)
	if err != nil {
		panic("services: a notice is none: " + err.Error())
	}
	for _, t := range c.tasks {
		t.notice(&n)
	}
}

// ask asks whether what is held is held: the notice that it was broken may be lost.
func (c *locker) ask() {
	for _, t := range c.tasks {
		if t.holder == nil || t.stage != holding || t.orphan {
			continue
		}
		of := t.holder
		c.submit(session.AtLeastOnce, lock.Request{Kind: lock.Ask, Name: nameOf(t.key)}, c.l.opt.lease/3, func(p lock.Reply, r call.Result) {
			other := r.Cause == call.None && (p.Status == lock.NotWaiting || p.Status == lock.Granted && p.Number != of.Token())
			if other && t.holder == of && t.session == c.session {
				of.Revoke(c.now(), of.Token(), lock.BrokenBy)
				t.look()
			}
		})
	}
}

// breaks takes a lock from whoever has it.
func (c *locker) breaks() {
	if c.Runs() {
		q := lock.Request{Kind: lock.Break, Name: nameOf(uint32(c.w.Rng.IntN(c.l.opt.locks))), Label: strconv.Itoa(c.number), Purpose: "why not"}
		c.submit(session.ExactlyOnce, q, patience, func(lock.Reply, call.Result) {})
		c.after()
	}
}

var _ client = (*locker)(nil)

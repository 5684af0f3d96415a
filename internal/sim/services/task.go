package services

import (
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// stage is how far a task is with its lock.
type stage uint8

const (
	resting  stage = iota
	entering       // a call is under way
	waiting        // in the queue
	holding        // until the work is done, or has to stop
	leaving        // a call is under way
)

// task is a goroutine that enters one lock after another: what package lock does for it is here, too.
type task struct {
	c     *locker
	stage stage
	key   uint32
	mode  lock.Mode
	try   bool
	next  time.Duration // when it does something by itself
	until time.Duration // to work, or to wait
	call  uint64        // under way

	asked    int    // the session that has asked; 0: none
	turn     uint64 // in the queue
	woken    bool
	given    bool // it has given up waiting
	session  int  // in which the lock was granted, or asserted
	holder   *lock.Holder
	orphan   bool // the session is gone and the lease is not: it is to be asserted in the next
	asserts  bool // that is under way
	believes bool
}

// work does what the time has come for.
func (t *task) work() {
	w, l := t.c.w, t.c.l
	t.next = world.Never
	switch t.stage {
	case resting:
		t.rest()
		if w.Calm && w.more == 0 || l.entered >= entersMax && !w.Calm {
			return
		}
		if w.Calm {
			w.more--
		}
		t.begin()
	case entering, waiting:
		if w.Now >= t.until && !w.Calm {
			t.giveUp()
		} else if t.stage == waiting {
			t.enter()
		}
	case holding:
		t.hold()
	case leaving:
		t.settle()
	}
}

// rest lets the task rest.
func (t *task) rest() {
	t.stage, t.holder, t.orphan, t.turn, t.asked = resting, nil, false, 0, 0
	t.asserts = false
	t.next = t.c.w.Now + 1 + t.c.w.Interval(t.c.l.opt.rest)
}

// begin wants a lock in which no other goroutine of the program is.
func (t *task) begin() {
	w, l := t.c.w, t.c.l
	key := uint32(w.Rng.IntN(l.opt.locks))
	for _, other := range t.c.tasks {
		if other != t && other.stage != resting && other.key == key {
			return
		}
	}
	l.entered++
	t.key, t.mode, t.try, t.given, t.woken = key, lock.Exclusive, w.Rng.IntN(10) == 0, false, false
	if w.Rng.Float64() < l.opt.shared {
		t.mode = lock.Shared
	}
	t.until = w.Now + patience
	if w.Rng.IntN(4) == 0 && !w.Calm {
		t.until = w.Now + w.UpTo(2*l.opt.lease)
	}
	if !t.try {
		l.say(service.Fact{Kind: service.Wanted, Client: t.c.number, Key: t.key, Shared: t.mode == lock.Shared})
	}
	t.enter()
}

// request makes a request for the task's lock.
func (t *task) request(k lock.Kind) lock.Request {
	return lock.Request{Kind: k, Name: nameOf(t.key), Mode: t.mode, Order: t.c.l.opt.order, Try: t.try && k == lock.Enter, Label: strconv.Itoa(t.c.number)}
}

// enter asks for the lock, or whether it was granted; after a loss of the state, for the former place.
func (t *task) enter() {
	t.stage, t.woken, t.next = entering, false, t.until
	q, how := t.request(lock.Ask), session.AtLeastOnce
	if t.asked != t.c.session {
		how, q = session.ExactlyOnce, t.request(lock.Enter)
		if t.turn != 0 && t.c.l.opt.window > 0 {
			q = t.request(lock.Reassert)
			q.Waited, q.Number = true, t.turn
		}
		t.asked = t.c.session
	}
	t.call = t.c.submit(how, q, patience, func(p lock.Reply, r call.Result) { t.entered(q.Kind, &p, &r) })
}

// entered takes what the service says.
func (t *task) entered(kind lock.Kind, p *lock.Reply, r *call.Result) {
	switch {
	case t.given && r.Cause != call.None:
		t.settle()
	case r.Cause == call.SessionEnded:
		t.enter()
	case r.Cause != call.None:
		t.waive()
		t.settle()
	case p.Status == lock.Granted:
		if !t.take(p.Number) {
			t.enter()
		}
	case t.given:
		t.settle()
	case kind == lock.Reassert && p.Status != lock.Queued, kind == lock.Ask && p.Status == lock.NotWaiting:
		t.asked, t.turn = 0, 0
		t.enter()
	case p.Status == lock.Queued:
		t.turn, t.stage = p.Number, waiting
		if t.next = min(t.until, t.c.w.Now+askEvery); t.woken {
			t.next = t.c.w.Now
		}
	default:
		t.waive()
		t.rest()
	}
}

// giveUp ends the waiting: the goroutine's context is done.
func (t *task) giveUp() {
	t.waive()
	t.given = true
	if t.stage == entering {
		t.c.m.Cancel(t.c.now(), t.call, &t.c.out)
		return
	}
	t.settle()
}

func (t *task) waive() {
	if !t.try && !t.given {
		t.c.l.say(service.Fact{Kind: service.Waived, Client: t.c.number, Key: t.key})
	}
}

// take notes that the lock is held, unless the session is another or its lease is nearly over.
func (t *task) take(token uint64) bool {
	h, err := lock.NewHolder(lock.HolderConfig{Margin: t.c.l.opt.margin})
	if err != nil {
		panic("services: a drawn margin is refused: " + err.Error())
	}
	if t.asked != t.c.session || !h.Granted(t.c.now(), token, t.c.from, t.c.l.opt.lease) {
		return false
	}
	if t.given { // it was granted just when nobody wanted it any more
		t.settle()
		return true
	}
	t.holder, t.stage, t.session, t.orphan = h, holding, t.c.session, false
	work := t.c.w.Interval(t.c.l.opt.work)
	if t.c.w.Calm {
		work = min(work, workCalm)
	}
	t.until = t.c.w.Now + work
	t.next = min(t.until, t.c.w.Now+t.c.w.Interval(t.c.l.opt.work/4))
	t.c.w.Did(fmt.Sprintf("holds lock %d with token %d", t.key, token), t.c.Self, view.Member{})
	t.believe()
	return true
}

// believe tells the judges that the work under the lock goes on.
func (t *task) believe() {
	if t.stage != holding || t.believes {
		return
	}
	if p := t.holder.Tick(t.c.now()); p == lock.Held || p == lock.Stopping {
		t.believes = true
		t.c.l.say(service.Fact{Kind: service.Held, Client: t.c.number, Key: t.key, Value: t.holder.Token(), Shared: t.mode == lock.Shared})
	}
}

// doubt tells them that it does not.
func (t *task) doubt() {
	if t.believes {
		t.believes = false
		t.c.w.Did(fmt.Sprintf("holds lock %d no more: %v", t.key, t.holder.Why()), t.c.Self, view.Member{})
		t.c.l.say(service.Fact{Kind: service.Dropped, Client: t.c.number, Key: t.key})
	}
}

// look looks at the clock: what runs under the lock has to stop, and is killed in the end.
func (t *task) look() {
	if t.stage != holding {
		return
	}
	w := t.c.w
	switch t.holder.Tick(t.c.now()) {
	case lock.Stopping:
		if stop := w.Now + w.UpTo(t.c.l.opt.margin); t.until > stop {
			t.until, t.next = stop, stop
		}
	case lock.Over:
		t.doubt()
		t.until, t.next = w.Now, w.Now
	}
}

// hold does a piece of the work, or ends it.
func (t *task) hold() {
	w, c := t.c.w, t.c
	if w.Now >= t.until {
		t.leave()
		return
	}
	t.next = min(t.until, w.Now+1+w.Interval(c.l.opt.work/4))
	if !t.holder.Holds(c.now()) {
		t.look()
		return
	}
	x := write{c.number, t.key, t.holder.Token(), t.mode == lock.Shared}
	do := func() { c.post(c.l.resource.Self.ID, fingerprint, x.append(nil)) }
	if w.Rng.IntN(8) != 0 {
		do()
		return
	}
	// It was stopped between looking and acting.
	life := c.Self.Incarnation
	w.After(w.UpTo(2*c.l.opt.lease), func() {
		if c.Up && c.Self.Incarnation == life {
			do()
		}
	})
}

// leave gives the lock back.
func (t *task) leave() {
	c := t.c
	t.holder.Tick(c.now())
	why, token := t.holder.Why(), t.holder.Token()
	t.holder.Revoke(c.now(), token, lock.Given)
	t.doubt()
	t.stage, t.next = leaving, world.Never
	if t.asserts {
		return // who came later would enter again
	}
	if t.session != c.session || why == lock.BrokenBy || why == lock.LostTo {
		t.rest()
		return
	}
	q := t.request(lock.Leave)
	q.Number = token
	c.submit(session.ExactlyOnce, q, patience, func(p lock.Reply, r call.Result) {
		if r.Cause == call.None && !p.Status.Refused() {
			t.rest()
		} else {
			t.settle()
		}
	})
}

// settle leaves the lock, or its queue, whichever it is in. A session that has ended is in none.
func (t *task) settle() {
	c := t.c
	t.stage, t.next = leaving, world.Never
	of := t.asked
	if t.holder != nil {
		of = t.session
	}
	if of != c.session {
		t.rest()
		return
	}
	c.submit(session.ExactlyOnce, t.request(lock.Cancel), c.l.opt.lease, func(p lock.Reply, r call.Result) {
		switch {
		case r.Cause != call.None:
			t.next = c.w.Now + retryFirst
		case p.Status == lock.Granted:
			q := t.request(lock.Leave)
			q.Number = p.Number
			c.submit(session.ExactlyOnce, q, c.l.opt.lease, func(_ lock.Reply, r call.Result) {
				if r.Cause == call.None {
					t.rest()
				} else {
					t.next = c.w.Now + retryFirst
				}
			})
		default:
			t.rest()
		}
	})
}

// renewed tells that the lease of the session counts from a later moment.
func (t *task) renewed() {
	if t.stage == holding && !t.orphan {
		t.holder.Renewed(t.c.now(), t.c.from, t.c.l.opt.lease)
		t.look()
	}
}

// ended tells that the session has ended. If the service says so before the lease is over, it has lost
// its state, and hears of the lock in the next session.
func (t *task) ended(stale bool) {
	if t.stage != holding {
		return
	}
	now := t.c.now()
	phase := t.holder.Tick(now)
	switch {
	case stale && t.c.l.opt.window > 0 && phase == lock.Held:
		t.orphan = true
	case stale || t.holder.Why() == lock.NoCause:
		t.holder.Revoke(now, t.holder.Token(), lock.SessionOver)
	}
	t.look()
}

// opened asserts in a new session what was held in the last.
func (t *task) opened() {
	if t.stage != holding || !t.orphan {
		return
	}
	c, of := t.c, t.holder
	t.session, t.asserts = c.session, true
	q := t.request(lock.Reassert)
	q.Number = of.Token()
	c.submit(session.ExactlyOnce, q, c.l.opt.lease, func(p lock.Reply, r call.Result) {
		t.asserts = false
		switch {
		case t.stage == leaving:
			t.settle()
		case r.Cause == call.SessionEnded:
		case r.Cause == call.None && p.Status == lock.Granted && t.session == c.session:
			if of.Granted(c.now(), of.Token(), c.from, c.l.opt.lease) {
				t.orphan = false
			}
		case r.Cause == call.None:
			of.Revoke(c.now(), of.Token(), lock.LostTo)
		}
		t.look()
	})
}

// notice takes a word of the service.
func (t *task) notice(n *lock.Notice) {
	switch {
	case n.What == lock.Granted && string(n.Name) == nameOf(t.key):
		if t.woken = true; t.stage == waiting {
			t.next = t.c.w.Now
		}
	case t.stage != holding || n.Number != t.holder.Token():
	case n.What == lock.Broken:
		t.holder.Revoke(t.c.now(), n.Number, lock.BrokenBy)
	case n.What == lock.Lost:
		t.holder.Revoke(t.c.now(), n.Number, lock.LostTo)
	}
	t.look()
}

package call

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// agreed is what a member stamps.
func (w *world) agreed() time.Duration {
	return max(w.exec.Time(), w.base+time.Duration(float64(w.now-w.baseAt)*w.rate))
}

func (w *world) rebase() { w.base, w.baseAt = w.exec.Time(), w.now }

// serve is a request's arrival at a server.
func (w *world) serve(c *caller, id view.ID, request []byte) {
	i := int(id) - 1
	if !w.up[i] {
		return
	}
	var reply []byte
	switch {
	case !w.every && i != w.primary:
		hint := view.ID(w.primary + 1)
		if !w.calm && w.rng.IntN(3) == 0 {
			hint = view.ID(w.rng.IntN(servers + 1))
		}
		reply = session.AppendRefusal(nil, request, session.Elsewhere, hint)
	case w.primary < 0:
		reply = session.AppendRefusal(nil, request, session.Elsewhere, view.Nobody)
	case !w.calm && w.rng.IntN(30) == 0:
		reply = session.AppendRefusal(nil, request, session.Busy, view.Nobody)
	case !w.calm && w.rng.IntN(60) == 0: // it crashes before it executes
		w.crash(i)
		return
	default:
		session.Stamp(request, w.agreed(), w.exec.Index())
		reply = w.exec.Execute(request, nil)
		w.rebase()
		if !w.calm && w.rng.IntN(60) == 0 { // or after
			w.crash(i)
			return
		}
	}
	w.travel(w.now < c.cut, func() {
		c.m.Receive(c.clock(w), id, reply, &c.out)
		w.carry(c)
	})
}

// crash takes a server down, and another becomes primary after a while.
func (w *world) crash(i int) {
	if w.sound && w.primary >= 0 {
		return
	}
	w.seen["crash"]++
	w.up[i] = false
	for _, c := range w.clients {
		if w.rng.IntN(2) == 0 {
			w.after(w.between(0, 50*time.Millisecond), func() { w.reach(c, i) })
		}
	}
	w.after(w.between(10*time.Millisecond, time.Second), func() {
		w.up[i] = true
		w.elect()
		for _, c := range w.clients {
			w.reach(c, i)
		}
	})
	if i == w.primary {
		w.primary = -1
		w.after(w.between(10*time.Millisecond, 400*time.Millisecond), w.elect)
	}
}

func (w *world) reach(c *caller, i int) {
	c.m.Reachable(c.clock(w), view.ID(i+1), w.up[i], &c.out)
	w.carry(c)
}

// elect makes a server the primary if none is; it takes the state over as a snapshot.
func (w *world) elect() {
	if w.primary >= 0 && w.up[w.primary] {
		return
	}
	w.primary = -1
	for range 10 {
		if i := w.rng.IntN(servers); w.up[i] {
			w.primary = i
			break
		}
	}
	if w.primary < 0 {
		w.after(50*time.Millisecond, w.elect)
		return
	}
	var b bytes.Buffer
	if err := w.exec.Snapshot(&b); err != nil {
		w.fail("%v", err)
	}
	digest := w.exec.Digest()
	w.exec = session.NewExecutor(&counting{w: w})
	if err := w.exec.Restore(&b); err != nil || w.exec.Digest() != digest {
		w.fail("restoring: %v", err)
	}
	w.rate = 0.96 + 0.08*w.rng.Float64()
	w.rebase()
}

// elapse lets the agreed time pass, as the primary does.
func (w *world) elapse() {
	if next := w.exec.Next(); w.primary >= 0 && next != 0 && w.agreed() >= next {
		w.exec.Pass(w.agreed())
		w.rebase()
	}
	w.after(10*time.Millisecond, w.elapse)
}

// trouble is what happens by itself.
func (w *world) trouble() {
	if w.calm {
		return
	}
	switch i := w.rng.IntN(servers); w.rng.IntN(7) {
	case 0:
		if w.up[i] {
			w.crash(i)
		}
	case 1:
		if c := w.clients[w.rng.IntN(len(w.clients))]; w.rng.IntN(2) == 0 {
			for _, id := range c.open {
				w.calls[id].forsaken = true
			}
			w.seen["reborn"]++
			w.born(c)
		}
	case 2:
		w.clients[w.rng.IntN(len(w.clients))].cut = w.now + w.between(0, 3*time.Second)
	case 3:
		if w.primary >= 0 && w.up[i] && !w.every { // a planned move
			w.primary = i
		}
	}
	w.after(w.between(0, 500*time.Millisecond), w.trouble)
}

// judge holds a result against what happened.
func (w *world) judge(c *caller, r Result) {
	id, known := c.open[r.ID]
	if !known {
		w.fail("client %d has a result of call %d, which is not open", c.id, r.ID)
		return
	}
	delete(c.open, r.ID)
	f := w.calls[id]
	f.results++
	f.outcome = r.Outcome
	w.seen[f.how.String()+" "+r.Outcome.String()+": "+r.Cause.String()]++
	if w.now > f.deadline {
		w.fail("call %d has its result %v after its deadline", id, w.now-f.deadline)
	}
	switch r.Outcome {
	case Executed:
		if f.count == 0 {
			w.fail("%v call %d is said to be executed, and is not", f.how, id)
		}
		if len(r.Body) != 16 || binary.BigEndian.Uint64(r.Body) != id || binary.BigEndian.Uint64(r.Body[8:]) > uint64(f.count) {
			w.fail("%v call %d is answered %x", f.how, id, r.Body)
		}
	case NotExecuted:
		if f.count > 0 {
			w.fail("%v call %d is said not to be executed (%v), and was", f.how, id, r.Cause)
		}
	case Unknown:
		if !slices.Contains([]Cause{NoAnswer, ServerLost, SessionEnded, Shut, Abandoned}, r.Cause) ||
			f.how == session.ExactlyOnce && (r.Cause == ServerLost || r.Cause == Abandoned) {
			w.fail("%v call %d is unknown: %v", f.how, id, r.Cause)
		}
	}
}

// run lets time go by.
func (w *world) run(until time.Duration) {
	for len(w.events) > 0 && w.events[0].at <= until {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

// storm runs a seed: trouble, then calm.
func storm(seed uint64, complain func(string)) map[string]int {
	w := newWorld(seed, complain)
	w.run(6 * time.Second)
	w.calm = true
	for _, c := range w.clients {
		c.cut = 0
	}
	for i := range servers {
		w.up[i] = true
	}
	w.elect()
	for _, c := range w.clients {
		for i := range servers {
			w.reach(c, i)
		}
	}
	w.run(w.now + 4*time.Second)
	w.steady = true
	w.run(w.now + 4*time.Second)
	w.settle()
	for id, f := range w.calls {
		if !f.forsaken && f.results != 1 {
			w.fail("call %d has %d results", id, f.results)
		}
	}
	return w.seen
}

// settle asks for something exactly once, which must work now.
func (w *world) settle() {
	for _, c := range w.clients {
		if c.m.cfg.Lease == 0 {
			continue
		}
		c.m.Open(c.clock(w), &c.out)
		w.carry(c)
		w.total++
		f := &fate{how: session.ExactlyOnce, deadline: w.now + 9*time.Second}
		w.calls[w.total] = f
		id, why := c.m.Submit(c.clock(w), Call{How: f.how, Body: binary.BigEndian.AppendUint64(nil, w.total), Deadline: c.clock(w).Add(4 * time.Second)}, &c.out)
		if why != None {
			w.fail("client %d cannot submit in calm: %v", c.id, why)
			continue
		}
		c.open[id] = w.total
		w.carry(c)
		w.run(w.now + 500*time.Millisecond)
		if f.outcome != Executed || f.count != 1 {
			w.fail("in calm a call exactly once is %v, executed %d times", f.outcome, f.count)
		}
	}
}

func TestStorm(t *testing.T) {
	sum := map[string]int{}
	for seed := range uint64(2000) {
		for what, n := range storm(seed, func(what string) { t.Fatal(what) }) {
			sum[what] += n
		}
	}
	keys := make([]string, 0, len(sum))
	for what := range sum {
		keys = append(keys, what)
	}
	slices.Sort(keys)
	for _, what := range keys {
		t.Logf("%7d %s", sum[what], what)
	}
}

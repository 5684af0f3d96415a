package pair

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// interval draws an interval with the given mean; short ones are the most likely.
func (w *world) interval(mean time.Duration) time.Duration {
	return time.Duration(w.rng.ExpFloat64() * float64(mean))
}

// upTo draws a time that is short more often than long.
func (w *world) upTo(most time.Duration) time.Duration {
	f := w.rng.Float64()
	return time.Duration(f * f * float64(most))
}

func (w *world) repeat(mean time.Duration, do func()) {
	w.actions.Push(w.now+w.interval(mean), func() {
		do()
		w.repeat(mean, do)
	})
}

func (w *world) one() *node { return &w.nodes[w.rng.IntN(len(w.nodes))] }

// plan begins everything that happens again and again.
func (w *world) plan() {
	for _, e := range []struct {
		mean time.Duration
		do   func()
	}{
		{w.opt.every, w.traffic},
		{w.opt.expiry, w.expire},
		{w.opt.off, func() { w.end(w.off) }},
		{w.opt.exit, func() { w.end(func(n *node) { w.exit(n, "exits") }) }},
		{w.opt.stop, func() {
			if n := w.one(); n.runs() {
				w.did("is stopped", n.self, view.Member{})
				n.stack.Stop(w.read(n), &n.out)
				w.after(n)
				w.bootLater(n)
			}
		}},
		{w.opt.pause, w.pauseOne},
		{w.opt.cut, w.cutSome},
		{w.opt.reshape, w.reshape},
		{w.opt.plan, func() {
			if n := w.one(); n.runs() {
				w.did("is asked to hand over", n.self, view.Member{})
				_ = n.stack.Switch(w.read(n), view.ID(w.rng.IntN(w.opt.nodes+1)), &n.out)
				w.after(n)
			}
		}},
		{w.opt.health, func() {
			if n := w.one(); n.runs() {
				w.health(n, w.rng.IntN(3))
			}
		}},
		{w.opt.stale, w.repeatAnswer},
	} {
		if e.mean > 0 {
			w.repeat(e.mean, e.do)
		}
	}
}

// end ends a process, with its host or without, and boots it later.
func (w *world) end(how func(*node)) {
	n := w.one()
	if n.stack == nil {
		return
	}
	how(n)
	w.bootLater(n)
}

func (w *world) bootLater(n *node) {
	w.actions.Push(w.now+w.upTo(w.opt.downMost), func() {
		if n.stack == nil {
			w.boot(n)
		}
	})
}

func (w *world) health(n *node, down int) {
	w.did(fmt.Sprintf("%d interfaces are down at", down), n.self, view.Member{})
	n.down = down
	if n.runs() {
		n.stack.Health(w.read(n), down, &n.out)
		w.after(n)
	}
}

// repeatAnswer repeats an answer of the service, of an epoch that is not asked about.
func (w *world) repeatAnswer() {
	n := w.one()
	if !n.runs() {
		return
	}
	epoch := n.stack.Status(w.read(n)).Highest
	if epoch > 1 {
		epoch -= 1 + view.Epoch(w.rng.Uint64N(uint64(min(epoch-1, 5))))
	}
	if w.pending(n, epoch) {
		return
	}
	w.did("is answered again, of an old epoch,", n.self, view.Member{})
	switch w.rng.IntN(3) {
	case 0:
		n.stack.Committed(w.read(n), epoch, &n.out)
	case 1:
		n.stack.Raised(w.read(n), epoch, &n.out)
	case 2:
		n.stack.Lowered(w.read(n), epoch, &n.out)
	}
	w.after(n)
}

// pending says whether a command of an epoch is still to be carried out, or may be the
// one that the node is in.
func (w *world) pending(n *node, epoch view.Epoch) bool {
	for _, o := range n.work.orders[n.work.next:] {
		if o.epoch == epoch {
			return true
		}
	}
	return n.stack.Status(w.read(n)).Epoch == epoch
}

func (w *world) pauseOne() {
	n := w.one()
	if !n.runs() {
		return
	}
	n.paused = true
	life := n.self.Incarnation
	w.did("stands still", n.self, view.Member{})
	w.actions.Push(w.now+w.upTo(w.opt.pauseMost), func() {
		if n.self.Incarnation == life && n.stack != nil {
			w.resume(n)
		}
	})
}

// cutSome cuts one way or both between two nodes, on one link or on all.
func (w *world) cutSome() {
	a := w.one()
	b := &w.nodes[(int(a.self.ID)+w.rng.IntN(len(w.nodes)-1))%len(w.nodes)]
	link, both := uint8(w.rng.IntN(w.opt.links+1)), w.rng.IntN(2) == 0
	w.did(fmt.Sprintf("on link %d (0: all), both ways: %v, is cut off", link, both), a.self, b.self)
	cut := func(cut bool) {
		for l := range w.opt.links {
			if link != 0 && int(link) != l+1 {
				continue
			}
			w.net.Cut(a.self.ID, b.self.ID, uint8(l+1), cut)
			if both {
				w.net.Cut(b.self.ID, a.self.ID, uint8(l+1), cut)
			}
		}
	}
	cut(true)
	w.actions.Push(w.now+w.upTo(w.opt.cutMost), func() { cut(false) })
}

// reshape gives the ways their faults: those of the options at first, others later.
func (w *world) reshape() {
	f := w.opt.network
	if w.now > 0 {
		f = simnet.Draw(w.rng)
	}
	for i := range w.nodes {
		for k := range w.nodes {
			for l := range w.opt.links {
				if w.opt.uneven {
					f = simnet.Draw(w.rng)
				}
				if i != k {
					w.net.Shape(view.ID(i+1), view.ID(k+1), uint8(l+1), f)
				}
			}
		}
	}
	w.did("the network changes: "+f.String(), view.Member{}, view.Member{})
}

// difference says how a standby's table differs from the active's, where it should not.
func (w *world) difference(active, n *node) string {
	for number, state := range active.host.table {
		copied := n.host.table[number]
		if w.opt.inject == stack.AtTakeover {
			copied, _ = n.stack.Proxy().HeldState(active.self.ID, w.key(number))
		}
		if string(copied) != string(state) || (copied == nil) != (state == nil) {
			own, known := active.stack.Proxy().State(w.key(number))
			return fmt.Sprintf("flow %d is %q (there: %v) in the table of the active %v, %q (%v) in its cache, and %q (%v) at %v",
				number, state, state != nil, active.self, own, known, copied, copied != nil, n.self)
		}
	}
	return ""
}

// handOver plans a handover under traffic, and judges the successor. After calm nothing
// keeps it from succeeding.
func (w *world) handOver() {
	w.until(w.now + 50*w.opt.every)
	former := w.ask()
	if former == nil || w.over() {
		return
	}
	for began := w.now; w.active() == former || w.active() == nil; {
		if w.until(w.now + pollEvery); w.over() {
			return
		}
		if w.now-began > handoverMost {
			w.fail(sim.Liveness, fmt.Sprintf("%v after %v was asked to hand over nobody else holds the addresses", handoverMost, former.self))
			return
		}
	}
	w.until(w.now + settled)
	if n := w.active(); n != nil && !w.over() {
		w.took(n, check.ByHandover)
		w.agree()
	}
}

// handoverMost is how long a planned handover may take after calm, and until it can begin:
// a Commit of another epoch that was begun before calm may be under way.
const handoverMost = 10 * time.Second

// ask asks the active to hand over until it begins, and returns it; nil if the run failed.
func (w *world) ask() *node {
	for began := w.now; ; {
		if n := w.active(); n != nil && n.stack.Role() == takeover.Active {
			w.did("is asked to hand over", n.self, view.Member{})
			err := n.stack.Switch(w.read(n), view.Nobody, &n.out)
			w.after(n)
			if err == nil {
				return n
			}
			if w.now-began > handoverMost {
				w.fail(sim.Liveness, fmt.Sprintf("after calm %v refuses to hand over: %v", n.self, err))
			}
		}
		if w.until(w.now + pollEvery); w.over() {
			return nil
		}
	}
}

// powerCut takes the power from the active when everything is proven. All flows must be
// where it fails over to, and that soon.
func (w *world) powerCut() {
	former := w.active()
	w.still, w.dead = true, former
	if w.rng.IntN(2) == 0 {
		// The others read their tables all the time, so also when it happens.
		w.repeat(w.opt.suspectAfter/4, func() {
			for i := range w.nodes {
				if n := &w.nodes[i]; n.runs() && n != former {
					n.stack.Lost()
					w.after(n)
				}
			}
		})
	}
	before := w.now
	w.off(former)
	bound := w.opt.suspectAfter + 4*w.opt.heartbeat + 4*effortCalm + 10*time.Millisecond
	bound += 2 * time.Duration(w.opt.flows/chunk+1) * min(w.opt.dump, effortCalm) // readings before it
	if w.opt.inject == stack.AtTakeover {
		bound += time.Duration(w.opt.flows) * w.opt.table
	}
	for w.active() == nil && w.now-before < 10*time.Second && !w.over() {
		w.until(w.now + time.Millisecond)
	}
	w.hear(&check.Fact{
		Kind: check.Used, Node: former.self, Name: "microseconds without a holder",
		Value: uint64((w.now - before) / time.Microsecond), Limit: uint64(bound / time.Microsecond),
	})
	if w.over() {
		return
	}
	n := w.active()
	for number := range w.open {
		if w.open[number] && n.host.table[number] == nil {
			w.fail(sim.Safety, fmt.Sprintf("survival: after the power cut the open flow %d is not in the table of %v", number, n.self))
			return
		}
	}
	if n.stack.Role() != takeover.Active {
		w.until(w.now + 100*time.Millisecond)
	}
}

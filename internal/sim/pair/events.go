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

func (w *pair) one() *node { return &w.nodes[w.Rng.IntN(len(w.nodes))] }

// plan begins everything that happens again and again.
func (w *pair) plan() {
	w.Repeat(w.opt.every, w.traffic)
	w.Repeat(w.opt.expiry, w.expire)
	w.Repeat(w.opt.off, func() { w.end(w.off) })
	w.Repeat(w.opt.exit, func() { w.end(func(n *node) { w.exit(n, "exits") }) })
	w.Repeat(w.opt.stop, func() {
		if n := w.one(); n.Runs() {
			w.Did("is stopped", n.Self, view.Member{})
			n.stack.Stop(w.read(n), &n.out)
			w.after(n)
			w.bootLater(n)
		}
	})
	w.Repeat(w.opt.pause, w.pauseOne)
	w.Repeat(w.opt.cut, w.cutSome)
	w.Repeat(w.opt.reshape, w.reshape)
	w.Repeat(w.opt.plan, func() {
		if n := w.one(); n.Runs() {
			w.Did("is asked to hand over", n.Self, view.Member{})
			_ = n.stack.Switch(w.read(n), view.ID(w.Rng.IntN(w.opt.nodes+1)), &n.out)
			w.after(n)
		}
	})
	w.Repeat(w.opt.health, func() {
		if n := w.one(); n.Runs() {
			w.health(n, w.Rng.IntN(3))
		}
	})
	w.Repeat(w.opt.stale, w.repeatAnswer)
}

// end ends a process, with its host or without, and boots it later.
func (w *pair) end(how func(*node)) {
	n := w.one()
	if n.stack == nil {
		return
	}
	how(n)
	w.bootLater(n)
}

func (w *pair) bootLater(n *node) {
	w.After(w.UpTo(w.opt.downMost), func() {
		if n.stack == nil {
			w.boot(n)
		}
	})
}

func (w *pair) health(n *node, down int) {
	w.Did(fmt.Sprintf("%d interfaces are down at", down), n.Self, view.Member{})
	n.down = down
	if n.Runs() {
		n.stack.Health(w.read(n), down, &n.out)
		w.after(n)
	}
}

// repeatAnswer repeats an answer of the service, of an epoch that is not asked about.
func (w *pair) repeatAnswer() {
	n := w.one()
	if !n.Runs() {
		return
	}
	epoch := n.stack.Status(w.read(n)).Highest
	if epoch > 1 {
		epoch -= 1 + view.Epoch(w.Rng.Uint64N(uint64(min(epoch-1, 5))))
	}
	if w.pending(n, epoch) {
		return
	}
	w.Did("is answered again, of an old epoch,", n.Self, view.Member{})
	switch w.Rng.IntN(3) {
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
func (w *pair) pending(n *node, epoch view.Epoch) bool {
	for _, o := range n.work.orders[n.work.next:] {
		if o.epoch == epoch {
			return true
		}
	}
	return n.stack.Status(w.read(n)).Epoch == epoch
}

func (w *pair) pauseOne() {
	n := w.one()
	if !n.Runs() {
		return
	}
	w.Pause(&n.Host, w.UpTo(w.opt.pauseMost), func() { w.resume(n) })
}

// cutSome cuts one way or both between two nodes, on one link or on all.
func (w *pair) cutSome() {
	a := w.one()
	b := &w.nodes[(int(a.Self.ID)+w.Rng.IntN(len(w.nodes)-1))%len(w.nodes)]
	link, both := uint8(w.Rng.IntN(w.opt.links+1)), w.Rng.IntN(2) == 0
	w.Did(fmt.Sprintf("on link %d (0: all), both ways: %v, is cut off", link, both), a.Self, b.Self)
	w.Sever(a.Self.ID, b.Self.ID, link, both, true)
	w.After(w.UpTo(w.opt.cutMost), func() { w.Sever(a.Self.ID, b.Self.ID, link, both, false) })
}

// reshape gives the ways their faults: those of the options at first, others later.
func (w *pair) reshape() {
	f := w.opt.network
	if w.Now > 0 {
		f = simnet.Draw(w.Rng)
	}
	if w.opt.uneven {
		w.Reshape(f, simnet.Draw)
	} else {
		w.Reshape(f, nil)
	}
}

// difference says how a standby's table differs from the active's, where it should not.
func (w *pair) difference(active, n *node) string {
	for number, state := range active.host.table {
		copied := n.host.table[number]
		if w.opt.inject == stack.AtTakeover {
			copied, _ = n.stack.Proxy().HeldState(active.Self.ID, w.key(number))
		}
		if string(copied) != string(state) || (copied == nil) != (state == nil) {
			own, known := active.stack.Proxy().State(w.key(number))
			return fmt.Sprintf("flow %d is %q (there: %v) in the table of the active %v, %q (%v) in its cache, and %q (%v) at %v",
				number, state, state != nil, active.Self, own, known, copied, copied != nil, n.Self)
		}
	}
	return ""
}

// handOver plans a handover under traffic, and judges the successor. After calm nothing
// keeps it from succeeding.
func (w *pair) handOver() {
	w.Until(w.Now + 50*w.opt.every)
	former := w.ask()
	if former == nil || w.Over() {
		return
	}
	for began := w.Now; w.active() == former || w.active() == nil; {
		if w.Until(w.Now + pollEvery); w.Over() {
			return
		}
		if w.Now-began > handoverMost {
			w.Fail(sim.Liveness, fmt.Sprintf("%v after %v was asked to hand over nobody else holds the addresses", handoverMost, former.Self))
			return
		}
	}
	w.Until(w.Now + settled)
	if n := w.active(); n != nil && !w.Over() {
		w.took(n, check.ByHandover)
		w.agree()
	}
}

// handoverMost is how long a planned handover may take after calm, and until it can begin:
// a Commit of another epoch that was begun before calm may be under way.
const handoverMost = 10 * time.Second

// ask asks the active to hand over until it begins, and returns it; nil if the run failed.
func (w *pair) ask() *node {
	for began := w.Now; ; {
		if n := w.active(); n != nil && n.stack.Role() == takeover.Active {
			w.Did("is asked to hand over", n.Self, view.Member{})
			err := n.stack.Switch(w.read(n), view.Nobody, &n.out)
			w.after(n)
			if err == nil {
				return n
			}
			if w.Now-began > handoverMost {
				w.Fail(sim.Liveness, fmt.Sprintf("after calm %v refuses to hand over: %v", n.Self, err))
			}
		}
		if w.Until(w.Now + pollEvery); w.Over() {
			return nil
		}
	}
}

// powerCut takes the power from the active when everything is proven. All flows must be
// where it fails over to, and that soon.
func (w *pair) powerCut() {
	former := w.active()
	w.still, w.dead = true, former
	comparing := w.Rng.IntN(2) == 0
	if comparing {
		// The others read their tables all the time, so also when it happens.
		w.Repeat(w.opt.suspectAfter/4, func() {
			for i := range w.nodes {
				if n := &w.nodes[i]; n.Runs() && n != former {
					n.stack.Lost()
					w.after(n)
				}
			}
		})
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		comparing = comparing || n != former && n.Runs() && n.stack.Status(w.read(n)).Comparing
	}
	before := w.Now
	w.off(former)
	bound := w.opt.suspectAfter + 4*w.opt.heartbeat + 4*effortCalm + 10*time.Millisecond
	bound += 2 * time.Duration(w.opt.flows/chunk+1) * min(w.opt.dump, effortCalm) // readings before it
	if w.opt.inject == stack.AtTakeover || comparing {                            // the Commit puts all there
		bound += time.Duration(w.opt.flows) * w.opt.table
	}
	for w.active() == nil && w.Now-before < 10*time.Second && !w.Over() {
		w.Until(w.Now + time.Millisecond)
	}
	w.hear(&check.Fact{
		Kind: check.Used, Node: former.Self, Name: "microseconds without a holder",
		Value: uint64((w.Now - before) / time.Microsecond), Limit: uint64(bound / time.Microsecond),
	})
	if w.Over() {
		return
	}
	n := w.active()
	for number := range w.open {
		if w.open[number] && n.host.table[number] == nil {
			w.Fail(sim.Safety, fmt.Sprintf("survival: after the power cut the open flow %d is not in the table of %v", number, n.Self))
			return
		}
	}
	if n.stack.Role() != takeover.Active {
		w.Until(w.Now + 100*time.Millisecond)
	}
}

package cohorts

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// plan begins everything that happens again and again.
func (w *cohorts) plan() {
	for _, e := range []struct {
		mean time.Duration
		do   func() bool // reports whether it was a fault
	}{
		{w.opt.crash, w.crashSome},
		{w.opt.trap, w.setTrap},
		{w.opt.cascade, w.cascade},
		{w.opt.pause, w.pauseSome},
		{w.opt.jump, w.jumpOne},
		{w.opt.cut, w.cutSome},
		{w.opt.reshape, func() bool { w.reshape(); return true }},
		{w.opt.leave, w.leaveSome},
		{w.opt.throttle, w.throttleOne},
		{w.opt.power, w.powerCut},
	} {
		if e.mean > 0 {
			w.Repeat(e.mean, func() {
				if e.do() {
					w.faults++
				}
			})
		}
	}
	w.watch()
}

// watch lets detectors be judged all the time.
func (w *cohorts) watch() { w.After(heartbeat, func() { w.quiet(); w.watch() }) }

// quiet tells who has been silent at whom.
func (w *cohorts) quiet() {
	if w.opt.perfect {
		return
	}
	for _, n := range w.nodes {
		if !n.Runs() {
			continue
		}
		for i := range n.heard {
			h := &n.heard[i]
			silent := w.Now - max(h.at, n.runs)
			if h.life != 0 && silent > w.patience().Detect {
				w.hear(0, &group.Fact{
					Kind: group.Quiet, Node: n.Self, Peer: view.Member{ID: view.ID(i + 1), Incarnation: h.life}, Since: silent,
				})
			}
		}
	}
}

// one draws a node.
func (w *cohorts) one() *node { return w.nodes[w.Rng.IntN(len(w.nodes))] }

// mayFall says whether a process may crash or leave without breaking the assumption.
func (w *cohorts) mayFall(n *node) bool {
	for g := range w.courts {
		if w.opt.groups[g].All {
			continue
		}
		fallen, all := 0, 0
		for _, other := range w.nodes {
			all += int(other.votes)
			if other == n || !w.stands(other, g) {
				fallen += int(other.votes)
			}
		}
		if 2*fallen >= all {
			return false
		}
	}
	return true
}

// stands says whether a process is in the latest view of a group, and wants to be. In a
// reckless world any view will do: then the votes that are left may be too few.
func (w *cohorts) stands(n *node, g int) bool {
	if !n.Up || n.owners[g].view == nil || !n.owners[g].willing {
		return false
	}
	return w.opt.reckless || w.latest[g].Has(n.Self)
}

// crashSome lets one process crash, or several at once.
func (w *cohorts) crashSome() bool {
	crashed := false
	for range 1 + w.Rng.IntN(w.opt.storm) {
		if n := w.one(); n.Up && w.mayFall(n) {
			n.crash("crashes")
			n.bootLater()
			crashed = true
		}
	}
	return crashed
}

// setTrap lets a process crash at one of the next frames that it sends for a view change,
// or for something else now and then. Whether it may is looked at when it happens.
func (w *cohorts) setTrap() bool {
	n := w.one()
	if n.Up {
		n.trap = trap{channel: wire.Group, left: 1 + w.Rng.IntN(12), done: w.Rng.IntN(2) == 0}
		switch w.Rng.IntN(6) {
		case 0:
			n.trap.channel = wire.Cast
		case 1:
			n.trap.channel = wire.Transfer
		}
	}
	return false
}

// cascade lets a process crash, and others at the frames that they send because of it.
func (w *cohorts) cascade() bool {
	for range 1 + w.Rng.IntN(2) {
		w.setTrap()
	}
	return w.crashSome()
}

// pauseSome lets a process stand still, or several.
func (w *cohorts) pauseSome() bool {
	for range 1 + w.Rng.IntN(w.opt.storm) {
		if n := w.one(); n.Runs() {
			w.Pause(&n.Host, w.UpTo(w.opt.pauseMost), n.resume)
		}
	}
	return true
}

// jumpOne lets a clock jump, ahead most often, or back.
func (w *cohorts) jumpOne() bool {
	n := w.one()
	if !n.Runs() {
		return false
	}
	by := w.UpTo(w.opt.pauseMost)
	n.runs = w.Now
	if w.Rng.IntN(4) == 0 {
		// Until the clock shows again what it showed, no time passes for the process.
		n.runs += by
		by = -by
	}
	w.Did(fmt.Sprintf("has a clock that jumps ahead by %v", by), n.Self, view.Member{})
	n.Clock = n.Clock.Ahead(w.Now, by)
	w.Schedule(&n.Host, n.cohort.Deadline())
	return true
}

// The sides of a cut.
const (
	left  = 1 + iota // cut off from those on the right
	right            // from those on the left
	_                // hears both: a bridge
)

// sides draws who is on which side: one against all, some against the others, or two sides
// that do not hear each other and that some between hear both, so that each has reason to
// change the view, and may get the same votes for it.
func (w *cohorts) sides() []int {
	side := make([]int, len(w.nodes))
	kind, one := w.Rng.IntN(4), w.Rng.IntN(len(side))
	for i := range side {
		switch {
		case kind < 2 && i != one:
			side[i] = right
		case kind < 2:
			side[i] = left
		default:
			side[i] = left + w.Rng.IntN(kind)
		}
	}
	return side
}

// cutSome cuts some of the processes off from others, one way or both, on one link or on
// all, or from one of them only.
func (w *cohorts) cutSome() bool {
	side, link, both, other := w.sides(), uint8(0), w.Rng.IntN(3) != 0, -1
	if w.Rng.IntN(4) == 0 {
		link = uint8(1 + w.Rng.IntN(w.opt.links))
	}
	if w.Rng.IntN(4) == 0 {
		other = w.Rng.IntN(len(side))
	}
	w.Did(fmt.Sprintf("cut, on link %d (0: all), both ways: %v, from m%d (0: all), sides %v", link, both, other+1, side), view.Member{}, view.Member{})
	cut := func(cut bool) {
		for i := range side {
			for k := range side {
				if side[i] == left && side[k] == right && (other < 0 || other == k) {
					w.Sever(view.ID(i+1), view.ID(k+1), link, both, cut)
				}
			}
		}
	}
	cut(true)
	w.After(w.UpTo(w.opt.cutMost), func() { cut(false) })
	return true
}

// leaveSome lets an owner leave a group, or several.
func (w *cohorts) leaveSome() bool {
	left := false
	for range 1 + w.Rng.IntN(w.opt.storm) {
		n := w.one()
		if !n.Runs() || !w.mayFall(n) {
			continue
		}
		if o := n.owners[w.Rng.IntN(len(n.owners))]; o.group != nil && o.willing {
			o.leave()
			left = true
		}
	}
	return left
}

// throttleOne lets an owner take nothing for a while.
func (w *cohorts) throttleOne() bool {
	n := w.one()
	if !n.Runs() {
		return false
	}
	o := n.owners[w.Rng.IntN(len(n.owners))]
	if o.group == nil || !o.willing || n.witness {
		return false
	}
	w.Did("takes nothing", n.Self, view.Member{})
	o.throttle(true)
	life := n.Self
	w.After(w.UpTo(w.opt.slowMost), func() {
		if n.Self != life || !n.Up {
			return
		}
		o.throttle(false)
		if n.Runs() {
			n.after()
		}
	})
	return true
}

// powerCut takes the power from all. What the groups were is gone.
func (w *cohorts) powerCut() bool {
	for _, n := range w.nodes {
		if n.Up {
			n.crash("loses power, as all do")
			n.bootLater()
		}
	}
	w.hearAll(group.Fact{Kind: group.Perished})
	return true
}

var _ world.Process = (*node)(nil)

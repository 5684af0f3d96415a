package proxies

import (
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// interval draws an interval with the given mean; short ones are the most likely.
func (w *world) interval(mean time.Duration) time.Duration {
	return time.Duration(w.rng.ExpFloat64() * float64(mean))
}

// plan begins everything that happens again and again.
func (w *world) plan() {
	for _, e := range []struct {
		mean time.Duration
		do   func()
	}{
		{w.opt.crash, w.crashOne},
		{w.opt.pause, w.pauseOne},
		{w.opt.cut, w.cutSome},
		{w.opt.reshape, w.reshape},
		{w.opt.away, func() {
			n, other := w.two()
			if n.runs() {
				w.did("takes as away:", n.self, other.self)
				n.m.Away(n.clock.Read(w.now), other.self.ID)
				w.after(n, n.self)
				w.actions.Push(w.now+w.upTo(w.opt.cutMost), func() { w.near(n, other) })
			}
		}},
		{w.opt.resync, func() {
			n, other := w.two()
			if n.runs() {
				w.did("resyncs", n.self, other.self)
				n.m.Resync(n.clock.Read(w.now), other.self.ID)
				w.after(n, n.self)
			}
		}},
		{w.opt.clear, func() {
			if n, _ := w.two(); n.runs() {
				w.did("clears", n.self, view.Member{})
				w.clear(n)
			}
		}},
		{w.opt.adopt, func() {
			if n, other := w.two(); n.runs() {
				w.did("adopts the objects of", n.self, other.self)
				w.adopt(n, other)
			}
		}},
		{w.opt.release, w.release},
	} {
		if e.mean > 0 {
			w.repeat(e.mean, e.do)
		}
	}
}

func (w *world) repeat(mean time.Duration, do func()) {
	w.actions.Push(w.now+w.interval(mean), func() {
		do()
		w.repeat(mean, do)
	})
}

// two draws two different nodes.
func (w *world) two() (a, b *node) {
	i := w.rng.IntN(len(w.nodes))
	k := (i + 1 + w.rng.IntN(len(w.nodes)-1)) % len(w.nodes)
	return &w.nodes[i], &w.nodes[k]
}

// upTo draws a time that is short more often than long.
func (w *world) upTo(most time.Duration) time.Duration {
	f := w.rng.Float64()
	return time.Duration(f * f * float64(most))
}

func (w *world) near(n, other *node) {
	if n.m != nil {
		n.m.Near(other.self.ID)
	}
}

func (w *world) crashOne() {
	n, _ := w.two()
	if n.m == nil {
		return
	}
	w.crash(n)
	w.actions.Push(w.now+w.upTo(w.opt.downMost), func() {
		if n.m == nil {
			w.boot(n)
		}
	})
}

func (w *world) pauseOne() {
	n, _ := w.two()
	if !n.runs() {
		return
	}
	n.paused = true
	life := n.self.Incarnation
	w.did("stands still", n.self, view.Member{})
	w.actions.Push(w.now+w.upTo(w.opt.pauseMost), func() {
		if n.self.Incarnation == life {
			w.resume(n)
		}
	})
}

// cutSome cuts one way, both ways, or a whole node off, on one link or on all.
func (w *world) cutSome() {
	a, b := w.two()
	link, kind := uint8(w.rng.IntN(w.opt.links+1)), w.rng.IntN(3)
	what := [...]string{"is cut off on the way", "and another are cut off, both ways, from", "is cut off from all; one of them"}[kind]
	w.did(what, a.self, b.self)
	w.cut(a, b, link, kind, true)
	w.actions.Push(w.now+w.upTo(w.opt.cutMost), func() { w.cut(a, b, link, kind, false) })
}

func (w *world) cut(a, b *node, link uint8, kind int, cut bool) {
	for i := range w.nodes {
		other := &w.nodes[i]
		if other == a || kind != 2 && other != b {
			continue
		}
		for l := range w.opt.links {
			if link != 0 && int(link) != l+1 {
				continue
			}
			w.net.Cut(a.self.ID, other.self.ID, uint8(l+1), cut)
			if kind != 0 {
				w.net.Cut(other.self.ID, a.self.ID, uint8(l+1), cut)
			}
		}
	}
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

// release lets every node give up what former lives of its peers left.
func (w *world) release() {
	for i := range w.nodes {
		n := &w.nodes[i]
		if !n.runs() {
			continue
		}
		for k := range w.nodes {
			if k != i {
				n.m.Release(w.nodes[k].self.ID, &n.out)
			}
		}
		w.after(n, n.self)
	}
}

// usage judges what a node takes of its limits.
func (w *world) usage(n *node) {
	for i := range w.nodes {
		other := &w.nodes[i]
		if other == n {
			continue
		}
		u := n.m.Usage(other.self.ID)
		w.used(n, "objects", u.Objects, w.opt.objectsMax)
		w.used(n, "objects and tombstones", u.Objects+u.Tombstones, 2*w.opt.objectsMax)
		w.used(n, "objects in a copy", u.Held, 2*w.opt.objectsMax)
		w.used(n, "unconfirmed messages", u.Unconfirmed, w.opt.resendMax)
		w.used(n, "gaps", u.Gaps, gapsMax)
		w.used(n, "queued changes", u.Queued, 3*2*w.opt.objectsMax)
	}
}

// gapsMax is the documented limit (docs/rfc/0003-stateproxy.md).
const gapsMax = 512

func (w *world) used(n *node, name string, value, limit int) {
	if value > limit {
		w.hear(&check.Fact{Kind: check.Used, Node: n.self, Name: name, Value: uint64(value), Limit: uint64(limit)})
	}
}

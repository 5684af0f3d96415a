package proxies

import (
	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// plan begins everything that happens again and again.
func (w *proxies) plan() {
	w.Repeat(w.opt.crash, w.crashOne)
	w.Repeat(w.opt.pause, w.pauseOne)
	w.Repeat(w.opt.cut, w.cutSome)
	w.Repeat(w.opt.reshape, w.reshape)
	w.Repeat(w.opt.away, func() {
		n, other := w.two()
		if n.Runs() {
			w.Did("takes as away:", n.Self, other.Self)
			n.m.Away(w.Read(&n.Host), other.Self.ID)
			w.after(n, n.Self)
			w.After(w.UpTo(w.opt.cutMost), func() { w.near(n, other) })
		}
	})
	w.Repeat(w.opt.resync, func() {
		n, other := w.two()
		if n.Runs() {
			w.Did("resyncs", n.Self, other.Self)
			n.m.Resync(w.Read(&n.Host), other.Self.ID)
			w.after(n, n.Self)
		}
	})
	w.Repeat(w.opt.clear, func() {
		if n, _ := w.two(); n.Runs() {
			w.Did("clears", n.Self, view.Member{})
			w.clear(n)
		}
	})
	w.Repeat(w.opt.adopt, func() {
		if n, other := w.two(); n.Runs() {
			w.Did("adopts the objects of", n.Self, other.Self)
			w.adopt(n, other)
		}
	})
	w.Repeat(w.opt.release, w.release)
}

// two draws two different nodes.
func (w *proxies) two() (a, b *node) {
	i := w.Rng.IntN(len(w.nodes))
	k := (i + 1 + w.Rng.IntN(len(w.nodes)-1)) % len(w.nodes)
	return &w.nodes[i], &w.nodes[k]
}

func (w *proxies) near(n, other *node) {
	if n.m != nil {
		n.m.Near(other.Self.ID)
	}
}

func (w *proxies) crashOne() {
	n, _ := w.two()
	if n.m == nil {
		return
	}
	w.crash(n)
	w.After(w.UpTo(w.opt.downMost), func() {
		if n.m == nil {
			w.boot(n)
		}
	})
}

func (w *proxies) pauseOne() {
	n, _ := w.two()
	if !n.Runs() {
		return
	}
	w.Pause(&n.Host, w.UpTo(w.opt.pauseMost), func() { w.resume(n) })
}

// cutSome cuts one way, both ways, or a whole node off, on one link or on all.
func (w *proxies) cutSome() {
	a, b := w.two()
	link, kind := uint8(w.Rng.IntN(w.opt.links+1)), w.Rng.IntN(3)
	what := [...]string{"is cut off on the way", "and another are cut off, both ways, from", "is cut off from all; one of them"}[kind]
	w.Did(what, a.Self, b.Self)
	w.cut(a, b, link, kind, true)
	w.After(w.UpTo(w.opt.cutMost), func() { w.cut(a, b, link, kind, false) })
}

func (w *proxies) cut(a, b *node, link uint8, kind int, cut bool) {
	for i := range w.nodes {
		other := &w.nodes[i]
		if other == a || kind != 2 && other != b {
			continue
		}
		w.Sever(a.Self.ID, other.Self.ID, link, kind != 0, cut)
	}
}

// reshape gives the ways their faults: those of the options at first, others later.
func (w *proxies) reshape() {
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

// release lets every node give up what former lives of its peers left.
func (w *proxies) release() {
	for i := range w.nodes {
		n := &w.nodes[i]
		if !n.Runs() {
			continue
		}
		for k := range w.nodes {
			if k != i {
				n.m.Release(w.nodes[k].Self.ID, &n.out)
			}
		}
		w.after(n, n.Self)
	}
}

// usage judges what a node takes of its limits.
func (w *proxies) usage(n *node) {
	for i := range w.nodes {
		other := &w.nodes[i]
		if other == n {
			continue
		}
		u := n.m.Usage(other.Self.ID)
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

func (w *proxies) used(n *node, name string, value, limit int) {
	if value > limit {
		w.hear(&check.Fact{Kind: check.Used, Node: n.Self, Name: name, Value: uint64(value), Limit: uint64(limit)})
	}
}

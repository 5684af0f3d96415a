package cohort

import (
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// install ends the old view with its cut and begins the next.
func (g *Group) install(now time.Time, c group.Command) {
	g.finish(now, c.Cut)
	joined := len(c.Former) == 0
	g.begin(now, c.View)
	donor := donorOf(c.View)
	switch {
	case !g.cfg.Stateful || g.witness:
		g.viewed(c)
	case joined && donor.ID != g.node.cfg.Self.ID:
		g.fetch(now, donor)
		g.viewed(c)
	case g.fetching.Known():
		g.members.Await(g.fetching.ID)
		g.viewed(c) // held, like all since the cut
	default:
		g.viewed(c)
		g.offer(now, c, donor)
	}
	if g.hold.bytes() > g.cfg.HeldMax {
		g.members.Rest(now, true, &g.told) // until release has handed over all
	}
}

// viewed delivers a view.
func (g *Group) viewed(c group.Command) {
	d := Delivery{Kind: Viewed, View: c.View, Former: c.Former, Era: c.Era}
	if canary == WrongFormer {
		d.Former = nil
		for _, s := range c.View.Seats {
			d.Former = append(d.Former, s.Member)
		}
	}
	switch {
	case canary == EarlyView:
		g.put(d)
	case canary == SameSize && g.follows(c, len(c.View.Seats)), canary == QuietJoin && g.follows(c, len(c.Former)):
	default:
		g.emit(d)
	}
}

// donorOf is who gives the state of a view: the most senior member that has one.
func donorOf(v *view.View) view.Member {
	for _, s := range v.Seats {
		if !s.Witness {
			return s.Member
		}
	}
	return view.Member{}
}

// finish delivers what the cut has of the view that ends.
func (g *Group) finish(now time.Time, cut view.Cut) {
	if !g.carries() {
		return
	}
	if cut != nil {
		g.streams.Complete(now, cut, &g.streamed)
		for _, r := range g.streamed.Records {
			g.orders.Receive(now, r.Rank, r.First, r.Last, r.Early, r.Data, r.More, &g.ordered)
		}
		g.streamed.Records = g.streamed.Records[:0]
		if canary != NoClose {
			g.orders.Close(now, &g.ordered)
		}
		g.deliver(true)
	}
	g.streamed.Records = g.streamed.Records[:0]
	g.ordered.Reset()
	g.unpin()
}

// begin starts the streams and orders of a view.
func (g *Group) begin(now time.Time, v *view.View) {
	g.current = v
	g.history = append(g.history, Past{v, now})
	if len(g.history) > historyMax {
		g.history = slices.Delete(g.history, 0, 1)
	}
	g.agreed = [view.SeatMax]uint64{}
	g.filling = false
	clear(g.refusals)
	if g.witness {
		return
	}
	g.streams.Install(now, v)
	g.orders.Install(now, v)
	if canary == LateView {
		g.settle(now)
	}
}

// dismiss ends the old view; there is none after it. Who had no part in the view change that ended it
// may lack what the cut has, or have what nobody else has: it delivers no more, for that might be less than
// the others have, or in another order.
func (g *Group) dismiss(now time.Time, c group.Command) {
	whole := c.Whole && (!g.carries() || g.streams.Whole(c.Cut))
	if whole {
		g.finish(now, c.Cut)
	} else {
		g.finish(now, nil)
	}
	g.current = nil
	g.streams.Freeze(now)
	unseen := g.fetching.Known() // the owner was never told of the view
	g.abandon(now)
	kind := Expelled
	switch {
	case c.Reason == group.HasLeft:
		kind, g.over = Departed, true
	case c.Reason == group.GaveWay && whole:
		kind = Merging
	}
	if kind != Merging {
		for !g.queue.empty() && canary != KeepsQueue {
			g.queue.pop()
		}
		g.own.lose(func(first, last uint64) { g.emit(Delivery{Kind: Lost, Number: first, Last: last}) })
	}
	if kind != Expelled || !unseen {
		g.emit(Delivery{Kind: kind})
	}
	if g.over {
		// Nothing can be held back any more.
		g.ready = append(g.ready, g.hold.slow...)
		g.hold.slow = nil
	}
}

package cohorts

import (
	"time"

	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// soloMax is how many messages a soloist multicasts, and then another: more than the
// sequencer looks at before it moves, which is 2048.
const soloMax = 3000

// mayBusy says whether a node's owners multicast now.
func (w *cohorts) mayBusy(n *node) bool {
	switch w.opt.soloist {
	case view.Nobody:
		return !w.Calm && w.sent < sentMax/w.opt.nodes
	case n.Self.ID:
		return !w.Calm && w.sent < soloMax
	}
	return !w.Calm && n.Self.ID == w.opt.soloist%view.ID(w.opt.nodes)+1 && w.sent >= soloMax && w.sent < 2*soloMax
}

const (
	// slowFor is how long the slow owner takes nothing.
	slowFor = 1500 * time.Millisecond

	// slowMessages is how many messages of slowSize fill every window and queue that is
	// drawn, so that the sender must be refused.
	slowMessages = 600
	slowSize     = largest

	// slowWindows is how many windows may be taken from the sender: its own, and what the
	// slow one had released without having told.
	slowWindows   = 2
	windowDefault = 1024 // packets
)

// slowConsumer lets one owner take nothing while another multicasts until it is refused. It
// must be told who holds it up; and when the slow one goes on, everything must be
// delivered.
func (w *cohorts) slowConsumer(g int) {
	slow, sender := w.carrier(g, nil), (*owner)(nil)
	if slow != nil {
		sender = w.carrier(g, slow)
	}
	if sender == nil {
		return
	}
	w.Did("takes nothing, while others multicast,", slow.n.Self, view.Member{})
	slow.throttle(true)
	taken := len(sender.mine)
	for i := 0; i < slowMessages && sender.waits > w.Now && !w.Over(); i++ {
		sender.multicast(order.FIFO, slowSize)
		sender.n.after()
		w.Until(w.Now + 500*time.Microsecond)
	}
	w.Until(w.Now + slowFor)
	sender.multicast(order.FIFO, slowSize)
	sender.n.after()
	if !w.Over() && sender.waits < w.Now {
		sender.hear(group.Fact{Kind: group.Refused, Since: w.Now - sender.waits, Peer: slow.n.Self})
	}
	room := slowWindows * max(w.opt.groups[g].Window, windowDefault) * wire.FrameMax
	sender.hear(group.Fact{
		Kind: group.Used, Name: "bytes under way to one that takes nothing", Value: uint64((len(sender.mine) - taken) * slowSize),
		Limit: uint64(room + w.opt.groups[g].QueueMax),
	})
	status := sender.group.Status(w.Read(&sender.n.Host))
	sender.hear(group.Fact{
		Kind: group.Used, Name: "bytes that wait", Value: uint64(status.Queued), Limit: uint64(w.opt.groups[g].QueueMax),
	})
	slow.throttle(false)
	slow.n.after()
	for bound := w.Now + calmMost; w.Now < bound && !w.Over() && !w.delivered(); {
		w.Until(w.Now + pollEvery)
	}
}

// probe lets all multicast once more, in every order; or one once more, of which nothing
// arrives the first time and after which nothing comes.
func (w *cohorts) probe() {
	if w.opt.probes {
		for _, n := range w.nodes {
			for _, o := range n.owners {
				o.probe()
			}
		}
		return
	}
	o := w.carrier(0, nil)
	if o == nil {
		return
	}
	cut := func(cut bool) {
		for _, other := range w.nodes {
			if other != o.n {
				w.Sever(o.n.Self.ID, other.Self.ID, 0, false, cut)
			}
		}
	}
	w.Until(w.Now + time.Second) // until the others know that all came
	w.Did("multicasts for the last time, and nothing arrives", o.n.Self, view.Member{})
	cut(true)
	o.multicast(order.FIFO, 1+w.Rng.IntN(100))
	o.n.after()
	w.Until(w.Now + 2*time.Millisecond)
	cut(false)
}

// carrier draws an owner in a view that has messages, another than one.
func (w *cohorts) carrier(g int, other *owner) *owner {
	first := w.Rng.IntN(len(w.nodes))
	for i := range w.nodes {
		n := w.nodes[(first+i)%len(w.nodes)]
		if o := n.owners[g]; o != other && o.view != nil && o.willing && !n.witness {
			return o
		}
	}
	return nil
}

package cohort

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/cast"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Multicast sends a message to the group, itself included. Messages are numbered from 1,
// anew each time the group is joined. It reports false, and nothing is sent, if the
// queue is full, the message too long, the order not valid, or the group was left.
//
// A message belongs to the view in which it leaves the queue; during a view change it
// waits for the next one.
func (g *Group) Multicast(now time.Time, o order.Order, payload []byte, out *Output) (number uint64, ok bool) {
	now = g.node.begin(now)
	if g.over || g.leaving || g.witness || !o.Valid() || len(payload) > g.Room() {
		return 0, false
	}
	number = g.own.next()
	if (g.queue.empty() || canary == QueueJumps) && g.fits(len(payload)) {
		g.send(now, number, o, payload)
	} else {
		g.queue.push(number, o, payload)
	}
	return number, true
}

// Fits says whether Multicast would send a message of this size at once: the queue is
// empty and the window has room. An owner with a queue of its own asks first and keeps the
// message if it does not fit; whoever holds it up is told as if it were in the queue here.
func (g *Group) Fits(size int) bool {
	g.wanting, g.wanted = !g.queue.empty() || !g.fits(size), size
	return !g.wanting
}

// Room is how many bytes a message may have that Multicast takes now.
func (g *Group) Room() int {
	if canary == Greedy {
		return g.cfg.MessageMax
	}
	return min(g.cfg.MessageMax, g.queue.room())
}

// fits says whether a message of this size goes into the window.
func (g *Group) fits(size int) bool {
	return g.current != nil && g.streams.Room() >= size+order.HeaderMax
}

func (g *Group) send(now time.Time, number uint64, o order.Order, payload []byte) {
	g.lead = g.orders.Encode(g.lead[:0], o, number, nil)
	var flags cast.Flags
	if o&(order.FIFO|order.Total) == 0 {
		flags |= cast.Early
	}
	if o&order.Uniform != 0 || o&order.Total != 0 && g.cfg.Engine == order.Lamport {
		flags |= cast.Urgent
	}
	g.streams.Submit(now, g.lead, payload, flags, &g.streamed)
}

// order hands the records that the streams brought to the orders.
func (g *Group) order(now time.Time) {
	for _, r := range g.streamed.Records {
		g.orders.Receive(now, r.Rank, r.First, r.Last, r.Early, r.Data, r.More, &g.ordered)
	}
	g.streamed.Records = g.streamed.Records[:0]
	g.checkFill(now)
}

// settle lets streams and orders talk until both are done.
func (g *Group) settle(now time.Time) {
	if !g.carries() {
		return
	}
	for range roundsMax {
		for !g.queue.empty() && g.fits(len(g.queue.head().payload)) {
			w := g.queue.head()
			g.send(now, w.number, w.order, w.payload)
			g.queue.pop()
		}
		g.order(now)
		for rank := range g.current.Seats {
			if n := g.streams.Agreed(rank); n != g.agreed[rank] {
				g.agreed[rank] = n
				g.orders.Agreed(rank, n)
			}
		}
		g.orders.Stall(g.streams.ControlRoom() < order.ControlMax)
		g.orders.Step(now, &g.ordered)
		g.deliver(false)
		if len(g.ordered.Submit) == 0 && len(g.streamed.Records) == 0 {
			break
		}
		g.control(now)
	}
	if !g.hold.pinned {
		for rank := range g.current.Seats {
			g.streams.Release(rank, g.orders.Released(rank))
		}
	}
}

// control puts the records of the orders into this member's stream.
func (g *Group) control(now time.Time) {
	flags := cast.Control
	if g.ordered.Urgent {
		flags |= cast.Urgent
	}
	for _, r := range g.ordered.Submit {
		g.streams.Submit(now, r, nil, flags, &g.streamed)
	}
	g.ordered.Reset()
}

// deliver passes on what the orders have delivered. With copied, the payloads get memory of
// their own, since the streams end.
func (g *Group) deliver(copied bool) {
	for i := range g.ordered.Deliver {
		d := &g.ordered.Deliver[i]
		if d.From == g.node.cfg.Self {
			g.own.deliver(d.Number)
		}
		e := Delivery{Kind: Message, From: d.From, Number: d.Number, Order: d.Order, Payload: d.Payload, More: d.More}
		if copied {
			e.keep()
		}
		g.emitMessage(e, copied)
	}
	g.ordered.Deliver = g.ordered.Deliver[:0]
}

// flush ends a step of this group.
func (g *Group) flush(now time.Time, out *Output) {
	g.release()
	if g.hold.empty() && !g.anew.rests(now) {
		g.members.Rest(now, false, &g.told)
		g.obey(now)
	}
	g.settle(now)
	g.tryLeave(now)
	g.noteSlow(now)
	if g.carries() {
		g.streams.Flush(now, &g.streamed)
	}
	g.noteRoom()
	out.Send = append(out.Send, g.told.Send...)
	g.node.route(g.streamed.Send)
	out.Send = append(out.Send, g.streamed.Send...)
	out.Send = append(out.Send, g.moved.Send...)
	if len(out.Deliver) == 0 { // as a rule: tens of thousands may have waited for one word
		out.Deliver, g.ready = g.ready, out.Deliver
	} else {
		out.Deliver = append(out.Deliver, g.ready...)
	}
}

// noteRoom finds out whether what waits for the window has room now. The end of a step may make it, by
// releasing this member's own packets; if all others have done so before, or there are none,
// nothing comes that would begin the next step.
func (g *Group) noteRoom() {
	kept := g.wanting && g.fits(g.wanted)
	g.wanting = g.wanting && !kept // told once: the owner asks again, or has lost interest
	g.again = kept || !g.queue.empty() && g.fits(len(g.queue.head().payload))
}

// noteSlow tells when somebody begins or ceases to hold this member's messages up: a window
// that is full for a moment is nobody's fault. Who has departed is told no more.
func (g *Group) noteSlow(now time.Time) {
	if g.over {
		return
	}
	id := view.Nobody
	if g.carries() && (g.wanting || !g.queue.empty() && canary != Mute) {
		if who, lasts := g.streams.Slowest(); who == g.slow || lasts >= slowAfter {
			id = who
		}
	}
	if id != g.slow {
		g.slow = id
		g.emit(Delivery{Kind: Slow, Peer: id})
	}
}

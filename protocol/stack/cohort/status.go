package cohort

import (
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/cast"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Status is where a group stands at this member, for people.
type Status struct {
	Members group.Status // view, view change, votes
	Streams cast.Stats
	History []Past // views that this member was in, oldest first

	Slow      view.ID       // who holds this member's stream up; Nobody if nobody does
	SlowFor   time.Duration // for how long
	Queued    int           // bytes that wait for the window
	Held      int           // deliveries kept back
	HeldBytes int           // of messages among them
	Throttled bool          // since the owner is slow

	Fetching        view.Member   // the donor, while the state is fetched
	Received, Total uint64        // bytes of it; Total is 0 while it is not known
	Serving         []view.Member // who is given the state by this member
}

// Status gives where the group stands.
func (g *Group) Status(now time.Time) Status {
	s := Status{
		Members: g.members.Status(now), Streams: g.streams.Stats(), History: slices.Clone(g.history),
		Queued: g.queue.bytes, Held: len(g.hold.behind) + len(g.hold.slow), HeldBytes: g.hold.bytes(), Throttled: g.throttled, Fetching: g.fetching,
	}
	if g.carries() {
		s.Slow, s.SlowFor = g.streams.Slowest()
	}
	if s.Fetching.Known() {
		s.Received, s.Total = g.state.Progress()
	}
	for i := range g.servings {
		s.Serving = append(s.Serving, g.servings[i].to...)
	}
	return s
}

// Terms is what the members of the group must agree on, in the words of a Refusal.
func (g *Group) Terms() string { return g.cfg.terms() }

// Why tells of each message that is held back, until fn says false.
func (g *Group) Why(fn func(order.Held) bool) {
	if !g.carries() {
		return
	}
	for i := range g.hold.slow {
		d := &g.hold.slow[i]
		if d.Kind == Message && !fn(order.Held{From: d.From, Number: d.Number, Order: d.Order, Reason: order.Throttled, For: g.node.cfg.Self.ID}) {
			return
		}
	}
	g.orders.Held(fn)
}

// Peer is what the failure detector knows of another process.
type Peer struct {
	Candidate
	Life      view.Incarnation // zero if it was never heard
	Suspected bool
	Level     float64       // φ of the present silence: -log10 of the probability that it is only late
	Silence   time.Duration // since it was heard
	Patience  time.Duration // the silence after which it is suspected
	Flaps     float64       // wrong suspicions that are remembered
	Links     []PeerLink    // the first is link 1
}

// PeerLink says which ways of a link work: the peer is heard, the peer hears us.
type PeerLink struct{ Heard, Hears bool }

// Peers tells of all other candidates, in the order of their IDs.
func (n *Node) Peers(now time.Time) []Peer {
	var peers []Peer
	for _, c := range n.cfg.Candidates {
		if c.ID == n.cfg.Self.ID {
			continue
		}
		p := Peer{
			Candidate: c, Level: n.detect.Level(now, c.ID), Silence: n.detect.Silence(now, c.ID),
			Patience: n.detect.Patience(c.ID), Flaps: n.detect.Flaps(c.ID),
		}
		p.Life, p.Suspected = n.detect.Life(c.ID)
		for number := 1; number <= n.cfg.Links; number++ {
			p.Links = append(p.Links, PeerLink{n.detect.LinkHeard(c.ID, uint8(number)), n.detect.LinkHears(c.ID, uint8(number))})
		}
		peers = append(peers, p)
	}
	return peers
}

package driver

import (
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// viewsMax is how many views of a group are remembered for people.
const viewsMax = 32

// history is which views this member was in, and what led to each.
type history struct {
	views []census.View
	seats []view.Seat // of the last
	since map[view.Member]time.Time
	note  string // what happened to this member since
}

func (h *history) last() *census.View {
	if len(h.views) == 0 {
		return nil
	}
	return &h.views[len(h.views)-1]
}

// remember takes what the group tells into its history.
func (g *Group) remember(d *cohort.Delivery) {
	h := &g.history
	switch d.Kind {
	case cohort.Expelled:
		h.note = g.c.nameOf(g.c.cfg.Node.Self.ID) + " was expelled, and came back"
	case cohort.Merging:
		h.note = "two parts of the group became one again"
	case cohort.Viewed:
		g.rememberView(d)
	}
}

func (g *Group) rememberView(d *cohort.Delivery) {
	h := &g.history
	v := g.c.viewStatus(d.View, g.c.time)
	v.Note, h.note = h.note, ""
	g.c.change(&v, d.View)
	peers := make(map[view.ID]cohort.Peer)
	for _, p := range g.c.node.Peers(g.c.time) {
		peers[p.ID] = p
	}
	first := len(h.views) == 0
	for _, s := range h.seats {
		if !d.View.Has(s.Member) {
			v.Gone = append(v.Gone, g.c.gone(s.Member, d.View, peers[s.ID]))
		}
	}
	since := make(map[view.Member]time.Time)
	for _, s := range d.View.Seats {
		at, was := h.since[s.Member]
		if !was {
			at = g.c.time
			v.Came = append(v.Came, census.Turn{Name: g.c.nameOf(s.ID), Why: g.came(s.Member, first)})
		}
		since[s.Member] = at
	}
	h.seats, h.since = d.View.Seats, since
	if len(h.views) == viewsMax {
		h.views = slices.Delete(h.views, 0, 1)
	}
	h.views = append(h.views, v)
}

// came says why a member is new.
func (g *Group) came(m view.Member, first bool) string {
	self := m == g.c.cfg.Node.Self
	for _, s := range g.history.seats {
		if s.ID == m.ID {
			return "restarted, and joined"
		}
	}
	switch {
	case first && self:
		return "joined"
	case first:
		return "there before, or at once"
	case self:
		return "let in again"
	}
	return "joined"
}

// gone says why a member is not in the next view.
func (c *Cohort) gone(m view.Member, next *view.View, p cohort.Peer) census.Turn {
	t := census.Turn{Name: c.nameOf(m.ID)}
	switch {
	case p.Life > m.Incarnation || next.Rank(m.ID) >= 0:
		t.Why = "restarted"
	case p.Suspected || p.Silence > quietHeartbeats*c.cfg.Node.Heartbeat:
		t.Why = "silent for " + census.Age(milliseconds(p.Silence))
	default:
		t.Why, t.Left = "left", true
	}
	return t
}

// quietHeartbeats is how many heartbeats a member that leaves cannot have missed.
const quietHeartbeats = 4

// change tells how a view came about, out of what was traced: the latest installation of
// that epoch, and who was waited for meanwhile.
func (c *Cohort) change(v *census.View, of *view.View) {
	v.Leader = c.nameOf(of.Name.By)
	events := c.journal.changes
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		if e.Kind != trace.ViewInstalled || e.A != v.Epoch || e.B != uint64(len(of.Seats)) {
			continue
		}
		took := time.Duration(e.C) * time.Microsecond
		v.TookMS = milliseconds(took)
		for k := i - 1; k >= 0 && took > 0 && !events[k].At.Before(e.At.Add(-took)); k-- {
			if w := &events[k]; w.Kind == trace.FlushWaited && milliseconds(time.Duration(w.B)*time.Microsecond) > v.WaitedMS {
				v.Waited, v.WaitedMS = c.nameOf(w.Peer), milliseconds(time.Duration(w.B)*time.Microsecond)
			}
		}
		return
	}
}

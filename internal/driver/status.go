package driver

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// heldMax is how many messages that are held back status lists; it counts all.
const heldMax = 100

// Status gives where everything stands, and what follows from it; false if the cohort is closed.
func (c *Cohort) Status() (s census.Status, ok bool) {
	ok = c.Do(func() { s = c.status(now()) })
	s.Judge()
	return s, ok
}

// WriteStatus writes the status as JSON.
func (c *Cohort) WriteStatus(w io.Writer) error {
	s, ok := c.Status()
	if !ok {
		return ErrClosed
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(&s)
}

func (c *Cohort) status(t time.Time) census.Status {
	self := c.cfg.Node.Self
	s := census.Status{
		Version: census.Version, At: t, Cluster: c.cfg.Cluster, Fingerprint: fmt.Sprintf("%08x", c.cfg.Node.Fingerprint),
		Member: c.journal.name(self.ID), ID: uint16(self.ID), Incarnation: uint64(self.Incarnation),
		Members: []census.Member{}, Groups: []census.Group{}, Counters: c.journal.counters(),
	}
	for _, m := range c.cfg.Node.Candidates {
		if m.ID == self.ID {
			s.Votes, s.Witness = int(m.Votes), m.Witness
		}
	}
	for _, p := range c.node.Peers(t) {
		s.Members = append(s.Members, c.memberStatus(&p))
	}
	for _, g := range c.ours {
		if g.place != nil {
			s.Groups = append(s.Groups, g.status(t))
		}
	}
	for _, r := range c.replicas {
		if two, is := r.replica.(interface{ Status() duo.Status }); is {
			s.Groups = append(s.Groups, r.ofTwo(two.Status()))
		} else {
			s.Groups = append(s.Groups, r.status(t))
		}
	}
	if c.cfg.Refusals != nil {
		s.Refusals = c.cfg.Refusals()
	}
	return s
}

func (c *Cohort) memberStatus(p *cohort.Peer) census.Member {
	m := census.Member{
		Name: p.Name, ID: uint16(p.ID), Votes: int(p.Votes), Witness: p.Witness, Incarnation: uint64(p.Life), State: census.Trusted,
		Suspicion: p.Level, SilentMS: milliseconds(p.Silence), PatienceMS: milliseconds(p.Patience), Flaps: p.Flaps,
		Refused: c.identity.Refused(p.ID), Links: []census.Link{},
	}
	for i, l := range p.Links {
		link := census.Link{Heard: l.Heard, Hears: l.Hears}
		if addresses := c.cfg.Addresses[p.ID]; i < len(addresses) {
			link.Address = addresses[i]
		}
		m.Links = append(m.Links, link)
	}
	switch {
	case p.Life == 0:
		m.State, m.SilentMS = census.NeverHeard, 0
	case p.Suspected:
		m.State = census.Suspected
	}
	if d := c.journal.dropped[p.ID]; d != nil {
		m.Dropped = make(map[string]uint64)
		for r, n := range d {
			if n > 0 {
				m.Dropped[wire.Reason(r).String()] = n
			}
		}
	}
	return m
}

func (g *Group) status(t time.Time) census.Group {
	st := g.place.Status(t)
	g.mu.Lock()
	refused := g.notes.refused
	g.mu.Unlock()
	s := census.Group{
		Name: g.cfg.Group.Name, Terms: g.place.Terms(), All: g.cfg.Group.All, State: stateNames[st.Members.State],
		Seats: []census.Seat{}, Views: []census.View{},
		Votes: st.Members.Votes, Needed: st.Members.Needed, Blocked: st.Members.Blocked, Refused: refused,
		Slow: g.c.nameOf(st.Slow), SlowMS: milliseconds(st.SlowFor), Throttled: st.Throttled,
		Queued: st.Queued + int(g.submits.queued.Load()), Received: st.Received, Total: st.Total,
	}
	if v := st.Members.View; v != nil {
		now := g.c.viewStatus(v, time.Time{})
		if last := g.history.last(); last != nil && last.Name == now.Name {
			now = *last
		}
		s.View = &now
		for i := range v.Seats {
			s.Seats = append(s.Seats, g.seatStatus(&v.Seats[i]))
		}
	}
	s.Views = append(s.Views, g.history.views...)
	if m := &st.Members; m.Frozen || m.Stage != 0 {
		s.Change = &census.Flush{Stage: stageNames[m.Stage], Waits: []string{}}
		if !m.Since.IsZero() {
			s.Change.SinceMS = milliseconds(t.Sub(m.Since))
		}
		for _, id := range m.Waits {
			s.Change.Waits = append(s.Change.Waits, g.c.nameOf(id))
		}
	}
	for _, m := range st.Streams.Members {
		if behind := st.Streams.Last - min(m.Received, st.Streams.Last); behind > 0 && m.ID != g.c.cfg.Node.Self.ID && !g.c.isWitness(m.ID) {
			s.Lag = append(s.Lag, census.Lag{Name: g.c.nameOf(m.ID), Packets: behind})
		}
	}
	if st.Fetching.Known() {
		s.Fetching = g.c.nameOf(st.Fetching.ID)
	}
	for _, r := range st.Members.Refuses {
		theirs, ours := difference(r.Terms, s.Terms)
		s.Refuses = append(s.Refuses, census.Turn{Name: g.c.nameOf(r.ID), Why: fmt.Sprintf("there the group is %q, and here %q; make them equal", theirs, ours)})
	}
	for _, m := range st.Serving {
		s.Serving = append(s.Serving, g.c.nameOf(m.ID))
	}
	g.place.Why(func(h order.Held) bool {
		if s.HeldCount++; s.HeldCount <= heldMax {
			s.Held = append(s.Held, census.Held{
				From: g.c.nameOf(h.From.ID), Number: h.Number, Reason: h.Reason.String(), For: g.c.nameOf(h.For), Message: h.Message,
			})
		}
		return true
	})
	return s
}

var (
	stateNames = [...]string{group.Idle: "idle", group.Asking: "asking", group.In: "in", group.Leaving: "leaving"}
	stageNames = [...]string{0: "following", group.Collecting: "collecting", group.Filling: "filling", group.Proposing: "proposing"}
)

func (c *Cohort) viewStatus(v *view.View, at time.Time) census.View {
	s := census.View{Epoch: uint64(v.Name.Epoch), Name: v.Name.String(), At: at}
	for i := range v.Seats {
		s.Members = append(s.Members, c.nameOf(v.Seats[i].ID))
	}
	return s
}

func (g *Group) seatStatus(s *view.Seat) census.Seat {
	return census.Seat{
		Name: g.c.nameOf(s.ID), ID: uint16(s.ID), Incarnation: uint64(s.Incarnation),
		Votes: int(s.Votes), Witness: s.Witness, Since: g.history.since[s.Member],
	}
}

func (c *Cohort) isWitness(id view.ID) bool {
	return slices.ContainsFunc(c.cfg.Node.Candidates, func(m cohort.Candidate) bool { return m.ID == id && m.Witness })
}

// nameOf gives a member's name; "" for nobody.
func (c *Cohort) nameOf(id view.ID) string {
	if id == view.Nobody {
		return ""
	}
	return c.journal.name(id)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

package driver

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// statusVersion changes when a field gets another meaning or goes; new ones may come.
const statusVersion = 1

// heldMax is how many messages that are held back status lists; it counts all.
const heldMax = 100

// Status is what a cohort knows of itself and the others, as plain values. Members are
// given by name, times of waiting in milliseconds.
type Status struct {
	Version     int            `json:"version"`
	At          time.Time      `json:"at"`
	Cluster     string         `json:"cluster"`
	Fingerprint string         `json:"fingerprint"`
	Member      string         `json:"member"`
	Incarnation uint64         `json:"incarnation"`
	Members     []MemberStatus `json:"members"` // the others
	Groups      []GroupStatus  `json:"groups"`
	Refusals    []Refusal      `json:"refusals,omitempty"` // by the transport
}

// MemberStatus is what is known of another member.
type MemberStatus struct {
	Name        string            `json:"name"`
	Votes       int               `json:"votes"`
	Witness     bool              `json:"witness,omitempty"`
	Incarnation uint64            `json:"incarnation,omitempty"`
	State       string            `json:"state"`     // never heard, trusted, suspected
	Suspicion   float64           `json:"suspicion"` // φ: -log10 of the probability that it is only late
	SilentMS    float64           `json:"silent_ms"`
	PatienceMS  float64           `json:"patience_ms"` // the silence after which it is suspected
	Flaps       float64           `json:"flaps,omitempty"`
	Links       []LinkStatus      `json:"links"`
	Refused     string            `json:"refused,omitempty"` // why it cannot be spoken with
	Dropped     map[string]uint64 `json:"dropped,omitempty"` // its frames, by reason
}

// LinkStatus says which ways of a link to a member work.
type LinkStatus struct {
	Heard bool `json:"heard"` // the member is heard
	Hears bool `json:"hears"` // it says that it hears this one
}

// GroupStatus is where a group stands.
type GroupStatus struct {
	Name      string       `json:"name"`
	State     string       `json:"state"` // asking, in, leaving, idle
	View      *ViewStatus  `json:"view,omitempty"`
	Views     []ViewStatus `json:"views"` // that this member was in, oldest first
	Votes     int          `json:"votes"` // that are heard
	Needed    int          `json:"needed"`
	Blocked   bool         `json:"blocked,omitempty"`
	Refused   string       `json:"refused,omitempty"`
	Change    *FlushStatus `json:"change,omitempty"`
	Slow      string       `json:"slow,omitempty"` // who holds this member's messages up
	SlowMS    float64      `json:"slow_ms,omitempty"`
	Throttled bool         `json:"throttled,omitempty"` // the application does not ask for its events
	Queued    int          `json:"queued"`              // bytes that wait to be sent
	Held      []HeldStatus `json:"held,omitempty"`      // the first 100
	HeldCount int          `json:"held_count"`
	Serving   []string     `json:"serving,omitempty"`  // who is given the state
	Fetching  string       `json:"fetching,omitempty"` // who gives it
	Received  uint64       `json:"received,omitempty"` // bytes of it
	Total     uint64       `json:"total,omitempty"`
}

// ViewStatus is a view.
type ViewStatus struct {
	Epoch   uint64    `json:"epoch"`
	Name    string    `json:"name"`
	Members []string  `json:"members"`
	At      time.Time `json:"at,omitzero"`
}

// FlushStatus is a view change that goes on.
type FlushStatus struct {
	Stage   string   `json:"stage"` // collecting, filling, proposing; following if another member leads it
	SinceMS float64  `json:"since_ms"`
	Waits   []string `json:"waits"` // for whom; the leader if it is another member
}

// HeldStatus is a message that is held back.
type HeldStatus struct {
	From    string `json:"from"`
	Number  uint64 `json:"number"`
	Reason  string `json:"reason"`            // order.Wait in words
	For     string `json:"for"`               // for whom it waits
	Message uint64 `json:"message,omitempty"` // and for which message of that member
}

// Status gives where everything stands; false if the cohort is closed.
func (c *Cohort) Status() (s Status, ok bool) {
	ok = c.Do(func() { s = c.status(now()) })
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

func (c *Cohort) status(t time.Time) Status {
	self := c.cfg.Node.Self
	s := Status{
		Version: statusVersion, At: t, Cluster: c.cfg.Cluster, Fingerprint: fmt.Sprintf("%08x", c.cfg.Node.Fingerprint),
		Member: c.journal.name(self.ID), Incarnation: uint64(self.Incarnation), Groups: []GroupStatus{},
	}
	for _, p := range c.node.Peers(t) {
		s.Members = append(s.Members, c.memberStatus(&p))
	}
	for _, g := range c.ours {
		if g.place != nil {
			s.Groups = append(s.Groups, g.status(t))
		}
	}
	if c.cfg.Refusals != nil {
		s.Refusals = c.cfg.Refusals()
	}
	return s
}

func (c *Cohort) memberStatus(p *cohort.Peer) MemberStatus {
	m := MemberStatus{
		Name: p.Name, Votes: int(p.Votes), Witness: p.Witness, Incarnation: uint64(p.Life), State: "trusted",
		Suspicion: p.Level, SilentMS: milliseconds(p.Silence), PatienceMS: milliseconds(p.Patience), Flaps: p.Flaps,
		Refused: c.identity.Refused(p.ID),
	}
	for _, l := range p.Links {
		m.Links = append(m.Links, LinkStatus(l))
	}
	switch {
	case p.Life == 0:
		m.State = "never heard"
	case p.Suspected:
		m.State = "suspected"
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

func (g *Group) status(t time.Time) GroupStatus {
	st := g.place.Status(t)
	g.mu.Lock()
	refused := g.notes.refused
	g.mu.Unlock()
	s := GroupStatus{
		Name: g.cfg.Group.Name, State: stateNames[st.Members.State], Views: []ViewStatus{},
		Votes: st.Members.Votes, Needed: st.Members.Needed, Blocked: st.Members.Blocked, Refused: refused,
		Slow: g.c.nameOf(st.Slow), SlowMS: milliseconds(st.SlowFor), Throttled: st.Throttled,
		Queued: st.Queued + int(g.submits.queued.Load()), Received: st.Received, Total: st.Total,
	}
	if v := st.Members.View; v != nil {
		now := g.c.viewStatus(v, time.Time{})
		s.View = &now
	}
	for _, p := range st.History {
		s.Views = append(s.Views, g.c.viewStatus(p.View, p.At))
	}
	if m := &st.Members; m.Frozen || m.Stage != 0 {
		s.Change = &FlushStatus{Stage: stageNames[m.Stage], Waits: []string{}}
		if !m.Since.IsZero() {
			s.Change.SinceMS = milliseconds(t.Sub(m.Since))
		}
		for _, id := range m.Waits {
			s.Change.Waits = append(s.Change.Waits, g.c.nameOf(id))
		}
	}
	if st.Fetching.Known() {
		s.Fetching = g.c.nameOf(st.Fetching.ID)
	}
	for _, m := range st.Serving {
		s.Serving = append(s.Serving, g.c.nameOf(m.ID))
	}
	g.place.Why(func(h order.Held) bool {
		if s.HeldCount++; s.HeldCount <= heldMax {
			s.Held = append(s.Held, HeldStatus{
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

func (c *Cohort) viewStatus(v *view.View, at time.Time) ViewStatus {
	s := ViewStatus{Epoch: uint64(v.Name.Epoch), Name: v.Name.String(), At: at}
	for i := range v.Seats {
		s.Members = append(s.Members, c.nameOf(v.Seats[i].ID))
	}
	return s
}

// nameOf gives a member's name; "" for nobody.
func (c *Cohort) nameOf(id view.ID) string {
	if id == view.Nobody {
		return ""
	}
	return c.journal.name(id)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

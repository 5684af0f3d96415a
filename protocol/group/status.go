package group

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Status is where a member stands, for people.
type Status struct {
	State   State
	View    *view.View // nil: in none
	Frozen  bool       // a view change is going on
	Since   time.Time  // since when
	Ballot  Ballot     // which it takes part in
	Stage   Stage      // how far it is, if this member leads it; else 0
	Waits   []view.ID  // whom it waits for, if this member leads it; else who leads
	Blocked bool       // the votes do not suffice
	Votes   int        // of the view's seats that are heard
	Needed  int
	Refuses []Refusal // who asks to be let in under other terms
}

// Refusal is one who is not let in, and the terms under which it asks.
type Refusal struct {
	ID    view.ID
	Terms string
}

// Status gives where this member stands.
func (m *Machine) Status(now time.Time) Status {
	s := Status{State: m.state, View: m.current, Frozen: m.frozen, Blocked: m.blocked, Ballot: m.promised, Needed: m.base().Quorum()}
	if m.frozen {
		s.Since = m.began
	}
	for _, seat := range m.base().Seats {
		if m.state != Idle && m.present(now, seat) {
			s.Votes += int(seat.Votes)
		}
	}
	for i := range m.peers {
		if p := &m.peers[i]; i != m.self && m.recent(now, i) && p.pulse.state == Asking && p.pulse.oldTerms {
			s.Refuses = append(s.Refuses, Refusal{p.seat.ID, p.terms})
		}
	}
	switch {
	case m.change.active:
		s.Stage, s.Waits = m.change.stage, m.waiting(now)
	case m.frozen:
		s.Waits = []view.ID{m.promised.By}
	}
	return s
}

// Past is what a later membership in this group, in the same life, must know of this one.
func (m *Machine) Past() Past {
	return Past{Floor: m.floor, Ended: m.ended, Serial: m.serial, Last: m.lastWay, All: m.cfg.All}
}

// View is the present view, or nil.
func (m *Machine) View() *view.View { return m.current }

// State is where this member stands.
func (m *Machine) State() State { return m.state }

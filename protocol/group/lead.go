package group

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// present says whether a seat of the base is worth waiting for: its life is heard, goes our
// way and does its part.
func (m *Machine) present(now time.Time, s view.Seat) bool {
	i := m.index(s.ID)
	if i == m.self {
		return true
	}
	if i < 0 {
		return false
	}
	p := &m.peers[i]
	if m.current == nil {
		return m.recent(now, i) && p.pulse.state == Asking && !p.pulse.oldTerms && !p.shunned.After(now) && m.founds(now, &p.pulse)
	}
	return p.trusted && p.life == s.Member && !p.apart && !p.shunned.After(now)
}

// alone says whether it is certain that nobody but some, this member among them, can have a
// view as late as this one: all candidates are heard, and the others are outside and know
// of no later one. The lives that they had before are over.
func (m *Machine) alone(now time.Time, some func(candidate int) bool) bool {
	if m.current == nil {
		return false
	}
	for i := range m.peers {
		p := &m.peers[i]
		if i == m.self || some(i) {
			continue
		}
		knows, out := m.outsider(now, i)
		if !out || m.current.Name.Less(knows) || m.current.Has(p.life) && !p.apart {
			return false
		}
	}
	return true
}

// leader is who ought to propose: the most senior seat that is present.
func (m *Machine) leader(now time.Time) view.ID {
	for _, s := range m.base().Seats {
		if m.present(now, s) {
			return s.ID
		}
	}
	return m.cfg.Self.ID
}

// lead begins a view change if there is a reason and it is this member's turn, and carries
// on with the one that it leads.
func (m *Machine) lead(now time.Time, out *Output) {
	if m.state == Idle || m.rests() {
		return
	}
	if m.change.active && m.current == nil && m.change.stage == Collecting && !m.mayFound(now) {
		m.change.active, m.frozen = false, false // somebody has a view, or too few are left
	}
	if m.change.active {
		m.advance(now, out)
		return
	}
	if m.frozen && m.current == nil && !m.mayFound(now) {
		return
	}
	if m.frozen {
		m.follow(now, out)
		// Somebody else leads, or led. The leader's patience is one; the others' are longer.
		patience := m.cfg.Patience
		if m.leader(now) != m.cfg.Self.ID {
			patience *= time.Duration(followPatiences + 2*m.base().Rank(m.cfg.Self.ID))
		}
		lost := m.index(m.promised.By)
		over := lost < 0 || !m.present(now, m.seatOf(lost))
		if canary != NoPatience && (now.Sub(m.staged) > patience || over && m.leader(now) == m.cfg.Self.ID) {
			m.start(now, out)
		}
		return
	}
	if m.leader(now) == m.cfg.Self.ID && m.reason(now) {
		m.start(now, out)
	}
}

// seatOf is a candidate's seat in the base; that of nobody if it has none.
func (m *Machine) seatOf(i int) view.Seat {
	if r := m.base().Rank(m.peers[i].seat.ID); r >= 0 {
		return m.base().Seats[r]
	}
	return view.Seat{}
}

// follow sees to it that who takes part in another's ballot is told, too, if those whom it
// hears do not have the votes.
func (m *Machine) follow(now time.Time, out *Output) {
	if m.cfg.All || m.blocked || m.current == nil || now.Sub(m.began) < m.cfg.Patience/healShare {
		return
	}
	votes := 0
	var missing []view.Member
	for _, s := range m.current.Seats {
		if m.present(now, s) {
			votes += int(s.Votes)
		} else {
			missing = append(missing, s.Member)
		}
	}
	heard := func(i int) bool {
		s := m.seatOf(i)
		return s.ID != view.Nobody && m.present(now, s)
	}
	if votes < m.current.Quorum() && !m.alone(now, heard) {
		m.block(now, votes, missing, out)
	}
}

// block tells, once, that the votes do not suffice.
func (m *Machine) block(now time.Time, votes int, missing []view.Member, out *Output) {
	if m.blocked || m.current == nil {
		return
	}
	m.blocked = true
	m.record(now, trace.Blocked, view.Nobody, uint64(votes), uint64(m.base().Quorum()), 0)
	out.Do = append(out.Do, Command{Verb: Block, Missing: missing})
}

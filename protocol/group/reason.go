package group

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// reason says whether the base should end.
func (m *Machine) reason(now time.Time) bool {
	if m.current == nil {
		return m.mayFound(now)
	}
	if m.state == Leaving || m.better(now) >= 0 {
		return true
	}
	for _, s := range m.current.Seats {
		if !m.present(now, s) || m.leaves(s) || m.accused(now, s) {
			return true
		}
	}
	for i := range m.peers {
		if m.admits(now, i) {
			return true
		}
	}
	return false
}

// mayFound says whether a process outside may try to found the group: it has listened for
// a while, nobody is in a view, and enough are outside with it.
func (m *Machine) mayFound(now time.Time) bool {
	own := m.ownPulse()
	if now.Sub(m.asked) < foundPulses*m.cfg.Pulse || !m.founds(now, &own) {
		return false
	}
	if m.cfg.Durable && !m.stands && !m.witness() {
		return false
	}
	votes := 0
	for i, s := range m.void.Seats {
		if m.recent(now, i) && (m.peers[i].pulse.state == In || m.peers[i].pulse.state == Leaving) {
			return false
		}
		if m.present(now, s) {
			votes += int(s.Votes)
		}
	}
	if m.cfg.Durable && !m.enough(func(i int) (Standing, bool) { return m.seems(now, i) }) {
		return false
	}
	return m.cfg.All || votes >= m.void.Quorum()
}

// leaves says whether a seat wants to be let out.
func (m *Machine) leaves(s view.Seat) bool {
	i := m.index(s.ID)
	if i == m.self {
		return m.state == Leaving
	}
	p := &m.peers[i]
	return p.life == s.Member && p.heard && p.pulse.state == Leaving
}

// admits says whether a candidate asks and may come in: it and those who are inside must
// trust each other, or it would have to go at once.
func (m *Machine) admits(now time.Time, i int) bool {
	p := &m.peers[i]
	if i == m.self || !m.recent(now, i) || p.pulse.state != Asking || p.pulse.oldTerms || p.shunned.After(now) {
		return false
	}
	if m.cfg.Durable && p.pulse.fence > m.era {
		return false
	}
	if m.current.Has(p.life) && !p.apart {
		return false // its commit is on the way
	}
	for _, s := range m.current.Seats {
		j := m.index(s.ID)
		if j == i || !m.present(now, s) {
			continue
		}
		if p.accuses&(1<<j) != 0 || j != m.self && m.peers[j].heard && m.peers[j].accuses&(1<<i) != 0 {
			return false
		}
	}
	return true
}

// accused says whether a seat has to go because another, more senior one has not heard it
// for long while this member hears both: one of the two cannot stay.
func (m *Machine) accused(now time.Time, s view.Seat) bool {
	rank := m.current.Rank(s.ID)
	i := m.index(s.ID)
	for r, other := range m.current.Seats {
		j := m.index(other.ID)
		if r == rank || i == m.self {
			continue
		}
		lasts := func(p *peer, whom int) bool {
			return p.heard && p.accuses&(1<<whom) != 0 && now.Sub(p.since) > accusePatiences*m.cfg.Patience
		}
		if !m.present(now, other) {
			continue
		}
		// A complaint between two concerns the junior of them, whoever complains.
		if r < rank && (j != m.self && lasts(&m.peers[j], i) || lasts(&m.peers[i], j)) {
			return true
		}
	}
	return false
}

// better is a candidate in a component that this one should join, or -1.
func (m *Machine) better(now time.Time) int {
	if !m.cfg.All || m.current == nil {
		return -1
	}
	for i := range m.peers {
		p := &m.peers[i]
		if i != m.self && m.recent(now, i) && p.pulse.state == In && !p.pulse.frozen && !p.pulse.oldTerms &&
			!m.current.Has(p.life) && m.current.Name.Less(p.pulse.name) {
			return i
		}
	}
	return -1
}

// seems is what a candidate that could found a durable group with this one says of its disk in
// its pulses, in so far as they do.
func (m *Machine) seems(now time.Time, i int) (Standing, bool) {
	if i == m.self {
		return m.standing, true
	}
	if !m.present(now, m.void.Seats[i]) {
		return Standing{}, false
	}
	s := Standing{}
	if m.peers[i].pulse.remembers {
		s.Promise = 1
	}
	return s, true
}

// witness says whether this member has a vote and no state.
func (m *Machine) witness() bool { return m.peers[m.self].seat.Witness }

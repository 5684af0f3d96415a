package takeover

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// contest makes sure that of several who hold the addresses, or are about to, one
// stays. Whoever hears the other decides from the heartbeat alone, so both decide alike.
func (m *Machine) contest(now time.Time, out *Output) {
	for i := range m.peers {
		p := &m.peers[i]
		switch m.role {
		case Promoting:
			switch {
			case !m.authorised:
			case p.claims(): // it lives and keeps the addresses: we have not got them yet
				m.yield(now, Withdrawn, out)
			case p.alive && p.said.role == Promoting && m.loses(p):
				m.yield(now, Contest, out)
			}
		case Active, Draining:
			m.meet(now, p, out)
		}
	}
	if m.role == Active {
		m.renew(now, out)
	}
}

// meet looks at one peer while we are active.
func (m *Machine) meet(now time.Time, p *peer, out *Output) {
	if !p.claims() {
		if p.contested {
			p.contested = false
			m.reannounce(now, out)
		}
		if m.overheard(p) {
			m.yield(now, Contest, out)
		}
		return
	}
	if !p.contested {
		p.contested = true
		m.note(now, trace.Contested, p.id, uint64(m.epoch), uint64(p.said.epoch))
	}
	switch {
	case canary == Stubborn:
	case m.loses(p):
		m.yield(now, Contest, out)
	case !p.deafSince.IsZero() && now.Sub(p.deafSince) >= m.patience():
		// It will never yield to somebody it does not hear, so we must.
		m.yield(now, Unheard, out)
	}
}

// loses says whether the peer's epoch goes before ours. The order is total: it ends
// with priority and ID for members whose configurations differ.
func (m *Machine) loses(p *peer) bool {
	if p.said.epoch != m.epoch {
		return p.said.epoch > m.epoch
	}
	return better(p.said.priority, p.id, m.priority, m.cfg.Self.ID)
}

// overheard says whether a standby follows an active of a later epoch that we do not
// hear ourselves.
func (m *Machine) overheard(p *peer) bool {
	if !p.hearsUs() || p.said.role != Standby || p.said.epoch <= m.epoch {
		return false
	}
	q := m.peer(p.said.active)
	return q != nil && q != p && !q.alive && !q.gone
}

// reannounce tells the neighbours at once, and in a new burst, where the addresses are:
// somebody else has just told them otherwise.
func (m *Machine) reannounce(now time.Time, out *Output) {
	if !m.holding {
		return
	}
	m.raisedAt, m.announceAt = now, now.Add(announceAfter[0])
	m.command(out, Announce, Contest)
}

// renew moves an uncontested active into a new epoch when a later one than its own
// turned up, from a former life or another's attempt: old epochs lose everywhere, so
// an active must not be left in one. The addresses are held throughout.
func (m *Machine) renew(now time.Time, out *Output) {
	late := m.raised > m.epoch && !m.renewing && !m.stopping
	for i := range m.peers {
		p := &m.peers[i]
		// Whoever raised in that epoch may be about to be heard, at first from others.
		late = late && !p.claims() &&
			(!p.alive || p.said.active == view.Nobody || p.said.active == m.cfg.Self.ID)
	}
	switch {
	case !late:
		m.lateSince = time.Time{}
		return
	case m.lateSince.IsZero():
		m.lateSince = now
		return
	case now.Sub(m.lateSince) < m.patience():
		return
	}
	m.epoch = m.next(m.cfg.Self.ID)
	m.begun = m.epoch
	m.highest, m.raised = max(m.highest, m.epoch), max(m.raised, m.epoch)
	m.committed, m.renewing, m.urgent = false, true, true
	m.note(now, trace.Promoting, view.Nobody, uint64(m.epoch), uint64(Renewal))
	m.command(out, Commit, Renewal)
}

package takeover

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// link is one way of hearing a peer.
type link struct {
	heard    bool
	last     time.Time
	sequence uint64
}

// peer is what the machine knows of another member, in that member's present life.
type peer struct {
	id    view.ID
	life  view.Incarnation // zero: never heard
	alive bool
	gone  bool // it said goodbye in this life

	said      message   // the newest heartbeat; believed only while alive
	roleSince time.Time // since when it has said its role
	deafSince time.Time // since when it has been active without hearing us; zero: is not

	last   time.Time
	links  [linksMax]link
	graced bool // nothing was heard since it was given time because we were paused

	proven    bool // it has confirmed all our state
	contested bool // it is active as well as we are
}

func (p *peer) member() view.Member { return view.Member{ID: p.id, Incarnation: p.life} }

// claims says whether the peer lives and holds the addresses by its own account.
func (p *peer) claims() bool { return p.alive && p.said.claims() }

// hearsUs says whether the peer lives and hears us on some link.
func (p *peer) hearsUs() bool { return p.alive && p.said.hears != 0 }

// ready says whether a handover to the peer can be expected to work now.
func (p *peer) ready() bool {
	return p.hearsUs() && p.said.role == Standby && p.said.is(flagHealthy) && p.said.is(flagSynced)
}

// echo is what we tell the peer about hearing it.
func (p *peer) echo() (hears uint8, heard view.Incarnation) {
	for i := range p.links {
		if p.links[i].heard {
			hears |= 1 << i
			heard = p.life
		}
	}
	return hears, heard
}

func (m *Machine) peer(id view.ID) *peer {
	for i := range m.peers {
		if m.peers[i].id == id {
			return &m.peers[i]
		}
	}
	return nil
}

// Receive takes a heartbeat that came over a link: the payload of a frame whose
// channel is wire.Takeover. from is who sent it, in which life, as the transport
// proved it. Anything that is not a heartbeat that counts is dropped and counted.
func (m *Machine) Receive(now time.Time, from view.Member, linkNumber uint8, payload []byte, out *Output) {
	if !m.running() {
		return
	}
	p := m.peer(from.ID)
	if p == nil || from.Incarnation == 0 {
		m.drop(now, view.Nobody, wire.UnknownSender)
		return
	}
	said, ok := parse(payload, m.cfg.Links)
	switch {
	case !ok || linkNumber == 0 || int(linkNumber) > m.cfg.Links,
		said.claims() && said.active != from.ID:
		m.drop(now, from.ID, wire.Malformed)
		return
	case from.Incarnation < p.life:
		m.drop(now, from.ID, wire.OldIncarnation)
		return
	case said.heard != 0 && said.heard != m.cfg.Self.Incarnation:
		m.drop(now, from.ID, wire.WrongDestination)
		return
	}
	if from.Incarnation > p.life {
		m.born(now, p, from.Incarnation)
	}
	if p.gone {
		return // the goodbye is said several times
	}
	l := &p.links[linkNumber-1]
	if said.sequence <= l.sequence {
		m.drop(now, from.ID, wire.Stale)
		return
	}
	newest := true
	for i := range p.links {
		newest = newest && said.sequence > p.links[i].sequence
	}
	l.sequence, l.last = said.sequence, now
	p.last, p.graced = now, false
	if newest {
		m.listen(now, p, said)
	}
	if p.gone {
		m.lose(now, p)
	} else {
		m.hear(now, p, linkNumber)
	}
	m.settle(now, out)
}

// listen takes over the content of the newest heartbeat.
func (m *Machine) listen(now time.Time, p *peer, said message) {
	if p.said.role != said.role {
		p.roleSince = now
	}
	switch {
	case !said.claims() || said.hears != 0:
		p.deafSince = time.Time{}
	case p.deafSince.IsZero():
		p.deafSince = now
	}
	p.said, p.gone = said, said.is(flagGoodbye)
	m.raised = max(m.raised, said.raised)
	m.highest = max(m.highest, said.raised, said.highest, said.epoch, said.offered)
}

// hear marks a link and its peer as alive.
func (m *Machine) hear(now time.Time, p *peer, number uint8) {
	if l := &p.links[number-1]; !l.heard {
		l.heard = true
		m.note(now, trace.LinkHeard, p.id, uint64(number), 0)
		m.urgent = true // the peer learns that it is heard
	}
	if !p.alive {
		p.alive = true
		m.note(now, trace.PeerHeard, p.id, 0, 0)
		m.changed = true
	}
}

// lose marks a peer as not alive.
func (m *Machine) lose(now time.Time, p *peer) {
	for i := range p.links {
		p.links[i].heard = false
	}
	if p.alive {
		p.alive = false
		m.note(now, trace.PeerSilent, p.id, uint64(now.Sub(p.last).Microseconds()), 0)
		m.changed = true
	}
}

// born begins a peer's new life. What the former one held is gone, so it counts as
// having failed.
func (m *Machine) born(now time.Time, p *peer, life view.Incarnation) {
	m.lose(now, p)
	*p = peer{id: p.id, life: life, contested: p.contested, proven: p.proven}
}

// silence finds links and peers that were not heard for SuspectAfter.
func (m *Machine) silence(now time.Time) {
	for i := range m.peers {
		p := &m.peers[i]
		if !p.alive {
			continue
		}
		heard := false
		for k := range p.links {
			l := &p.links[k]
			if l.heard && now.Sub(l.last) >= m.cfg.SuspectAfter {
				l.heard = false
				m.note(now, trace.LinkSilent, p.id, uint64(k+1), 0)
			}
			heard = heard || l.heard
		}
		if !heard {
			m.lose(now, p)
		}
	}
}

// paused is for having been run too late: what the peers sent in the meantime may
// still lie in our socket, so each gets its full time again. A peer gets it once
// between two of its heartbeats, so pauses however frequent cannot keep a dead one alive.
func (m *Machine) paused(now time.Time, late time.Duration) {
	m.note(now, trace.Paused, view.Nobody, uint64(late.Microseconds()), 0)
	for i := range m.peers {
		p := &m.peers[i]
		if !p.alive || p.graced {
			continue
		}
		p.graced = true
		for k := range p.links {
			if p.links[k].heard {
				p.links[k].last = now
			}
		}
	}
	if m.role == Waiting && !m.waitedLonger {
		m.waitedLonger = true
		m.waitUntil = now.Add(m.patience())
	}
	// If somebody took over meanwhile, its heartbeats are in the socket too: hear
	// them before the neighbours are told anything.
	if !m.announceAt.IsZero() {
		m.announceAt = later(m.announceAt, now.Add(2*m.cfg.Heartbeat))
	}
}

package takeover

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// handover is one that this node gives.
type handover struct {
	to      view.Member
	epoch   view.Epoch // that the successor will act in
	why     Reason
	began   time.Time
	until   time.Time // when it is given up, or the grant is void
	granted bool
}

// Switch begins a planned handover to a member, or to the best one that is ready if
// to is view.Nobody. An error says why it cannot begin; if it begins, Status tells how
// it ends. A standby cannot be made to take: ask the active to give.
func (m *Machine) Switch(now time.Time, to view.ID, out *Output) error {
	switch {
	case m.role == Draining:
		return fmt.Errorf("a handover to %v is under way; wait until it ends", m.handover.to.ID)
	case m.role != Active:
		return fmt.Errorf("this node is %v; only the active can hand over: ask %v", m.role, m.active.ID)
	case m.renewing || m.stopping:
		return errors.New("this node is busy changing its epoch or stopping; try again")
	case to == m.cfg.Self.ID:
		return fmt.Errorf("%v is active already; name another member", to)
	}
	p := m.peer(to)
	switch {
	case to == view.Nobody:
		if p = m.best(true); p == nil {
			return errors.New("no member could take over: none is heard both ways, healthy and synced")
		}
	case p == nil:
		return fmt.Errorf("%v is not a member", to)
	}
	if why := p.unfit(); why != "" {
		return fmt.Errorf("%v cannot take over: %s", p.id, why)
	}
	m.drain(now, p, Requested)
	m.settle(now, out)
	return nil
}

// unfit says why a handover to the peer would fail; "" if it would not.
func (p *peer) unfit() string {
	switch {
	case p.gone:
		return "it was stopped; start it"
	case !p.alive:
		return "it is silent on every link; start it, or mend its links"
	case p.said.hears == 0:
		return "it does not hear this node; mend the links in that direction"
	case p.said.role != Standby:
		return fmt.Sprintf("it is %v, not standby; wait", p.said.role)
	case !p.said.is(flagHealthy):
		return "an interface that it tracks is down; mend that"
	case !p.said.is(flagSynced):
		return "its copy of the state is not complete; wait until it is synced"
	}
	return ""
}

// best is the peer to hand over to; nil if there is none.
func (m *Machine) best(synced bool) *peer {
	var best *peer
	for i := range m.peers {
		p := &m.peers[i]
		if !p.ready() && (synced || !p.hearsUs() || p.said.role != Standby || !p.said.is(flagHealthy)) {
			continue
		}
		if best == nil || p.ready() && !best.ready() ||
			p.ready() == best.ready() && better(p.said.priority, p.id, best.said.priority, best.id) {
			best = p
		}
	}
	return best
}

// drain begins a handover: the successor sees itself named and prepares.
func (m *Machine) drain(now time.Time, p *peer, why Reason) {
	m.handover = handover{to: p.member(), epoch: m.next(p.id), why: why, began: now, until: now.Add(readyMax)}
	m.highest = max(m.highest, m.handover.epoch)
	m.setRole(now, Draining, why)
}

// drive is the handing side: begins a handover that is due, and brings one to its end.
func (m *Machine) drive(now time.Time, out *Output) {
	switch {
	case m.role == Active && !m.renewing && !m.stopping && !now.Before(m.retryAt):
		if p, why := m.due(now); p != nil {
			m.drain(now, p, why)
		}
	case m.role == Draining:
		m.advance(now, out)
	case m.handover.granted:
		p := m.peer(m.handover.to.ID)
		if m.active.ID != view.Nobody || !p.alive || p.life != m.handover.to.Incarnation || !now.Before(m.handover.until) {
			if m.active.ID == view.Nobody {
				m.vacancy, m.vacantSince = TargetLost, now
			}
			m.handover, m.changed, m.urgent = handover{}, true, true
		}
	}
}

// due finds a handover that should be made without anybody asking for it here.
func (m *Machine) due(now time.Time) (*peer, Reason) {
	if m.down > 0 {
		// Part of the traffic is lost anyway, so after a while even an incomplete
		// copy elsewhere is better.
		return m.best(now.Sub(m.unhealthySince) < handoverMax), Unhealthy
	}
	if m.cfg.Preempt {
		for i := range m.peers {
			p := &m.peers[i]
			if p.ready() && p.said.is(flagAsks) && p.said.priority > m.priority {
				return p, Preemption
			}
		}
	}
	return nil, None
}

// advance takes a handover one step further, or back.
func (m *Machine) advance(now time.Time, out *Output) {
	h := &m.handover
	p := m.peer(h.to.ID)
	lowered := !m.holding
	switch {
	case !p.alive || p.life != h.to.Incarnation || !p.said.is(flagHealthy):
		m.keep(now, TargetLost, out)
	case m.highest > h.epoch:
		m.keep(now, Renewal, out)
	case lowered && !now.Before(m.lowerBy):
		m.keep(now, LowerLate, out)
	case !lowered && !now.Before(h.until):
		m.keep(now, TargetLate, out)
	case !lowered && p.said.role == Promoting && p.said.epoch == h.epoch && p.said.is(flagReady) && m.proven(now, p):
		if canary == Impatient {
			m.grant(now)
			return
		}
		m.lower(now, h.why, out)
	}
}

// proven says whether the successor holds all our state. A node whose interfaces are
// down waits for that no longer than for a heartbeat.
func (m *Machine) proven(now time.Time, p *peer) bool {
	return p.proven || m.handover.why == Unhealthy && now.Sub(m.handover.began) >= m.cfg.SuspectAfter
}

// keep takes a handover back: this node stays active.
func (m *Machine) keep(now time.Time, why Reason, out *Output) {
	m.note(now, trace.GaveUp, m.handover.to.ID, uint64(m.handover.epoch), uint64(why))
	m.handover = handover{}
	m.retryAt = now.Add(retryMin)
	m.setRole(now, Active, why)
	if !m.holding {
		m.lowering = 0
		m.raise(out, why)
	}
}

// grant lets the successor raise: our addresses are down.
func (m *Machine) grant(now time.Time) {
	h := m.handover
	m.note(now, trace.Yielded, h.to.ID, uint64(m.epoch), uint64(h.why))
	m.note(now, trace.HandedOver, h.to.ID, uint64(h.epoch), 0)
	m.stand(now, h.why)
	h.granted, h.until = true, now.Add(handoverMax)
	m.handover = h
	m.raised = max(m.raised, h.epoch)
	m.active = view.Member{}
	m.vacantSince = now
}

// succeed is the receiving side: prepares when named, raises when granted.
func (m *Machine) succeed(now time.Time, out *Output) {
	if m.role == Promoting && m.grantor != view.Nobody && !m.authorised {
		p := m.peer(m.grantor)
		switch {
		case !p.alive:
			m.stand(now, Silence)
		case !m.names(p) || p.said.offered != m.epoch:
			m.stand(now, Withdrawn)
		case p.said.is(flagGranted):
			m.authorised = true
			if m.committed {
				m.raise(out, m.reason)
			}
		}
	}
	if m.role != Standby || m.stopping {
		return
	}
	for i := range m.peers {
		p := &m.peers[i]
		if e := p.said.offered; m.names(p) && m.owns(e) && e > m.begun && e >= m.raised {
			m.begin(now, e, p.id, m.motive(p), out)
			m.changed = true
			return
		}
	}
}

// motive is why a peer hands over to us, as far as can be seen from here.
func (m *Machine) motive(p *peer) Reason {
	switch {
	case !p.said.is(flagHealthy):
		return Unhealthy
	case m.asking:
		return Preemption
	}
	return Requested
}

// names says whether a living peer hands over to this life of ours.
func (m *Machine) names(p *peer) bool {
	return p.hearsUs() && p.said.successor == m.cfg.Self.ID && (p.said.role == Draining || p.said.is(flagGranted))
}

// ask finds out whether we should like to be given the addresses.
func (m *Machine) ask(now time.Time) {
	p := m.peer(m.active.ID)
	if !m.cfg.Preempt || m.role != Standby || m.down > 0 || !m.synced ||
		p == nil || !p.claims() || p.said.priority >= m.priority {
		m.asking, m.stableSince = false, time.Time{}
		return
	}
	if m.stableSince.IsZero() {
		m.stableSince = now
	}
	if !m.asking && now.Sub(m.stableSince) >= preemptStable {
		m.asking, m.urgent = true, true
	}
}

// leave brings a stop to its end.
func (m *Machine) leave(now time.Time, out *Output) {
	if !m.stopping {
		return
	}
	switch m.role {
	case Active:
		if p := m.best(true); m.holding && p != nil && !m.renewing && !m.triedToHandOver {
			m.triedToHandOver = true
			m.drain(now, p, Stopping)
			return
		}
		// Nobody takes over before the goodbye, so the addresses go first.
		if m.holding {
			m.lower(now, Stopping, out)
		}
		if m.lowering != 0 && now.Before(m.lowerBy) {
			return
		}
		m.note(now, trace.Yielded, view.Nobody, uint64(m.epoch), uint64(Stopping))
	case Promoting:
		m.yield(now, Stopping, out)
		return
	case Waiting, Standby:
		if m.handover.granted || m.lowering != 0 && now.Before(m.lowerBy) {
			return
		}
	default:
		return
	}
	m.stand(now, Stopping)
	m.setRole(now, Stopped, Stopping)
	m.goodbyes, m.burst, m.active = goodbyes, 0, view.Member{}
}

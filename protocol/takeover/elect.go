package takeover

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// better says whether (priority p, ID a) ranks before (priority q, ID b).
func better(p uint8, a view.ID, q uint8, b view.ID) bool {
	return p > q || p == q && a < b
}

// place is how many members rank behind the given one. It says which epochs are that
// member's: those whose remainder by the number of members it is.
func (m *Machine) place(id view.ID) view.Epoch {
	var priority uint8
	for _, c := range m.cfg.Members {
		if c.ID == id {
			priority = c.Priority
		}
	}
	behind := view.Epoch(0)
	for _, c := range m.cfg.Members {
		if better(priority, id, c.Priority, c.ID) {
			behind++
		}
	}
	return behind
}

// next is the epoch that a member takes after the highest known: its own of the next
// round (docs/rfc/0005-takeover.md, Epochs).
func (m *Machine) next(id view.ID) view.Epoch {
	n := view.Epoch(len(m.cfg.Members))
	if canary == SharedEpochs {
		return (m.highest/n + 1) * n
	}
	return (m.highest/n+1)*n + m.place(id)
}

// owns says whether an epoch is ours to act in.
func (m *Machine) owns(e view.Epoch) bool {
	return e%view.Epoch(len(m.cfg.Members)) == m.place(m.cfg.Self.ID)
}

// follow finds the active, and notices when it is gone.
func (m *Machine) follow(now time.Time) {
	if m.role == Active || m.role == Draining {
		m.active, m.electAt = m.cfg.Self, time.Time{}
		return
	}
	var best *peer
	for i := range m.peers {
		if p := &m.peers[i]; p.claims() && (best == nil || p.said.epoch > best.said.epoch) {
			best = p
		}
	}
	if best != nil {
		m.urgent = m.urgent || m.active != best.member()
		m.active, m.electAt = best.member(), time.Time{}
		if m.role == Waiting {
			m.setRole(now, Standby, Withdrawn)
		}
		return
	}
	if m.active.ID == view.Nobody {
		return
	}
	m.vacancy = m.loss()
	m.active, m.vacantSince = view.Member{}, now
	m.changed, m.urgent = true, true
}

// loss says why the active that we followed is not active any more.
func (m *Machine) loss() Reason {
	p := m.peer(m.active.ID)
	switch {
	case p == nil:
		return Vacancy
	case p.life != m.active.Incarnation:
		return Rebirth
	case p.gone:
		return Goodbye
	case !p.alive:
		return Silence
	}
	return Vacancy
}

// elect promotes this node when nobody is active and it is its turn.
func (m *Machine) elect(now time.Time, out *Output) {
	m.electAt = time.Time{}
	if m.role == Waiting && !now.Before(m.waitUntil) {
		m.setRole(now, Standby, None)
		m.vacantSince = now
	}
	if m.role != Standby || m.stopping || m.active.ID != view.Nobody || m.handover.granted {
		return
	}
	if m.hearsay() != nil {
		m.vacantSince = now // somebody else still hears an active
		return
	}
	turn := m.vacantSince
	var busy time.Time
	for i := range m.peers {
		p := &m.peers[i]
		switch {
		case !p.alive:
		case p.said.role == Promoting && m.vacancy != TargetLost:
			// Its state may take long. That of a successor was there before the grant.
			busy = later(busy, p.roleSince.Add(commitMax))
		case m.behind(p):
			turn = turn.Add(m.patience())
		}
	}
	if turn = later(turn, busy); now.Before(turn) {
		m.electAt = turn
		return
	}
	m.promote(now, m.vacancy, out)
}

// behind says whether a living peer should become active rather than we.
func (m *Machine) behind(p *peer) bool {
	if p.said.role != Standby && p.said.role != Waiting {
		return false
	}
	if p.said.role == Waiting && m.vacancy != Vacancy {
		return false // it has just started and holds nothing of what was lost
	}
	if healthy := p.said.is(flagHealthy); healthy != (m.down == 0) {
		return healthy
	}
	if synced := p.said.is(flagSynced); synced != m.synced {
		return synced
	}
	return better(p.said.priority, p.id, m.priority, m.cfg.Self.ID)
}

// hearsay finds a living peer that hears an active which we do not hear at all.
func (m *Machine) hearsay() *peer {
	for i := range m.peers {
		p := &m.peers[i]
		if !p.alive || p.said.role != Standby || p.said.active == view.Nobody {
			continue
		}
		if q := m.peer(p.said.active); q != nil && q != p && !q.alive && !q.gone {
			return p
		}
	}
	return nil
}

// promote begins a takeover by our own decision, in a new epoch.
func (m *Machine) promote(now time.Time, why Reason, out *Output) {
	m.begin(now, m.next(m.cfg.Self.ID), view.Nobody, why, out)
}

// begin asks for the state to be put into the kernel. A grantor keeps us from raising
// until it says so.
func (m *Machine) begin(now time.Time, e view.Epoch, grantor view.ID, why Reason, out *Output) {
	m.epoch, m.begun, m.highest = e, e, max(m.highest, e)
	m.committed, m.authorised, m.grantor = false, grantor == view.Nobody, grantor
	m.setRole(now, Promoting, why)
	m.note(now, trace.Promoting, grantor, uint64(e), uint64(why))
	m.command(out, Commit, why)
}

// Committed confirms Commit: all replicated state is in the kernel.
func (m *Machine) Committed(now time.Time, e view.Epoch, out *Output) {
	if canary == AnyAnswer {
		e = m.epoch
	}
	if !m.running() || e != m.epoch || m.committed || m.role != Promoting && !m.renewing {
		return
	}
	m.committed, m.urgent = true, true
	if m.renewing {
		m.raise(out, Renewal)
	} else if m.authorised {
		m.raise(out, m.reason)
	}
	m.settle(now, out)
}

// raise asks for the addresses to be added. Nothing else does.
func (m *Machine) raise(out *Output, why Reason) {
	m.holding = true
	m.raised = max(m.raised, m.epoch)
	m.command(out, Raise, why)
}

// Raised confirms Raise: the addresses are held and were announced.
func (m *Machine) Raised(now time.Time, e view.Epoch, out *Output) {
	if !m.running() || e != m.epoch || !m.holding {
		return
	}
	m.renewing = false
	if m.role == Promoting {
		m.setRole(now, Active, m.reason)
	}
	m.note(now, trace.Activated, view.Nobody, uint64(e), 0)
	m.raisedAt, m.announceAt = now, now.Add(announceAfter[0])
	m.settle(now, out)
}

// yield gives up the addresses, or the attempt to get them.
func (m *Machine) yield(now time.Time, why Reason, out *Output) {
	if m.holding {
		m.lower(now, why, out)
	}
	if m.role != Promoting || m.lowering == m.epoch {
		m.note(now, trace.Yielded, view.Nobody, uint64(m.epoch), uint64(why))
	}
	m.stand(now, why)
}

// stand makes this node a standby that neither holds nor wants anything.
func (m *Machine) stand(now time.Time, why Reason) {
	if m.role == Promoting {
		m.note(now, trace.Withdrew, m.grantor, uint64(m.epoch), uint64(why))
	}
	m.epoch, m.committed, m.authorised, m.renewing = 0, false, false, false
	m.grantor, m.handover = view.Nobody, handover{}
	m.announceAt = time.Time{}
	m.setRole(now, Standby, why)
	for i := range m.peers {
		m.peers[i].contested = false
	}
}

// lower asks for the addresses to be removed.
func (m *Machine) lower(now time.Time, why Reason, out *Output) {
	m.holding, m.lowering, m.lowerBy = false, m.epoch, now.Add(lowerMax)
	m.renewing, m.announceAt = false, time.Time{}
	m.command(out, Lower, why)
}

// Lowered confirms Lower: the addresses are not held any more.
func (m *Machine) Lowered(now time.Time, e view.Epoch, out *Output) {
	if !m.running() || m.lowering == 0 || e != m.lowering {
		return
	}
	m.lowering = 0
	if m.role == Draining {
		m.grant(now)
	}
	m.settle(now, out)
}

func (m *Machine) command(out *Output, v Verb, why Reason) {
	out.Deliver = append(out.Deliver, Command{Verb: v, Epoch: m.epoch, Reason: why})
}

// announce repeats the announcement when it is due.
func (m *Machine) announce(now time.Time, out *Output) {
	if !m.holding || m.announceAt.IsZero() || now.Before(m.announceAt) {
		return
	}
	m.command(out, Announce, None)
	m.announceAt = now.Add(announceEvery)
	for _, d := range announceAfter {
		if at := m.raisedAt.Add(d); at.After(now) {
			m.announceAt = at
			break
		}
	}
}

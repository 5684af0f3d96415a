package pair

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// peer is what is known of the other member.
type peer struct {
	replica.Silence
	life    view.Incarnation // 0: never heard
	said    statement        // the newest of that life
	heardAt time.Time
}

// Receive takes a frame's payload that came from a member.
func (m *Machine) Receive(now time.Time, from view.Member, payload []byte, out *Output) {
	m.enter(now)
	switch {
	case from.ID != m.cfg.Peer || from.Incarnation == 0:
		m.drop(now, wire.UnknownSender)
	case from.Incarnation < m.peer.life:
		m.drop(now, wire.OldIncarnation)
	case len(payload) == 0:
		m.drop(now, wire.Malformed)
	case payload[0] == kindStatement:
		if s, ok := parseStatement(payload); ok {
			m.heed(now, from.Incarnation, &s, out)
		} else {
			m.drop(now, wire.Malformed)
		}
	case payload[0] == kindPiece:
		p, ok := parsePiece(payload)
		switch {
		case !ok:
			m.drop(now, wire.Malformed)
		case p.heard != m.cfg.Self.Incarnation:
			m.drop(now, wire.WrongDestination)
		case from.Incarnation != m.peer.life:
			m.drop(now, wire.Stale) // its statement comes
		default:
			m.peer.heardAt = now
			m.take(now, &p, out)
		}
	default:
		m.drop(now, wire.Malformed)
	}
}

// heed takes a statement.
func (m *Machine) heed(now time.Time, life view.Incarnation, s *statement, out *Output) {
	joined := false
	switch {
	case s.flags&flagLogs != 0 != m.cfg.Logged:
		m.drop(now, wire.ForeignCluster) // what it answers is not what this one promises
		return
	case s.heard != 0 && s.heard != m.cfg.Self.Incarnation:
		m.drop(now, wire.WrongDestination)
		return
	case life > m.peer.life:
		m.record(now, trace.PeerJoined, uint64(life), 0, 0)
		joined = true
		m.peer = peer{life: life, Silence: m.peer.Anew()}
		m.out.stop()
		m.in = receiver{broken: m.in.broken, failed: m.in.failed}
		if m.role == Backup {
			m.in.useless = true
		}
	case s.sequence <= m.peer.said.sequence:
		m.drop(now, wire.Stale)
		return
	}
	m.peer.said, m.peer.heardAt = *s, now
	m.highest = max(m.highest, s.highest)
	if joined {
		m.tell(now, out) // so that it knows that it is heard
	}
	if s.heard != 0 {
		if m.peer.Heard(now) {
			m.stopped = false
			m.record(now, trace.PeerHeard, 0, 0, 0)
			m.rebase(now) // nobody served meanwhile, or this member did and has rebased
		}
	}
	if m.role == Halting {
		return
	}
	if s.role == Halting {
		m.halt(now, s.differs, nil, out)
		return
	}
	if m.role != Empty && s.epoch > m.epoch && canary != KeepsOld {
		m.yield(now, out)
		return
	}
	m.reflect(s)
	if s.heard != 0 {
		m.consider(now, out)
	}
}

// consider does what follows from what the other says, which hears this member.
func (m *Machine) consider(now time.Time, out *Output) {
	s := &m.peer.said
	same := m.out.active() && m.out.stream == s.stream && s.flags&flagAgain == 0
	switch {
	case m.role == Empty && m.cfg.Logged && m.kept > 0:
		m.compare(now, out)
	case m.role == Empty && s.role == Empty:
		if m.cfg.Preferred == m.cfg.Self.ID && m.highest == 0 && m.exec.Index() == 0 && !m.in.broken {
			m.goOn(now, true, out)
		}
	case m.role == Backup && s.role == Primary && s.epoch == m.epoch && s.differs != 0:
		m.diverge(now, s.differs, out)
	case m.role == Backup && s.role == Empty:
		m.bereft(now, out)
	case m.role == Primary && s.role == Backup && s.epoch == m.epoch:
		m.settle(now, s, out)
	case m.role == Primary && s.role == Empty && same:
		m.acked(now, s, out) // it is on its way to being the backup
	case m.role == Primary && s.role == Empty:
		if s.differs != 0 && !m.name(now, s.differs, out) {
			return
		}
		m.bereft(now, out)
	case m.role == Single && s.role == Empty:
		m.copyTo(now, s, same, out)
	}
}

// copyTo brings the state to the other, which has none.
func (m *Machine) copyTo(now time.Time, s *statement, same bool, out *Output) {
	switch {
	case s.highest > m.epoch:
		m.goOn(now, true, out) // its former life knew of more: what is decided from now on is later
	case s.differs != 0 && s.flags&flagAgain != 0 && !m.name(now, s.differs, out):
	case same:
		m.acked(now, s, out)
		switch {
		case !m.out.close() || m.going.saving || m.cfg.Logged && s.kept == 0 && s.digest == 0:
		case m.cfg.Logged && canary != PairsUnsaved:
			m.engage(out)
		default:
			m.pair(now, m.next(), out)
		}
	case !m.out.active() || s.stream == m.out.stream:
		m.begin(now, out)
	}
}

// settle takes the backup's acknowledgement.
func (m *Machine) settle(now time.Time, s *statement, out *Output) {
	if own, known := m.exec.At(s.index); known && own != s.digest && canary != BelievesDigests {
		m.record(now, trace.Diverged, s.index, own, s.digest)
		m.differs = s.index
		if m.name(now, s.index, out) {
			m.tell(now, out)
		}
		return
	}
	for m.owed.Len() > 0 && m.owed.At(0).Index <= s.index {
		m.owed.Pop() // the backup has answered
	}
	m.acked(now, s, out)
}

// lose takes the other for silent.
func (m *Machine) lose(now time.Time, out *Output) {
	m.peer.Silent = true
	m.record(now, trace.PeerSilent, uint64(now.Sub(m.peer.BothAt).Microseconds()), 0, 0)
	if m.role == Primary || m.role == Backup {
		m.goOn(now, false, out)
	}
}

// bereft is what a member of a whole pair does when it hears that the other has no state. If
// that is certain not to have gone on alone since, this one goes on.
func (m *Machine) bereft(now time.Time, out *Output) {
	s := &m.peer.said
	same := m.peer.life == m.mate
	m.goOn(now, same || s.flags&flagKnown != 0 && s.kept <= m.epoch || m.unwritten(s), out)
}

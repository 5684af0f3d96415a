package pair

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// put has an epoch saved, and by a member that logs, that it is of a life of the other, or of nobody's.
func (m *Machine) put(epoch view.Epoch, mate view.Incarnation, out *Output) {
	out.Save, out.Mate, out.Anew = epoch, mate, m.cfg.Logged && !m.follows
	m.follows = true
}

// Follows says whether what the executor has is what the log has, with what was executed since: then what is executed is to be
// logged. Otherwise it is a state that is on its way here, or was given up.
func (m *Machine) Follows() bool { return m.follows }

// logs puts into a statement what there is to say of the log.
func (m *Machine) logs(s *statement) {
	if !m.cfg.Logged {
		return
	}
	s.flags |= flagLogs
	if m.role == Empty {
		if s.base, s.digest = m.rest, uint64(m.begun); m.follows && m.kept > 0 {
			s.flags |= flagHolds
		}
	}
}

// lone says whether this member was alone when it fell, and hears nobody: nobody else can have gone on, since who is made a
// backup is in the log first.
func (m *Machine) lone() bool {
	return m.wasLone && m.role == Empty && m.peer.Silent && m.going.epoch == 0
}

// await is what a member does that is back with what its log has, and has heard nobody for the detection time.
func (m *Machine) await(now time.Time, out *Output) {
	switch {
	case m.lone():
		m.goOn(now, true, out)
	case m.cfg.Logged && m.role == Empty && m.follows && m.kept > 0 && m.peer.Silent && !m.going.saving:
		m.stop(out)
	}
}

// reflect notes that another has gone on, which only a person's word can have let.
func (m *Machine) reflect(s *statement) {
	if s.role == Single || s.role != Empty && s.epoch >= m.kept {
		m.wasLone = false
	}
}

// compare is what a member does that is back with what its log has, when it hears what the other has. Who has more of the later epoch
// begins: of the two who were a pair both logs have a beginning of the same commands, and that of who answered has all that
// were answered. Who lives has more than its log, and is left to go on.
func (m *Machine) compare(now time.Time, out *Output) {
	s := &m.peer.said
	switch {
	case !m.follows:
	case s.role == Single || s.role != Empty && s.epoch >= m.kept:
	case s.role != Empty:
		m.goOn(now, true, out) // it has stopped, for this member went on alone
	case m.behind(s):
	case m.wasLone || s.flags&flagKnown != 0 || m.peer.life == m.mate || m.unwritten(s):
		m.goOn(now, true, out)
	default:
		m.stop(out) // what the other's log had, nobody knows
	}
}

// Begun tells that a log that was new has its first record on the disk.
func (m *Machine) Begun() { m.begun = m.cfg.Self.Incarnation }

// unwritten says whether the other, which is empty, has the log that it had when this member made it its backup, and never came to write there that it was.
// One that was begun later takes the place of one that is lost.
func (m *Machine) unwritten(s *statement) bool {
	return m.cfg.Logged && s.kept == 0 && s.digest != 0 && view.Incarnation(s.digest) <= m.mate
}

// behind says whether the other's log has more than this one's.
func (m *Machine) behind(s *statement) bool {
	if s.kept != m.kept {
		return s.kept > m.kept
	}
	if s.base != m.rest {
		return s.base > m.rest != (canary == TrustsShorter)
	}
	return s.flags&flagHolds != 0 && m.cfg.Preferred == m.cfg.Peer
}

// engage notes that the other is to be the backup, before it can be: whoever finds in its log that it was alone goes on by itself.
func (m *Machine) engage(out *Output) {
	m.going = going{epoch: m.next(), saving: true, mate: m.peer.life}
	m.highest = m.going.epoch
	m.put(m.going.epoch, m.going.mate, out)
}

// wed makes the other the backup, now that it is noted, or notes that it came to nothing.
func (m *Machine) wed(now time.Time, out *Output) {
	g := m.going
	m.going = going{}
	if m.peer.Silent || m.peer.life != g.mate || m.peer.said.role != Empty || !m.out.active() || m.highest > g.epoch {
		m.goOn(now, true, out)
		return
	}
	m.pair(now, g.epoch, out)
}

// IsPiece says whether a message has a part of a stream, which is sent again if it is lost.
func IsPiece(payload []byte) bool { return len(payload) > 0 && payload[0] == kindPiece }

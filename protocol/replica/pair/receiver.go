package pair

import (
	"bytes"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// receiver is the stream from the other member.
type receiver struct {
	stream   uint32 // 0: none yet
	useless  bool   // another one is needed
	broken   bool   // a state was half restored
	failed   int    // states that could not be restored, one after the other
	size     uint64 // of the snapshot
	snapshot []byte
	log      queue // what is no whole record yet
	upto     uint64
	gap      bool
	told     uint64 // what was acknowledged last
	ackAt    time.Time
	gapAt    time.Time
}

func (r *receiver) due(now time.Time) bool { return !r.ackAt.IsZero() && !now.Before(r.ackAt) }

// report puts into a statement what is received.
func (r *receiver) report(s *statement) {
	s.stream, s.upto = r.stream, r.upto
	if r.useless {
		s.flags |= flagAgain
	}
	if r.gap {
		s.flags |= flagGap
	}
	r.gap, r.ackAt, r.told = false, time.Time{}, r.upto
}

// take takes a piece of the stream.
func (m *Machine) take(now time.Time, p *piece, out *Output) {
	r := &m.in
	switch {
	case m.role != Empty && m.role != Backup, m.cfg.Logged && m.going.saving, p.stream < r.stream, p.stream == r.stream && r.useless:
		m.drop(now, wire.Stale)
		return
	case p.stream > r.stream:
		if m.role != Empty {
			m.drop(now, wire.Stale) // it is told that this member has a state
			return
		}
		*r = receiver{stream: p.stream, size: p.snapshot, snapshot: r.snapshot[:0], log: r.log, broken: r.broken, failed: r.failed}
		r.log.reset(p.snapshot)
		m.differs = 0
		m.record(now, trace.StateBegan, uint64(p.epoch), 0, 0)
	case p.snapshot != r.size:
		m.drop(now, wire.Malformed)
		return
	}
	end := p.offset + uint64(len(p.data))
	switch {
	case p.offset > r.upto:
		r.gap = true
		if now.Sub(r.gapAt) >= retryMin/2 {
			r.gapAt = now
			m.tell(now, out)
		}
		return
	case end <= r.upto:
		m.ackSoon(now)
		return
	}
	data := p.data[r.upto-p.offset:]
	r.upto = end
	m.ackSoon(now)
	if p.offset < r.size { // a piece lies on one side of the snapshot's end
		r.snapshot = append(r.snapshot, data...)
		if r.upto == r.size {
			m.restore(now, out)
		}
	} else {
		r.log.b = append(r.log.b, data...)
		m.replay(now, out)
	}
	if r.upto-r.told >= ackBytes {
		m.tell(now, out)
	}
}

func (m *Machine) ackSoon(now time.Time) {
	if m.in.ackAt.IsZero() {
		m.in.ackAt = now.Add(ackAfter)
	}
}

// restore takes the state that has come.
func (m *Machine) restore(now time.Time, out *Output) {
	r := &m.in
	r.broken = true
	m.follows, m.wasLone = false, false
	err := m.exec.Restore(bytes.NewReader(r.snapshot))
	r.snapshot = nil
	if err != nil {
		m.record(now, trace.StateFailed, uint64(m.peer.said.epoch), r.size, 0)
		r.useless = true
		if r.failed++; r.failed > 1 {
			m.halt(now, 0, err, out)
		} else {
			m.tell(now, out)
		}
		return
	}
	r.broken, r.failed = false, 0
	m.heads.Clear()
	m.record(now, trace.StateDone, uint64(m.peer.said.epoch), r.size, 0)
}

// replay executes the records that are whole.
func (m *Machine) replay(now time.Time, out *Output) {
	r := &m.in
	var rec record
	for !r.useless && m.role != Halting {
		size := parseRecord(r.log.from(r.log.start), &rec)
		if size == 0 {
			return
		}
		if size < 0 || !m.follow(now, &rec, out) {
			m.drop(now, wire.Malformed)
			if !r.useless {
				m.empty()
				m.tell(now, out)
			}
			return
		}
		if r.useless {
			return // the state differs
		}
		r.log.drop(r.log.start + uint64(size))
	}
}

// follow does what a record says; false if it makes no sense here.
func (m *Machine) follow(now time.Time, r *record, out *Output) bool {
	if r.kind == recordPaired {
		if r.index != m.exec.Index() || m.role != Empty {
			return false
		}
		m.role, m.epoch, m.base, m.mate = Backup, r.epoch, r.index, m.peer.life
		m.highest = max(m.highest, r.epoch)
		m.peer.Silent, m.peer.BothAt = false, now // it heard what this member has received
		if m.cfg.Logged {
			m.put(m.epoch, m.mate, out)
		}
		out.Do = append(out.Do, replica.Command{Verb: replica.Paired, Epoch: m.epoch, Index: m.base, Sure: true})
		m.tell(now, out)
		return true
	}
	if r.index != m.exec.Index()+1 {
		return false
	}
	if canary == DropsHeld && m.role == Empty {
		m.exec.Pass(m.exec.Time())
		return true
	}
	reply := m.exec.Execute(r.request, out.Answers.Begin())
	m.heads.Keep(r.index, r.request)
	if m.exec.Digest() != r.digest && canary != BelievesDigests {
		m.diverge(now, r.index, out)
		return true
	}
	m.rebase(now)
	to := r.client
	if m.role != Backup {
		to = 0 // it was answered
	}
	out.Answer(to, reply)
	return true
}

// Executor is the state, to look at.
func (m *Machine) Executor() *session.Executor { return m.exec }

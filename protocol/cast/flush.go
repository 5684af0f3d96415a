package cast

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Tick notes the time. What has become due leaves with the Flush that ends the step.
func (m *Machine) Tick(now time.Time, _ *Output) { m.clock(now) }

// Flush ends a step, after any number of other calls: packets leave, the last one as it
// is unless the network's window is full, and so do the acknowledgements, questions and
// answers that are due. What out then has must be carried out before the next call.
func (m *Machine) Flush(now time.Time, out *Output) {
	m.clock(now)
	m.lists = m.lists[:0]
	switch {
	case m.rank < 0:
	case m.frozen:
		m.sendAgain(out)
		m.pursue(out)
	case m.others == 0:
		m.open, m.sent = nil, m.last
		m.releaseLast()
		m.settle(&m.streams[m.rank])
		m.reach()
	default:
		m.depart(out)
		m.releaseLast()
		m.sendAgain(out)
		for i := range m.streams {
			if s := &m.streams[i]; s.told >= s.next {
				m.ask(s, out)
			}
		}
		m.acknowledge(out)
		m.probe(out)
		m.judge()
	}
	m.pool.settle()
}

// releaseLast releases the last own packet once nothing more comes into it.
func (m *Machine) releaseLast() {
	if m.done && m.open == nil {
		m.done = false
		m.Release(m.rank, m.last)
	}
}

// Deadline is when the machine wants Tick and Flush at the latest; zero is never.
func (m *Machine) Deadline() time.Time {
	if m.rank < 0 || m.others == 0 {
		return time.Time{}
	}
	at := m.fetch.retryAt
	if !m.frozen {
		at = min(m.due.ackAt, m.due.releaseAt, m.due.probeAt, m.due.departAt, m.slow.at)
		for i := range m.streams {
			if s := &m.streams[i]; s.told >= s.next {
				at = min(at, s.repair.deadline(s))
			}
		}
	}
	if at == never {
		return time.Time{}
	}
	return m.zero.Add(time.Duration(at))
}

// depart posts the packets that may leave. The last one that the network's window lets
// go asks to be acknowledged at once: others wait for it.
func (m *Machine) depart(out *Output) {
	s := &m.streams[m.rank]
	limit := m.reached + uint64(m.window.size)
	ready := m.last
	m.due.departAt = never
	if m.open != nil {
		if m.last > limit || m.thrifty() {
			ready-- // it may as well go on being filled
		} else {
			m.open = nil
		}
	}
	limit = min(limit, ready)
	if m.sent >= limit {
		if m.sent < m.last {
			m.window.full = true
		}
		return
	}
	id, list := m.address(m.others)
	waiting := limit < m.last || m.room(m.cfg.Window) < bodyMax // in the reserve too
	for m.sent < limit {
		m.sent++
		sl := s.at(m.sent)
		if m.sent == limit && waiting {
			sl.urgent = true
			m.window.full = true
		}
		m.seal(m.rank, m.sent, sl)
		out.Send = append(out.Send, wire.Envelope{To: id, Members: list, Frame: sl.frame[:sl.n:sl.n]})
		m.counts.Packets++
	}
	m.trip.left(m.at, m.sent)
	m.due.unsure, m.due.departed = true, m.at
}

// thrifty says whether the last packet waits to be filled: packets of the reserve must not
// leave with a few bytes each. It waits until what left before has arrived, and longer the
// more of the reserve is used.
func (m *Machine) thrifty() bool {
	over := instant(m.last-m.freed) - instant(m.cfg.Window) - thriftAfter
	if over <= 0 {
		return false
	}
	if m.reached < m.sent {
		return true // an acknowledgement will come
	}
	if at := m.due.departed + min(over*instant(thriftStep), instant(thriftMost)); m.at < at {
		m.due.departAt = at
		return true
	}
	return false
}

// again is a packet that somebody wants to be sent once more.
type again struct {
	rank   int
	number uint64
}

// again notes that a member wants packets of a stream again.
func (m *Machine) again(s *stream, from, to uint64, who int) int {
	n := 0
	for number := max(from, s.base); number <= to; number++ {
		sl := s.at(number)
		if sl == nil || sl == m.open || len(m.repeat) >= repeatMax {
			continue
		}
		if sl.repeatedTo&bit(who) != 0 && m.at < sl.repeatedAt+instant(repeatPause) {
			continue
		}
		if sl.want == 0 {
			m.repeat = append(m.repeat, again{s.rank, number})
		}
		sl.want |= bit(who)
		n++
	}
	return n
}

// sendAgain posts what was asked for in this step: one frame for all who lost the same.
func (m *Machine) sendAgain(out *Output) {
	if len(m.repeat) == 0 {
		return
	}
	for _, a := range m.repeat {
		sl := m.streams[a.rank].at(a.number)
		if sl == nil || sl.want == 0 {
			continue // all have it meanwhile
		}
		if sl.repeatedAt != m.at {
			sl.repeatedTo = 0
		}
		sl.repeatedTo |= sl.want
		sl.repeatedAt = m.at
		id, list := m.address(sl.want)
		sl.want = 0
		m.seal(a.rank, a.number, sl)
		out.Send = append(out.Send, wire.Envelope{To: id, Members: list, Frame: sl.frame[:sl.n:sl.n]})
		m.counts.Repeats++
	}
	m.record(trace.Repeated, view.Nobody, uint64(len(m.repeat)), 0)
	m.repeat = m.repeat[:0]
	m.trip.timing = false
}

// probeWait is how long a member may leave packets unacknowledged before it is asked.
func (m *Machine) probeWait() instant { return 2*m.trip.length + 2*m.due.delay }

// probe asks members what they have: those that have not acknowledged this member's
// packets, and, later, those whose own packets this one is not sure that all have.
func (m *Machine) probe(out *Output) {
	d := &m.due
	if m.at < d.probeAt && !d.unsure {
		return
	}
	ask := mask(0)
	d.probeAt = never
	for i := range m.seats {
		p := &m.seats[i]
		if m.others&bit(i) == 0 {
			continue
		}
		switch {
		case p.probeAt == never && d.unsure:
			p.wait = m.probeWait()
			p.probeAt = m.at + p.wait
			if s := &m.streams[m.rank]; p.acked[m.rank] >= s.told {
				p.probeAt += 3 * p.wait
			}
		case m.at >= p.probeAt && !p.curious && !m.doubts(i):
			p.probeAt = never
		case m.at >= p.probeAt:
			ask |= bit(i)
			p.curious = false
			p.wait = min(2*p.wait, instant(probeMost))
			p.probeAt = m.at + p.wait
		}
		d.probeAt = min(d.probeAt, p.probeAt)
	}
	d.unsure = false
	if ask != 0 && canary != LostTail {
		m.tell(ask, ackAsks, out)
		m.counts.Probes++
	}
}

// doubts says whether this member would like to know what another has, or knows.
func (m *Machine) doubts(rank int) bool {
	p, theirs := &m.seats[rank], &m.streams[rank]
	if p.acked[m.rank] < m.sent || theirs.stable < theirs.told {
		return true
	}
	// A release may have gone unheard, which matters once the window fills.
	return p.released < m.sent && int(m.last-m.freed) > m.cfg.Window/2
}

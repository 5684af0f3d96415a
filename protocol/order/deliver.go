package order

import (
	"math/bits"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
)

// drain delivers whatever can be delivered.
func (m *Machine) drain(out *Output) {
	for {
		m.drainReady(out)
		if !m.deliverTotal(out) {
			return
		}
	}
}

func (m *Machine) drainReady(out *Output) {
	for m.ready != 0 {
		rank := bits.TrailingZeros64(m.ready)
		m.ready &= m.ready - 1
		m.drainStream(rank, out)
	}
}

// drainStream delivers what one stream holds before its next total message.
func (m *Machine) drainStream(rank int, out *Output) {
	s := &m.streams[rank]
	for s.loose.n > 0 && m.holders(s, s.loose.front()) {
		m.deliver(rank, s.loose.front(), out)
		s.loose.pop()
	}
	done := 0
	for done < len(s.ahead) && m.holders(s, &s.ahead[done]) {
		m.deliver(rank, &s.ahead[done], out)
		done++
	}
	if done > 0 {
		s.ahead = append(s.ahead[:0], s.ahead[done:]...)
	}
	for s.chain.n > 0 {
		e := s.chain.front()
		if e.order&Total != 0 {
			return
		}
		if why, on := m.blocked(rank, s, e); why != 0 {
			m.streams[on].waiting |= 1 << rank
			return
		}
		m.take(rank, s, e, true, out)
	}
}

// holders says whether a message has the agreement that it needs.
func (m *Machine) holders(s *stream, e *envelope) bool {
	return e.order&Uniform == 0 || s.agreed >= e.last || m.closed || canary == Unagreed
}

// blocked says why the head of a chain cannot be delivered, and which stream it waits for.
//
// A uniform message waits until all that it depends on is agreed too, with what the messages before
// it in its chain depend on: if those were lost, nobody could deliver it.
func (m *Machine) blocked(rank int, s *stream, e *envelope) (Wait, int) {
	if e.order&causal != 0 && canary != Blind {
		if !s.opened {
			s.open(e)
		}
		for ; s.unmet != 0; s.unmet &= s.unmet - 1 {
			if k := bits.TrailingZeros64(s.unmet); s.need[k] > m.streams[k].causes {
				return Dependency, k
			}
		}
	}
	if e.order&Uniform == 0 || m.closed || canary == Unagreed {
		return 0, 0
	}
	if s.agreed < e.last {
		return Agreement, rank
	}
	for needs := s.needs; needs != 0; needs &= needs - 1 {
		if k := bits.TrailingZeros64(needs); s.need[k] > m.streams[k].settled {
			return Agreement, k
		}
	}
	return 0, 0
}

// deliverTotal delivers the next message of the total order, if it can be.
func (m *Machine) deliverTotal(out *Output) bool {
	rank := m.engine.next()
	if rank < 0 {
		return false
	}
	s := &m.streams[rank]
	e, chained := s.nextTotal()
	if e == nil {
		return false
	}
	if chained {
		if why, _ := m.blocked(rank, s, e); why != 0 {
			return false
		}
	} else if !m.holders(s, e) {
		return false
	}
	if e.order&Uniform != 0 && canary != Unfixed && canary != Unagreed && m.engine.unsettled(rank) >= 0 {
		return false
	}
	m.take(rank, s, e, chained, out)
	m.engine.delivered(rank)
	return true
}

// take delivers a message that a stream holds at the head of its chain, or of its free ones.
func (m *Machine) take(rank int, s *stream, e *envelope, chained bool, out *Output) {
	m.deliver(rank, e, out)
	if e.order&Total != 0 {
		s.out++
	}
	if !chained {
		s.free.pop()
		return
	}
	s.chain.pop()
	s.opened = false
	if s.chain.n > 0 {
		m.ready |= 1 << rank
	}
}

func (m *Machine) deliver(rank int, e *envelope, out *Output) {
	out.Deliver = append(out.Deliver, Delivery{
		Rank: rank, From: m.view.Seats[rank].Member, Number: e.number, Order: e.order, Payload: e.record[e.body:], More: e.more,
	})
	if canary == Premature {
		out.Deliver[len(out.Deliver)-1].Order = Order(e.record[0] & 0x0f) // see Receive
	}
	if e.order&causal != 0 {
		s := &m.streams[rank]
		s.causes++
		m.caused |= 1 << rank
		m.ready |= s.waiting
		s.waiting = 0
	}
}

// Close ends a view: all members have received the same records of it, and each now delivers what it has not
// delivered yet. What was total goes on in one order for all of them, which continues what
// any of them has delivered. What cannot be delivered because something before it was lost
// with its sender is discarded, by all alike. Payloads are good until the memory of the records is.
// Stall does not matter. Nothing is taken then before Install.
func (m *Machine) Close(now time.Time, out *Output) {
	m.now = now
	if m.closed {
		return
	}
	m.closed = true
	m.engine.close()
	m.ready = m.seats
	for {
		m.drainReady(out)
		if !m.deliverLeast(out) {
			break
		}
	}
	for seats := m.seats; seats != 0; seats &= seats - 1 {
		m.discard(bits.TrailingZeros64(seats))
	}
}

// deliverLeast delivers, of the total messages that can be delivered, the one with the least key.
func (m *Machine) deliverLeast(out *Output) bool {
	var best *stream
	var at int
	for seats := m.seats; seats != 0; seats &= seats - 1 {
		rank := bits.TrailingZeros64(seats)
		s := &m.streams[rank]
		e, chained := s.nextTotal()
		if e == nil || s.keys.n == 0 {
			continue
		}
		if chained {
			if why, _ := m.blocked(rank, s, e); why != 0 {
				continue
			}
		}
		if canary == OwnFirst && rank == m.self {
			best, at = s, rank
			break
		}
		if best == nil || s.keys.front().less(*best.keys.front()) {
			best, at = s, rank
		}
	}
	if best == nil {
		return false
	}
	e, chained := best.nextTotal()
	m.take(at, best, e, chained, out)
	best.keys.pop()
	return true
}

// discard forgets what a stream still holds when its view is over.
func (m *Machine) discard(rank int) {
	s := &m.streams[rank]
	for _, r := range [...]*ring[envelope]{&s.chain, &s.free} {
		for ; r.n > 0; r.pop() {
			m.trace(m.view.Seats[rank].ID, trace.Discarded, r.front().last-r.front().first+1, 0)
		}
	}
}

package order

import (
	"math/bits"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Wait says why a message is held back.
type Wait uint8

// The reasons.
const (
	Numbering   Wait = 1 + iota // it has no place in the total order yet: a word of For is missing
	Turn                        // it has one; an earlier message, of For, is not delivered
	Dependency                  // it depends on a causal message of For
	Agreement                   // not enough members hold what For has sent
	Predecessor                 // For, its sender, multicast another before it, which is held
	Throttled                   // the owner, For, takes nothing at present
)

var waitNames = [...]string{"nothing", "numbering", "turn", "dependency", "agreement", "predecessor", "throttled"}

// String gives the reason in one word.
func (w Wait) String() string {
	if int(w) < len(waitNames) {
		return waitNames[w]
	}
	return "unknown"
}

// Held is a message that is held back. For is the member that it waits for. Message is the number, among
// For's messages, of the one that it waits for, if that is known, else 0.
type Held struct {
	From    view.Member
	Number  uint64
	Order   Order
	Reason  Wait
	For     view.ID
	Message uint64
}

// Held tells of all messages that are held, by rank of their sender, until fn says false. It allocates nothing
// and is for people: it takes time in proportion to what is held.
func (m *Machine) Held(fn func(Held) bool) {
	if m.closed {
		return
	}
	for seats := m.seats; seats != 0; seats &= seats - 1 {
		rank := bits.TrailingZeros64(seats)
		s := &m.streams[rank]
		for i := range s.chain.n {
			if !fn(m.chained(rank, s, i)) {
				return
			}
		}
		for i := range s.free.n {
			if !fn(m.placed(rank, s, s.free.at(i))) {
				return
			}
		}
		for i := range s.loose.n {
			if !fn(m.unheld(rank, s, s.loose.at(i))) {
				return
			}
		}
		for i := range s.ahead {
			if !fn(m.unheld(rank, s, &s.ahead[i])) {
				return
			}
		}
	}
}

func (m *Machine) held(rank int, e *envelope, why Wait, on int) Held {
	return Held{From: m.view.Seats[rank].Member, Number: e.number, Order: e.order, Reason: why, For: m.view.Seats[on].ID}
}

// chained tells of the i-th message of a chain.
func (m *Machine) chained(rank int, s *stream, i int) Held {
	e := s.chain.at(i)
	if i > 0 {
		h := m.held(rank, e, Predecessor, rank)
		h.Message = s.chain.at(i - 1).number
		return h
	}
	if why, on := m.blocked(rank, s, e); why != 0 {
		return m.held(rank, e, why, on)
	}
	if e.order&Total != 0 {
		return m.placed(rank, s, e)
	}
	return m.held(rank, e, Throttled, m.self)
}

// placed tells of a total message that nothing but its place holds back, or its agreement.
func (m *Machine) placed(rank int, s *stream, e *envelope) Held {
	if on := m.engine.waits(rank, e.index); on >= 0 {
		return m.held(rank, e, Numbering, on)
	}
	if next := m.engine.next(); next != rank || e.index != s.out {
		if next < 0 {
			next = rank
		}
		h := m.held(rank, e, Turn, next)
		if first, _ := m.streams[next].nextTotal(); first != nil {
			h.Message = first.number
		}
		return h
	}
	if on := m.engine.unsettled(rank); on >= 0 && e.order&Uniform != 0 {
		return m.held(rank, e, Agreement, on)
	}
	return m.unheld(rank, s, e)
}

// unheld tells of a message that nothing but its agreement holds back.
func (m *Machine) unheld(rank int, s *stream, e *envelope) Held {
	if !m.holders(s, e) {
		return m.held(rank, e, Agreement, rank)
	}
	return m.held(rank, e, Throttled, m.self)
}

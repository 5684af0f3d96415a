package cast

import (
	"math"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Whole says whether all that a cut has of the view is here, and nothing was handed over that it has not.
// Only then Complete gives what it gives to all others that end the view with this cut.
func (m *Machine) Whole(cut view.Cut) bool {
	for rank := range m.streams {
		var ranges []view.Range
		if rank < len(cut) {
			ranges = cut[rank]
		}
		if !m.seats[rank].Witness && (m.exceeds(&m.streams[rank], ranges, cut.Prefix(rank)) || m.lacks(rank, ranges)) {
			return false
		}
	}
	return true
}

// exceeds says whether something was handed over from a packet that is not in these ranges.
func (m *Machine) exceeds(s *stream, ranges []view.Range, prefix uint64) bool {
	first := s.next // not handed over, as far as the stream's order goes
	if m.frozen {
		first = s.kept
	}
	if first > prefix+1 {
		return true
	}
	for n := first; n <= s.high; n++ {
		if s.gave(n) && !within(ranges, n) {
			return true
		}
	}
	return false
}

// lacks says whether a packet of these ranges is not here.
func (m *Machine) lacks(rank int, ranges []view.Range) bool {
	for _, r := range ranges {
		if m.absent(rank, r) > 0 {
			return true
		}
	}
	return false
}

// Complete hands over what the cut has of the view and was not handed over yet, all of
// which must be here. What is here beyond the cut is forgotten. Install follows.
func (m *Machine) Complete(now time.Time, cut view.Cut, out *Output) {
	m.Freeze(now)
	m.earlyMost = math.MaxInt // what is handed over here nobody reports
	if m.rank < 0 {
		return
	}
	for i := range m.streams {
		if i < len(cut) && !m.seats[i].Witness {
			m.complete(&m.streams[i], cut[i], cut.Prefix(i), out)
		}
	}
}

func (m *Machine) complete(s *stream, ranges []view.Range, prefix uint64, out *Output) {
	for n := max(prefix+1, s.base); n <= s.high; n++ {
		if sl := s.at(n); sl != nil && !within(ranges, n) {
			s.ring[n&uint64(len(s.ring)-1)] = nil
			m.pool.freeSlot(sl)
		}
	}
	for s.next = max(s.kept, s.base); s.next <= prefix; s.next++ {
		sl := s.at(s.next)
		if sl == nil {
			return // the caller broke its word
		}
		m.hand(s, s.next, sl, out)
	}
	for n := s.next; n <= s.high; n++ {
		sl := s.at(n)
		switch {
		case sl == nil:
		case !sl.beyond:
			m.handEarly(s, n, sl, out)
		default:
			m.handTail(s, n, out)
		}
	}
	s.kept = s.next
}

// within says whether the ranges contain a packet.
func within(ranges []view.Range, n uint64) bool {
	for _, r := range ranges {
		if r.From <= n && n <= r.To {
			return true
		}
	}
	return false
}

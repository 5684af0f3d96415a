package voted

import "math/bits"

// ballots are the votes on the last commands, and what was decided, in a ring by index. All of
// it is of one view.
type ballots struct {
	ranks int
	slots []slot
	votes []vote // ranks for each slot
}

// slot is one command.
type slot struct {
	index uint64
	voted uint32 // by rank
	over  bool   // decided, or void
	won   vote   // if there was a majority
	sure  bool   // there was
}

// vote is what one member has told.
type vote struct {
	sum  uint64
	body []byte // an encoded reply; nil in an exact vote, or if it was too long
}

// set copies a vote, and uses the memory again.
func (v *vote) set(sum uint64, body []byte) {
	keep := v.body[:0]
	v.sum, v.body = sum, keep
	if body != nil {
		v.body = append(keep, body...)
	}
}

// reset makes room for a view of so many seats.
func (b *ballots) reset(ranks int) {
	if b.ranks != ranks || b.slots == nil {
		*b = ballots{ranks: ranks, slots: make([]slot, ballotsMax), votes: make([]vote, ballotsMax*ranks)}
	}
	for i := range b.slots {
		b.slots[i].index, b.slots[i].voted, b.slots[i].over, b.slots[i].sure = 0, 0, false, false
	}
}

// at is the slot of a command, made empty if it was that of an earlier one; nil if it is that of
// a later one.
func (b *ballots) at(index uint64) *slot {
	s := &b.slots[index%ballotsMax]
	if s.index > index {
		return nil
	}
	if s.index < index {
		s.index, s.voted, s.over, s.sure = index, 0, false, false
	}
	return s
}

// vote is the place of a rank's vote.
func (b *ballots) vote(index uint64, rank int) *vote {
	return &b.votes[int(index%ballotsMax)*b.ranks+rank]
}

// same says whether two votes agree.
func (m *Machine) same(a, b *vote) bool {
	return a.sum == b.sum || len(a.body) > 0 && len(b.body) > 0 && m.alike(a.body, b.body)
}

// count finds the greatest set of voters that agree on a command: who is in it, who has voted at all, and
// how many may still.
func (m *Machine) count(s *slot) (best, voted uint32, possible int) {
	voted = s.voted & m.voters
	for rest := m.voters &^ s.voted; rest != 0; rest &= rest - 1 {
		if r := bits.TrailingZeros32(rest); m.upto[r] < s.index {
			possible++
		}
	}
	for one := voted; one != 0; one &= one - 1 {
		r := bits.TrailingZeros32(one)
		with := uint32(0)
		for two := voted; two != 0; two &= two - 1 {
			if o := bits.TrailingZeros32(two); m.same(m.ballots.vote(s.index, r), m.ballots.vote(s.index, o)) {
				with |= 1 << o
			}
		}
		if bits.OnesCount32(with) > bits.OnesCount32(best) {
			best = with
		}
	}
	return best, voted, possible
}

// majority is how many must agree.
func (m *Machine) majority() int {
	if canary == OneSuffices {
		return 1
	}
	return max(leastMajority, bits.OnesCount32(m.voters)/2+1)
}

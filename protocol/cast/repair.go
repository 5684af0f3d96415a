package cast

import (
	"math/bits"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// repair is the asking for what is missing in a stream. A missing packet is asked for as
// soon as it is surely missing, and again when the answer is overdue: a round trip or two
// later, with pauses that double while nothing comes at all, or as soon as something comes
// that was asked for later. Only so many may be asked for at once, fewer where answers are lost.
type repair struct {
	asked   uint64  // what is missing up to here was asked for, and no answer was given up
	top     uint64  // the last that was ever asked for
	waiting int     // how many packets the answers to which are on their way
	limit   int     // how many may be
	round   instant // estimate of a round trip
	oldest  instant // when the oldest of those was asked for; never if there is none
	heard   instant // when the latest that came was asked for
	tries   int     // in a row that brought nothing
	movedAt instant // when the last packet known became known
	spread  int     // how many later packets prove that one is lost and not late
	right   int     // packets that were asked for and came once, since the spread was changed
}

// givenUp is when a packet was asked for whose answer is taken for lost.
const givenUp instant = -1

func newRepair() repair {
	return repair{limit: nackPackets, round: instant(roundFirst), oldest: never, spread: reorderMax}
}

// pause is how long an answer is waited for.
func (r *repair) pause() instant {
	return min(2*r.round<<min(r.tries, 8), instant(retryMost))
}

// sure is the last packet that, if missing, is lost and not late.
func (r *repair) sure(s *stream, at instant) uint64 {
	if at >= r.movedAt+instant(reorderDelay) {
		return s.told
	}
	if spread := uint64(r.spread); s.high > spread {
		return s.high - spread
	}
	return 0
}

// overdue says whether the oldest answer is.
func (r *repair) overdue(at instant) bool {
	return r.oldest != never && (at >= r.oldest+r.pause() || r.heard >= r.oldest+instant(reorderDelay))
}

// deadline is when something will be asked for. Something is missing.
func (r *repair) deadline(s *stream) instant {
	at := never
	if r.oldest != never {
		at = r.oldest + r.pause()
	}
	if next := max(r.asked+1, s.next); next <= s.told && next < s.base+ringMax && r.waiting < r.limit {
		at = min(at, r.movedAt+instant(reorderDelay))
	}
	return at
}

// rash notes that a packet that was asked for came twice: it was late, and not lost. More
// patience then, which is lost again while this does not happen.
func (r *repair) rash() { r.spread, r.right = min(2*r.spread, spreadMax), 0 }

// arrived notes that a packet that was missing is here. It reports whether it was asked for.
func (r *repair) arrived(s *stream, number uint64, at instant) bool {
	if number-s.base >= uint64(len(s.asks)) {
		return false
	}
	asked := s.asks[number&uint64(len(s.asks)-1)]
	if asked == 0 {
		return false
	}
	if asked != givenUp {
		r.waiting--
	}
	if r.waiting == 0 {
		r.oldest = never
	}
	r.tries = 0
	if r.right++; r.right%8 == 0 {
		r.limit = min(r.limit+1, waitingMax)
	}
	if r.right >= spreadMax {
		r.spread, r.right = max(r.spread/2, reorderMax), 0
	}
	if asked > 0 {
		r.round = blend(r.round, at-asked)
		r.heard = max(r.heard, asked)
	} else {
		// It was asked for more than once: perhaps too soon. Waiting a little longer
		// costs little where packets are lost, and is right where they are not.
		r.round = min(r.round+r.round/16, instant(roundMost))
		r.heard = max(r.heard, -asked)
	}
	return true
}

// ask asks for what is missing in a stream, if it is time.
func (m *Machine) ask(s *stream, out *Output) {
	r := &s.repair
	if r.overdue(m.at) {
		m.giveUp(s)
	}
	sure := min(r.sure(s, m.at), s.base+ringMax-1) // beyond that it could not be kept
	for number := max(r.asked+1, s.next); number <= sure && r.waiting < r.limit; {
		n := 0
		m.ranges = m.ranges[:0]
		for ; number <= sure && n < nackPackets && r.waiting < r.limit; number++ {
			s.reach(number)
			r.asked, r.top = number, max(r.top, number)
			asked := &s.asks[number&uint64(len(s.asks)-1)]
			if s.at(number) != nil || *asked != 0 && *asked != givenUp {
				continue
			}
			if *asked == 0 {
				*asked = max(m.at, 1)
			} else {
				*asked = min(-m.at, givenUp-1)
			}
			m.ranges = appendNumber(m.ranges, number)
			n++
			r.waiting++
		}
		if n > 0 {
			r.oldest = min(r.oldest, m.at)
			m.record(trace.Gap, m.seats[s.rank].ID, m.ranges[0].From, m.ranges[len(m.ranges)-1].To)
			m.nack(m.holder(s), s.rank, out)
		}
	}
}

// giveUp takes for lost what should have come by now. It will be asked for again.
func (m *Machine) giveUp(s *stream) {
	r := &s.repair
	limit := max(m.at-r.pause(), r.heard-instant(reorderDelay))
	silent := m.at >= r.oldest+r.pause()
	lost, waiting := 0, r.waiting
	r.oldest = never
	for number := s.next; number <= r.top; number++ {
		asked := &s.asks[number&uint64(len(s.asks)-1)]
		at := max(*asked, -*asked)
		switch {
		case s.at(number) != nil:
			continue
		case at > limit && *asked != givenUp:
			r.oldest = min(r.oldest, at)
			continue
		case *asked != 0 && *asked != givenUp:
			*asked = givenUp
			r.waiting--
			lost++
		}
		r.asked = min(r.asked, number-1)
	}
	if 4*lost > waiting {
		r.limit = max(r.limit/2, waitingMin)
	}
	if silent {
		r.tries++
	}
}

func appendNumber(ranges []view.Range, number uint64) []view.Range {
	if n := len(ranges); n > 0 && ranges[n-1].To+1 == number {
		ranges[n-1].To = number
		return ranges
	}
	return append(ranges, view.Range{From: number, To: number})
}

// holder is whom to ask for the first missing packet of a stream: its sender, or another
// that is known to have it if the sender is suspected or was asked in vain.
func (m *Machine) holder(s *stream) int {
	if !m.seats[s.rank].suspected && (s.repair.tries < askAnother || s.repair.tries%2 == 1) {
		return s.rank
	}
	can := mask(0)
	for to := m.others &^ bit(s.rank); to != 0; to &= to - 1 {
		i := bits.TrailingZeros64(uint64(to))
		if p := &m.seats[i]; !p.suspected && p.acked[s.rank] >= s.next {
			can |= bit(i)
		}
	}
	if can == 0 {
		return s.rank
	}
	for skip := m.rng.IntN(bits.OnesCount64(uint64(can))); skip > 0; skip-- {
		can &= can - 1
	}
	return bits.TrailingZeros64(uint64(can))
}

// nack asks a member for m.ranges of a stream.
func (m *Machine) nack(to, rank int, out *Output) {
	b := m.begin(out, kindNack, 0)
	b = append(b, byte(rank))
	b = appendRanges(b, m.ranges)
	out.End(m.seats[to].ID, wire.AllLinks, b)
	m.counts.Nacks++
}

// onNack notes what a member asks for. It is answered with at most nackPackets packets.
func (m *Machine) onNack(from int, flags byte, payload []byte) wire.Reason {
	r := wire.NewReader(payload[messageAt:])
	rank := int(r.U8())
	ranges, ok := readRanges(&r, m.ranges[:0])
	m.ranges = ranges[:0]
	if !ok || flags != 0 || rank >= len(m.streams) || m.seats[rank].Witness || rank == from {
		return wire.Malformed
	}
	s := &m.streams[rank]
	left := uint64(nackPackets)
	last := s.high
	if rank == m.rank && !m.frozen {
		last = m.sent
	}
	lost := 0
	for _, g := range ranges {
		first, to := max(g.From, s.base), min(g.To, last)
		if left == 0 || first > to {
			continue
		}
		to = min(to, first+left-1)
		left -= to - first + 1
		lost += m.again(s, first, to, from)
	}
	if rank == m.rank {
		m.window.lost += lost
	}
	return wire.OK
}

// fetch is what is taken after Freeze.
type fetch struct {
	pieces  []view.Piece
	missing int     // packets of them
	waiting int     // asked for and not here yet
	retryAt instant // when they are asked for again
	tries   int
}

// Fetch gets packets from members that hold them, after Freeze. It replaces what a former
// Fetch wanted: with no pieces nothing is taken any more. Pieces of one stream must not
// overlap. What is here already is not asked for. Asking goes on until all is here.
func (m *Machine) Fetch(now time.Time, pieces []view.Piece, out *Output) {
	m.clock(now)
	f := &m.fetch
	*f = fetch{pieces: f.pieces[:0], retryAt: never}
	if m.rank < 0 || !m.frozen {
		return
	}
	for _, p := range pieces {
		from := m.view.Rank(p.Holder)
		if uint(p.Rank) >= uint(len(m.streams)) || m.seats[p.Rank].Witness || p.Range.From == 0 ||
			from < 0 || m.others&bit(from) == 0 || len(f.pieces) == piecesMax {
			continue
		}
		f.pieces = append(f.pieces, p)
		f.missing += m.absent(p.Rank, p.Range)
	}
	f.retryAt = m.at
	m.pursue(out)
}

// Missing is how many packets of the fetch are not here yet.
func (m *Machine) Missing() int { return m.fetch.missing }

// absent counts the packets of a range that are not here.
func (m *Machine) absent(rank int, r view.Range) int {
	s := &m.streams[rank]
	if r.To < s.next {
		return 0
	}
	from := max(r.From, s.next)
	n := int(r.To - from + 1)
	for number := from; number <= min(r.To, s.high); number++ {
		n -= count(s.at(number))
	}
	return n
}

// wanted says whether the fetch wants a packet.
func (m *Machine) wanted(rank int, number uint64) bool {
	for i := range m.fetch.pieces {
		if p := &m.fetch.pieces[i]; p.Rank == rank && p.Range.From <= number && number <= p.Range.To {
			return true
		}
	}
	return false
}

// pursue asks the holders, if it is time or all that was asked for is here.
func (m *Machine) pursue(out *Output) {
	f := &m.fetch
	if f.missing == 0 {
		f.retryAt = never
		return
	}
	if f.waiting > 0 && m.at < f.retryAt {
		return
	}
	if f.waiting > 0 {
		f.tries++
	}
	f.waiting = 0
	for i := range f.pieces {
		p := &f.pieces[i]
		s := &m.streams[p.Rank]
		n := 0
		m.ranges = m.ranges[:0]
		for number := max(p.Range.From, s.next); number <= p.Range.To && n < nackPackets && f.waiting < waitingMax; number++ {
			if s.at(number) == nil {
				m.ranges = appendNumber(m.ranges, number)
				n++
				f.waiting++
			}
		}
		if n > 0 {
			m.nack(m.view.Rank(p.Holder), p.Rank, out)
		}
	}
	f.retryAt = m.at + min(2*instant(roundFirst)<<min(f.tries, 8), instant(retryMost))
}

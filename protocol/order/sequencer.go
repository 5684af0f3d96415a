package order

import (
	"encoding/binary"
	"math/bits"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// sequencer is the engine in which one member says whose messages come next. At first it is the
// member of the lowest rank; it may hand over to another. What a member writes about
// numbers counts from the place on where it is handed the numbering, and until it hands over.
type sequencer struct {
	m     *Machine
	seat  int       // the rank that numbers
	turn  uint64    // how often it was handed over
	tell  []teller  // by rank
	runs  ring[run] // places given and not delivered yet
	count uint64    // places given

	moves   ring[move] // handovers not agreed yet
	settled uint64     // how many are

	urgent bool // a uniform message has no number yet
	busy   int  // who sent most of the last span; -1 if nobody did
}

// teller is what is known of one rank.
type teller struct {
	said     ring[run] // what it wrote about numbers and is not handed the numbering for yet
	numbered uint64    // of its messages, those with places
	sent     uint64    // those of the present span
}

// run is some messages of one stream that follow each other in the total order.
type run struct {
	rank        int
	count       uint64 // 0: rank numbers from here on
	first, last uint64 // packets of the record that says so
	by          int    // whose record that is
	turn        uint64 // see sequencer
}

type move struct {
	by   int
	last uint64
}

func (q *sequencer) install(n int) {
	q.runs.clear()
	q.moves.clear()
	for len(q.tell) < n {
		q.tell = append(q.tell, teller{})
	}
	for i := range q.tell {
		q.tell[i].said.clear()
		q.tell[i] = teller{said: q.tell[i].said}
	}
	*q = sequencer{m: q.m, tell: q.tell, runs: q.runs, moves: q.moves, seat: bits.TrailingZeros64(q.m.seats), busy: -1}
}

func (q *sequencer) stamp() uint64 { return 0 }

func (q *sequencer) message(rank int, _ uint64, o Order) bool {
	q.urgent = q.urgent || o&Uniform != 0
	return true
}

func (q *sequencer) control(rank int, first, last uint64, k kind, r wire.Reader) bool {
	said := &q.tell[rank].said
	switch k {
	case numbers:
		if said.n+q.runs.n > aheadMax || !q.check(r) {
			return false
		}
		for r.Len() > 0 {
			*said.push() = run{rank: int(r.U8()), count: r.Uvarint(), first: first, last: last, by: rank}
		}
	case handover:
		to := int(r.U8())
		if !r.Done() || !q.m.has(to) || to == rank {
			return false
		}
		*said.push() = run{rank: to, first: first, last: last, by: rank}
	default:
		return false
	}
	q.apply()
	return true
}

func (q *sequencer) check(r wire.Reader) bool {
	last := -1
	for r.Len() > 0 {
		rank, count := int(r.U8()), r.Uvarint()
		if r.Failed() || rank <= last || !q.m.has(rank) || count == 0 || count > countMax {
			return false
		}
		last = rank
	}
	return !r.Failed() && last >= 0
}

// apply takes what the member that numbers has written, and goes on with what the next one
// has if it hands over: its records may have come first.
func (q *sequencer) apply() {
	for {
		said := &q.tell[q.seat].said
		if said.n == 0 {
			return
		}
		r := *said.front()
		said.pop()
		if r.count == 0 {
			q.move(r)
			continue
		}
		r.turn = q.turn
		*q.runs.push() = r
		q.count += r.count
		q.tell[r.rank].numbered += r.count
		q.tell[r.rank].sent += r.count
	}
}

func (q *sequencer) move(r run) {
	q.turn++
	*q.moves.push() = move{r.by, r.last}
	q.agreed(r.by)
	if canary == Stubborn && q.seat == q.m.self {
		return
	}
	q.seat, q.busy = r.rank, -1
	for i := range q.tell {
		q.tell[i].sent = 0
	}
	q.m.trace(q.m.view.Seats[r.rank].ID, trace.SequencerMoved, q.count, 0)
}

func (q *sequencer) agreed(int) {
	for q.moves.n > 0 && q.m.streams[q.moves.front().by].agreed >= q.moves.front().last {
		q.moves.pop()
		q.settled++
	}
}

// step gives places to all messages that are here, if this member is the one that numbers. What it
// has put out counts when it is in the stream.
func (q *sequencer) step(out *Output) {
	m := q.m
	if q.seat != m.self {
		return
	}
	from := len(out.buf)
	for seats := m.seats; seats != 0; seats &= seats - 1 {
		rank := bits.TrailingZeros64(seats)
		in, numbered := m.streams[rank].in, q.tell[rank].numbered
		if in <= numbered {
			continue
		}
		if len(out.buf) == from {
			out.buf = appendHead(out.buf, numbers)
		}
		out.buf = append(out.buf, byte(rank))
		out.buf = binary.AppendUvarint(out.buf, min(in-numbered, countMax))
	}
	if len(out.buf) > from {
		out.submit(from)
		out.Urgent = out.Urgent || q.urgent
		return
	}
	q.urgent = false
	if to := q.busier(); to >= 0 {
		out.buf = append(appendHead(out.buf, handover), byte(to))
		out.submit(from)
	}
}

// busier is to whom to hand over, or -1: who sent most of the total messages in this span and in the
// one before, in which this member sent none.
func (q *sequencer) busier() int {
	total, most := uint64(0), 0
	for rank := range q.tell {
		total += q.tell[rank].sent
		if q.tell[rank].sent > q.tell[most].sent {
			most = rank
		}
	}
	if total < uint64(q.m.span) {
		return -1
	}
	quiet := q.tell[q.m.self].sent == 0 && 4*q.tell[most].sent >= moveShare*total
	for rank := range q.tell {
		q.tell[rank].sent = 0
	}
	if !quiet {
		q.busy = -1
		return -1
	}
	if q.busy != most {
		q.busy = most
		return -1
	}
	return most
}

func (q *sequencer) next() int {
	if q.runs.n == 0 {
		return -1
	}
	return q.runs.front().rank
}

// unsettled: a place is lost if the record that gives it is lost, or one by which its writer was handed
// the numbering, and only then.
func (q *sequencer) unsettled(int) int {
	r := q.runs.front()
	switch {
	case q.m.streams[r.by].agreed < r.last:
		return r.by
	case q.settled < r.turn:
		return q.moves.front().by
	}
	return -1
}

func (q *sequencer) delivered(int) {
	if r := q.runs.front(); r.count > 1 {
		r.count--
		return
	}
	q.runs.pop()
}

// needs: what a member writes before it is handed the numbering must not be forgotten by the others,
// and holding its packets bounds it.
func (q *sequencer) needs(rank int) uint64 {
	if said := &q.tell[rank].said; said.n > 0 {
		return said.front().first
	}
	return 0
}

func (q *sequencer) waits(rank int, index uint64) int {
	if index < q.tell[rank].numbered {
		return -1
	}
	return q.seat
}

// close: first the messages with places, then the others by rank.
func (q *sequencer) close() {
	place := uint64(0)
	for ; q.runs.n > 0; q.runs.pop() {
		r := q.runs.front()
		s := &q.m.streams[r.rank]
		for left := r.count; left > 0 && uint64(s.keys.n) < s.in-s.out; left-- {
			*s.keys.push() = key{place: place}
			place++
		}
	}
	q.m.fillKeys()
}

// fillKeys gives the total messages that have no place yet one after all others, by rank.
func (m *Machine) fillKeys() {
	for rank := range m.view.Seats {
		s := &m.streams[rank]
		for uint64(s.keys.n) < s.in-s.out {
			*s.keys.push() = key{place: clockMax + 1, rank: rank}
		}
	}
}

package order

import (
	"encoding/binary"
	"math/bits"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// lamport is the engine in which every total message has a stamp, the time of its sender's
// logical clock. Messages are delivered by stamp and rank, each when no stream can bring
// a lower one any more, since every member's clock has shown at least this stamp.
type lamport struct {
	m     *Machine
	clock uint64   // never less than a stamp that was received
	owed  uint64   // the greatest stamp that the others wait for this clock to reach
	shown []uint64 // by rank, what its stream has shown: its later stamps are greater
	least uint64   // of shown, all members'
	stale bool     // least is to be found anew

	urgent bool // a uniform message waits
}

func (l *lamport) install(n int) {
	*l = lamport{m: l.m, shown: renew(l.shown, n)}
}

func (l *lamport) stamp() uint64 {
	l.clock++
	return l.clock
}

func (l *lamport) message(rank int, stamp uint64, o Order) bool {
	if stamp <= l.shown[rank] || stamp > clockMax {
		return false
	}
	l.show(rank, stamp)
	*l.m.streams[rank].keys.push() = key{stamp, rank}
	l.clock, l.owed = max(l.clock, stamp), max(l.owed, stamp)
	l.urgent = l.urgent || o&Uniform != 0
	return true
}

func (l *lamport) control(rank int, _, _ uint64, k kind, r wire.Reader) bool {
	clock := r.Uvarint()
	if k != stamp || !r.Done() || clock <= l.shown[rank] || clock > clockMax {
		return false
	}
	l.show(rank, clock)
	l.clock = max(l.clock, clock)
	return true
}

func (l *lamport) show(rank int, clock uint64) {
	l.stale = l.stale || l.shown[rank] == l.least
	l.shown[rank] = clock
}

func (l *lamport) agreed(int) {}

// step shows the clock, unless a record in this member's stream has done so.
func (l *lamport) step(out *Output) {
	if l.shown[l.m.self] >= l.owed {
		l.urgent = false
		return
	}
	from := len(out.buf)
	out.buf = binary.AppendUvarint(appendHead(out.buf, stamp), l.clock)
	out.submit(from)
	out.Urgent = out.Urgent || l.urgent
}

func (l *lamport) next() int {
	best := -1
	var least key
	for seats := l.m.seats; seats != 0; seats &= seats - 1 {
		rank := bits.TrailingZeros64(seats)
		if s := &l.m.streams[rank]; s.keys.n > 0 && (best < 0 || s.keys.front().less(least)) {
			best, least = rank, *s.keys.front()
		}
	}
	if best < 0 || least.place > l.reached() {
		return -1
	}
	return best
}

// reached is the time that every member's clock has shown.
func (l *lamport) reached() uint64 {
	if !l.stale {
		return l.least
	}
	l.stale, l.least = false, clockMax
	last := bits.Len64(l.m.seats) - 1
	for seats := l.m.seats; seats != 0; seats &= seats - 1 {
		rank := bits.TrailingZeros64(seats)
		if canary == Deaf && rank == last && l.m.members > 1 {
			continue
		}
		l.least = min(l.least, l.shown[rank])
	}
	return l.least
}

// unsettled: a stamp is part of its message. What clocks have shown only says that no stream brings
// a lower one: whoever delivered by it had all those, and no member can have more of a stream.
func (l *lamport) unsettled(int) int { return -1 }

func (l *lamport) delivered(rank int) {
	l.m.streams[rank].keys.pop()
}

func (l *lamport) needs(int) uint64 { return 0 }

func (l *lamport) waits(rank int, index uint64) int {
	s := &l.m.streams[rank]
	place := s.keys.at(int(index - s.out)).place
	for seats := l.m.seats; seats != 0; seats &= seats - 1 {
		if k := bits.TrailingZeros64(seats); l.shown[k] < place {
			return k
		}
	}
	return -1
}

// close has nothing to do: every message has its key.
func (l *lamport) close() {}

package cast

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// instant is a time in nanoseconds since the machine was first told one. It never goes
// back.
type instant int64

const never instant = math.MaxInt64

// Machine is one member's place in the streams of its view. Its methods neither block
// nor fail; none may be called while another runs.
type Machine struct {
	cfg      Config
	rng      *rand.Rand
	zero     time.Time
	at       instant
	suspects []view.ID // ascending

	view    *view.View // nil: none yet
	rank    int        // own; -1: not a member of the view, or a witness of it
	stamp   [stampSize]byte
	frozen  bool
	seats   []seat    // by rank
	streams []stream  // by rank; those of witnesses stay empty
	others  mask      // who has streams, but for this member
	members []view.ID // the same as others. Posted envelopes share it: never written to

	open    *slot  // the own packet that is being filled, or nil
	done    bool   // and all that is in it is released
	last    uint64 // own: the last packet that has something in it
	sent    uint64 // own: the last that was posted
	reached uint64 // own: what all members have that are not suspected
	freed   uint64 // own: what all members have released
	window  window
	trip    trip

	early     int // packets beyond gaps that something was handed over from
	earlyMost int // of them

	ahead  []ahead
	due    due
	fetch  fetch
	slow   slow
	agreed agreement
	repeat []again
	lists  []view.ID // of addressees, for this step
	ranges []view.Range
	pool   pool

	drops  [wire.ReasonCount]uint64
	counts Counts
}

// seat is what is known of a member of the view.
type seat struct {
	view.Seat
	suspected bool
	acked     []uint64 // by rank: the packets that it has of each stream
	released  uint64   // of the own stream
	movedAt   instant  // when that last grew
	probeAt   instant  // when it is asked what it has
	wait      instant  // how long after the question before
	curious   bool     // it is asked whatever is known of it
}

// Install begins new streams for a view, and forgets the former ones with all that was
// handed over of them. A member that has no seat in it, or a witness's, sends and takes
// nothing. v is kept and must not be changed; it has at most [view.SeatMax] seats.
func (m *Machine) Install(now time.Time, v *view.View) {
	if len(v.Seats) > view.SeatMax {
		panic("cast: a view with more than view.SeatMax seats")
	}
	m.clock(now)
	for i := range m.streams {
		m.streams[i].drop(m.streams[i].high, &m.pool)
	}
	m.pool.trim()
	m.view, m.rank, m.frozen = v, -1, false
	m.stamp = stamp(m.cfg.Group, v.Name)
	m.done = false
	m.open, m.last, m.sent, m.reached, m.freed = nil, 0, 0, 0, 0
	m.others, m.members = 0, nil
	m.seats, m.streams = make([]seat, len(v.Seats)), make([]stream, len(v.Seats))
	carriers := 0
	for i := range v.Seats {
		s := &m.seats[i]
		*s = seat{Seat: v.Seats[i], acked: make([]uint64, len(v.Seats)), movedAt: m.at, probeAt: never}
		_, s.suspected = slices.BinarySearch(m.suspects, s.ID)
		m.streams[i] = stream{rank: i, base: 1, next: 1} // of a witness: nothing ever
		if s.Witness {
			continue
		}
		carriers++
		m.streams[i] = newStream(i)
		if s.Member == m.cfg.Self {
			m.rank = i
		} else {
			m.others |= bit(i)
			m.members = append(m.members, s.ID)
		}
	}
	m.window = newWindow(m.cfg.Window)
	m.trip = trip{length: instant(roundFirst)}
	m.due = newDue(carriers)
	m.fetch = fetch{retryAt: never}
	m.slow = slow{rank: -1}
	m.agreed = newAgreement(v, m.cfg.All, m.cfg.Hold)
	m.due.sender = m.agreed.pairs(v)
	m.early, m.earlyMost = 0, max(1, view.RangesMax/len(v.Seats))
	m.repeat = m.repeat[:0]
	if m.rank >= 0 {
		m.catchUp()
	}
}

// Freeze ends the streams of the view for a view change: nothing is sent from now on but
// answers to who misses something, and nothing is taken but what Fetch names. What is
// fetched is not handed over before Complete: until the outcome of the view change is
// known, nobody knows what belongs to the view.
func (m *Machine) Freeze(now time.Time) {
	m.clock(now)
	if !m.frozen {
		for i := range m.streams {
			m.streams[i].kept = m.streams[i].next
		}
	}
	m.frozen = true
	m.open = nil
}

// Holding is a copy of what is here, or was and is stable: at least all packets that
// something was handed over from. Packets of this member that did not leave yet are in
// it. Beyond the prefixes it has at most [view.RangesMax] ranges divided by the members.
func (m *Machine) Holding() view.Cut {
	cut := make(view.Cut, len(m.streams))
	for i := range m.streams {
		if m.rank >= 0 && !m.seats[i].Witness {
			cut[i] = m.streams[i].ranges(nil)
		}
	}
	return cut
}

// Suspect says whether a member is taken for failed: others are asked in its place, and
// the network's window does not wait for it. It holds for later views too, until it is
// taken back.
func (m *Machine) Suspect(id view.ID, suspected bool) {
	at, known := slices.BinarySearch(m.suspects, id)
	switch {
	case suspected && !known:
		m.suspects = slices.Insert(m.suspects, at, id)
	case !suspected && known:
		m.suspects = slices.Delete(m.suspects, at, at+1)
	}
	for i := range m.seats {
		if m.seats[i].ID == id {
			m.seats[i].suspected = suspected
		}
	}
	if m.rank >= 0 {
		m.reach()
	}
}

// Release says that the owner is done with the records of a stream up to and including
// this packet, and with the packets: nothing that lies in them is used any more after the
// present step. It may go beyond what is here.
func (m *Machine) Release(rank int, packet uint64) {
	if m.rank < 0 || uint(rank) >= uint(len(m.streams)) {
		return
	}
	s := &m.streams[rank]
	packet = min(packet, s.next-1)
	if m.frozen {
		packet = min(packet, s.kept-1) // what was fetched is still to be handed over
	}
	if s.begun.open {
		packet = min(packet, s.begun.number-1) // it will be needed
	}
	if rank == m.rank && m.open != nil {
		// More may be put into it. If nothing is, Flush releases it.
		m.done = packet == m.last
		packet = min(packet, m.last-1)
	}
	if packet <= s.released || m.seats[rank].Witness {
		return
	}
	for n := max(s.base, s.released+1); n <= packet; n++ {
		m.pool.freeList(s.at(n))
	}
	s.released = packet
	m.free(s)
	if rank == m.rank {
		m.seats[rank].released, m.seats[rank].movedAt = packet, m.at
		m.relieve(m.rank)
		return
	}
	if packet-s.let >= ackEvery {
		m.due.releaseAt = m.at
	} else if m.due.releaseAt == never {
		m.due.releaseAt = m.at + m.due.releaseDelay
	}
}

// free lets go of the packets of a stream that nobody needs.
func (m *Machine) free(s *stream) {
	upto := min(s.released, s.stable)
	if canary == HastyRelease {
		upto = s.released
	}
	if s.rank == m.rank {
		upto = min(upto, m.sent)
	}
	s.drop(upto, &m.pool)
}

// clock notes the time. Where a clock is set back, the machine's stands still meanwhile.
func (m *Machine) clock(now time.Time) {
	if m.zero.IsZero() {
		m.zero = now
	}
	if at := instant(now.Sub(m.zero)); at >= m.at {
		m.at = at
	} else {
		m.zero = now.Add(-time.Duration(m.at))
	}
}

func (m *Machine) record(k trace.Kind, peer view.ID, a, b uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: m.zero.Add(time.Duration(m.at)), Node: m.cfg.Self.ID, Peer: peer, Kind: k, A: a, B: b})
	}
}

// malformed counts and traces a packet whose records contradict themselves.
func (m *Machine) malformed(s *stream) { m.dropped(m.seats[s.rank].ID, wire.Malformed) }

func (m *Machine) dropped(from view.ID, why wire.Reason) {
	m.drops[why]++
	m.record(trace.Dropped, from, uint64(why), uint64(wire.Cast))
}

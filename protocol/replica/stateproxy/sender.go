package stateproxy

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// sender is what we tell one peer: the seed's sender (5.1), once per peer, so that a
// slow or absent peer costs the others nothing.
//
// An object is in at most one place of each: the resend queue (inflight, in the order
// of its numbers) because its last message is not confirmed, and one of the queues of
// what is to be sent. A message always carries the object's state of the moment it is
// built; whatever was sent before under an older number is thereby replaced.
type sender struct {
	peer       view.ID
	life       view.Incarnation // of the peer; 0: not known yet
	live       bool             // the peer confirms; nothing is queued for one that does not
	generation uint32           // of the numbering; a resync begins a new one
	next       uint64           // the number of the next message
	acked      uint64           // the peer has settled everything up to here

	marks    []*[chunkSize]mark // by slot of the internal cache
	inflight struct {
		head, tail slot
		n          int
		end        uint64 // number of the unconfirmed end marker, 0 if none
	}
	resend  queue // asked for by a Nack
	urgent  queue // New and Update
	lazy    queue // Destroy
	cursor  slot  // resync: the next slot to announce; 0: no resync under way
	endOwed bool  // resync: the end marker must be sent (again)
	syncing bool  // the end marker of this generation is not confirmed

	sent        position     // as the peer will have it: the digest of all that was sent
	checkpoints []checkpoint // ring of the frames not confirmed yet
	checkFirst  int
	checkCount  int

	dirtySince time.Time // oldest change that was not sent
	lazySince  time.Time // oldest Destroy that was not sent
	markAt     time.Time // when to ask for a confirmation
	probe      time.Duration
	heard      time.Time // last acknowledgement or greeting
	helloAt    time.Time

	proof       Proof
	theirs      uint64 // the digest that the peer said last
	provenUpto  uint64
	provenAt    time.Time // when the state now proven was sent
	repairAt    time.Time // not before: the next resync for divergence
	repairDelay time.Duration

	stats Sent
}

// mark is what a sender knows of one object. 32 bytes.
type mark struct {
	number     uint64 // of the message that carried it last; 0: none in this generation
	sent       uint64 // its term as sent; 0: the peer does not have it
	prev, next slot   // in the resend queue
	generation uint32 // in which it was announced with its key
	stable     uint16 // leading bytes of the state that did not change since
	flags      uint8
}

const (
	inFlight uint8 = 1 << iota // in the resend queue
	inResend                   // in resend
	inUrgent                   // in urgent
	inLazy                     // in lazy
)

// checkpoint is the position after one frame.
type checkpoint struct {
	position
	at time.Time
}

func (s *sender) mark(at slot) *mark {
	for int(at>>chunkBits) >= len(s.marks) {
		s.marks = append(s.marks, new([chunkSize]mark))
	}
	return &s.marks[at>>chunkBits][at&(chunkSize-1)]
}

// changed notes that an object must be told again. keep is how many leading bytes of
// its state did not change.
func (s *sender) changed(now time.Time, at slot, keep int) {
	if !s.live {
		return
	}
	k := s.mark(at)
	k.stable = min(k.stable, uint16(keep))
	if k.generation != s.generation && s.cursor != 0 && at >= s.cursor {
		return // the resync will come by
	}
	if k.flags&(inUrgent|inResend) != 0 {
		return
	}
	k.flags |= inUrgent
	if s.urgent.n == 0 {
		s.dirtySince = now
	}
	s.urgent.push(at)
}

// destroyed notes that an object has become a tombstone. It reports whether the peer
// must be told; if not the slot owes this peer nothing.
func (s *sender) destroyed(now time.Time, at slot) bool {
	if !s.live {
		return false
	}
	k := s.mark(at)
	if k.generation != s.generation {
		return false // never announced
	}
	if k.flags&(inLazy|inResend) == 0 {
		k.flags |= inLazy
		if s.lazy.n == 0 {
			s.lazySince = now
		}
		s.lazy.push(at)
	}
	return true
}

// owes says whether the peer has not confirmed the last message about a slot.
func (s *sender) owes(at slot) bool {
	return s.live && int(at>>chunkBits) < len(s.marks) && s.mark(at).generation == s.generation &&
		s.mark(at).flags&(inFlight|inResend|inLazy) != 0
}

// forget clears the mark of a slot that is being freed.
func (s *sender) forget(at slot) {
	if int(at>>chunkBits) < len(s.marks) {
		k := s.mark(at)
		flags := k.flags & (inUrgent | inLazy | inResend) // still in a queue, to be skipped there
		*k = mark{flags: flags}
	}
}

// enqueue puts a slot at the end of the resend queue under number n.
func (s *sender) enqueue(at slot, n uint64) {
	k := s.mark(at)
	k.number, k.flags = n, k.flags|inFlight
	k.prev, k.next = s.inflight.tail, 0
	if s.inflight.tail != 0 {
		s.mark(s.inflight.tail).next = at
	} else {
		s.inflight.head = at
	}
	s.inflight.tail = at
	s.inflight.n++
}

// dequeue takes a slot out of the resend queue.
func (s *sender) dequeue(at slot) {
	k := s.mark(at)
	if k.flags&inFlight == 0 {
		return
	}
	if k.prev != 0 {
		s.mark(k.prev).next = k.next
	} else {
		s.inflight.head = k.next
	}
	if k.next != 0 {
		s.mark(k.next).prev = k.prev
	} else {
		s.inflight.tail = k.prev
	}
	k.prev, k.next, k.flags = 0, 0, k.flags&^inFlight
	s.inflight.n--
}

// low is the number below which everything is settled: confirmed, or replaced by a
// message that has been sent under a number from low on.
func (s *sender) low() uint64 {
	low := s.next
	if canary == EarlyLow {
		return low
	}
	if s.inflight.head != 0 {
		low = s.mark(s.inflight.head).number
	}
	if s.inflight.end != 0 {
		low = min(low, s.inflight.end)
	}
	return low
}

// unconfirmed is the number of objects the peer may not have as they are now.
func (s *sender) unconfirmed(own *cache) int {
	n := s.inflight.n + s.urgent.n + s.lazy.n
	if s.cursor != 0 {
		n += max(0, int(own.top)-int(s.cursor)+1)
	}
	return n
}

// resync begins a new generation: every object will be announced again, and the end
// marker lets the peer remove what was not.
func (s *sender) resync(now time.Time, m *Machine) {
	s.drop(m)
	s.generation++
	s.next, s.acked = 1, 0
	s.sent = position{}
	s.provenUpto, s.provenAt = 0, time.Time{}
	s.live, s.syncing, s.endOwed = true, true, true
	s.cursor = 1
	s.dirtySince = now
	s.proof = Proof{State: Syncing}
	s.stats.Resyncs++
	m.record(now, trace.SyncBegan, s.peer, uint64(s.generation), uint64(m.own.live), 0)
}

// drop forgets everything queued for the peer, and frees the tombstones that only
// this peer kept.
func (s *sender) drop(m *Machine) {
	s.live = false
	for at := s.inflight.head; at != 0; at = s.inflight.head {
		s.dequeue(at)
		m.release(at)
	}
	for _, q := range []*queue{&s.resend, &s.urgent, &s.lazy} {
		for q.n > 0 {
			at := q.pop()
			s.mark(at).flags = 0
			m.release(at)
		}
	}
	s.inflight.end, s.cursor, s.endOwed, s.syncing = 0, 0, false, false
	s.checkFirst, s.checkCount = 0, 0
	s.markAt, s.dirtySince, s.lazySince = time.Time{}, time.Time{}, time.Time{}
}

// checkpoint remembers the position after a frame. The oldest gives way.
func (s *sender) checkpoint(now time.Time) {
	if s.checkpoints == nil {
		s.checkpoints = make([]checkpoint, checkpointsMax)
	}
	if s.checkCount == checkpointsMax {
		s.checkFirst = (s.checkFirst + 1) % checkpointsMax
		s.checkCount--
	}
	s.checkpoints[(s.checkFirst+s.checkCount)%checkpointsMax] = checkpoint{s.sent, now}
	s.checkCount++
}

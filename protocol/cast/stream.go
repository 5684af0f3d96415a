package cast

import "github.com/holdfast-ha/holdfast/protocol/view"

// stream is what is here of one member's packets. The own stream is one too: nothing is
// ever missing in it.
type stream struct {
	rank int
	ring []*slot   // by number, modulo its length, which is a power of two
	asks []instant // the same for missing packets: when it was last asked for; negative if more than once, 0 if never

	base uint64 // the first packet that is kept
	next uint64 // the first that is missing
	high uint64 // the last that is here, or next-1
	told uint64 // the last that is known to exist
	kept uint64 // after Freeze: the first packet that is not handed over, though it may be here

	released uint64 // by the local owner, as far as nothing here needs them
	stable   uint64 // all members have them
	let      uint64 // what of released was told to everybody

	begun  begun
	repair repair
}

// begun is a record of which only the beginning has been read in the stream's order.
type begun struct {
	open   bool
	number uint64 // the packet that it begins in
	offset int    // where its data begins there
	length int
	have   int
	early  bool
}

func newStream(rank int) stream {
	return stream{
		rank: rank, ring: make([]*slot, ringMin), asks: make([]instant, ringMin),
		base: 1, next: 1, repair: newRepair(),
	}
}

// at is the packet of this number, or nil.
func (s *stream) at(number uint64) *slot {
	if number-s.base >= uint64(len(s.ring)) { // also if it is before base
		return nil
	}
	return s.ring[number&uint64(len(s.ring)-1)]
}

// here says whether the packet is here, or was.
func (s *stream) here(number uint64) bool { return number < s.next || s.at(number) != nil }

// put keeps a packet. It must not be before base, nor ringMax or more beyond it.
func (s *stream) put(number uint64, sl *slot) {
	s.reach(number)
	i := number & uint64(len(s.ring)-1)
	s.ring[i], s.asks[i] = sl, 0
	s.high = max(s.high, number)
}

// reach makes the ring long enough for a number.
func (s *stream) reach(number uint64) {
	size := uint64(len(s.ring))
	if number-s.base < size {
		return
	}
	for number-s.base >= size {
		size *= 2
	}
	ring, asks := make([]*slot, size), make([]instant, size)
	old := uint64(len(s.ring))
	for n := s.base; n < s.base+old; n++ {
		ring[n&(size-1)], asks[n&(size-1)] = s.ring[n&(old-1)], s.asks[n&(old-1)]
	}
	s.ring, s.asks = ring, asks
}

// drop forgets packets up to a number.
func (s *stream) drop(upto uint64, p *pool) {
	for ; s.base <= upto; s.base++ {
		i := s.base & uint64(len(s.ring)-1)
		if sl := s.ring[i]; sl != nil {
			s.ring[i] = nil
			p.freeSlot(sl)
		}
	}
}

// ranges appends to a cut what is here, or was, as far as the stream's order goes, and what
// something was handed over from beyond that. The rest nobody has seen: if a view ends
// before the gap is closed, it may be forgotten.
func (s *stream) ranges(dst []view.Range) []view.Range {
	if s.next > 1 {
		dst = append(dst, view.Range{From: 1, To: s.next - 1})
	}
	if canary == ForgetfulHolding {
		return dst
	}
	for n := s.next + 1; n <= s.high; n++ {
		if !s.gave(n) {
			continue
		}
		from := n
		for s.gave(n + 1) {
			n++
		}
		dst = append(dst, view.Range{From: from, To: n})
	}
	return dst
}

// gave says whether something of a packet beyond a gap was handed over.
func (s *stream) gave(number uint64) bool {
	sl := s.at(number)
	return sl != nil && sl.gave
}

// take keeps a packet that is not here and hands over what it completes.
func (m *Machine) take(s *stream, number uint64, sl *slot, out *Output) {
	s.put(number, sl)
	s.told = max(s.told, number)
	m.agreed.stale |= bit(s.rank)
	if number != s.next {
		if !m.frozen || canary == DeafToFreeze {
			m.handEarly(s, number, sl, out)
		}
		return
	}
	for ; sl != nil; sl = s.at(s.next) {
		if !m.frozen || canary == DeafToFreeze {
			m.hand(s, s.next, sl, out)
		}
		s.next++
	}
	m.have(s)
}

func count(sl *slot) int {
	if sl != nil {
		return 1
	}
	return 0
}

// hand hands over the records that end in the packet, it being the next in the order of
// its stream. What contradicts itself is skipped up to the next record that the packet
// names; only a member that is not correct sends such.
func (m *Machine) hand(s *stream, number uint64, sl *slot, out *Output) {
	if sl.gave {
		sl.gave = false
		m.early--
	}
	body := sl.body()
	at := sl.first
	if s.begun.open {
		at = m.resume(s, number, sl, out)
	}
	for at >= 0 && at < len(body) {
		offset, length, early, ok := readHead(body, at)
		if !ok {
			m.malformed(s)
			return
		}
		if length < 0 {
			return
		}
		if length > len(body)-offset {
			s.begun = begun{open: true, number: number, offset: offset, length: length, have: len(body) - offset, early: early}
			return
		}
		at = offset + length
		if !early || !sl.beyond || canary == EarlyTwice {
			out.Records = append(out.Records, Record{Rank: s.rank, First: number, Last: number, Data: body[offset:at:at]})
		}
	}
}

// resume goes on with the record that earlier packets began. It returns where the first
// record of this one begins, or -1.
func (m *Machine) resume(s *stream, number uint64, sl *slot, out *Output) int {
	b := &s.begun
	left, size := b.length-b.have, len(sl.body())
	switch {
	case sl.first >= 0 && sl.first < left:
		m.malformed(s)
		b.open = false
	case left > size:
		b.have += size
	default:
		b.open = false
		if b.early && s.at(b.number).tail.done && canary != EarlyTwice {
			break
		}
		m.collect(s, Record{First: b.number, Last: number}, b.offset, left, out)
	}
	return sl.first
}

// collect hands over a record that lies in several packets, all here. It begins at an
// offset in the first and has so many bytes in the last.
func (m *Machine) collect(s *stream, r Record, offset, end int, out *Output) {
	sl := s.at(r.Last)
	m.pool.freeList(sl)
	sl.more = m.pool.list(int(r.Last - r.First))
	for n := r.First + 1; n < r.Last; n++ {
		sl.more = append(sl.more, s.at(n).body())
	}
	sl.more = append(sl.more, sl.body()[:end:end])
	r.Rank, r.Data, r.More = s.rank, s.at(r.First).body()[offset:], sl.more
	out.Records = append(out.Records, r)
}

// handEarly hands over the early records that a packet beyond a gap completes, as long as
// there are few such packets: each may be a range of its own in Holding.
func (m *Machine) handEarly(s *stream, number uint64, sl *slot, out *Output) {
	if m.early >= m.earlyMost {
		return // what is in it has to wait for its turn
	}
	sl.beyond = true
	body := sl.body()
	for at := sl.first; at >= 0 && at < len(body); {
		offset, length, early, ok := readHead(body, at)
		if !ok || length < 0 {
			break
		}
		if length > len(body)-offset {
			sl.tail = tail{offset: offset, length: length, waits: early}
			break
		}
		at = offset + length
		if early {
			m.give(s, number, number)
			out.Records = append(out.Records, Record{Rank: s.rank, First: number, Last: number, Early: true, Data: body[offset:at:at]})
		}
	}
	m.handTail(s, number, out)
	if sl.first == 0 {
		return // nothing goes on into it
	}
	for n := number - 1; ; n-- { // s.next is missing, so it ends there
		before := s.at(n)
		if before == nil {
			return
		}
		if before.first >= 0 {
			m.handTail(s, n, out)
			return
		}
	}
}

// handTail hands over the early record that begins in a packet and ends in a later one,
// if all of it is here.
func (m *Machine) handTail(s *stream, number uint64, out *Output) {
	sl := s.at(number)
	t := &sl.tail
	if !t.waits {
		return
	}
	left := t.length - (len(sl.body()) - t.offset)
	last, end := number, 0
	for left > 0 {
		last++
		after := s.at(last)
		if after == nil {
			return
		}
		if after.first >= 0 && after.first < left {
			t.waits = false // contradictory: see hand
			return
		}
		end = min(left, len(after.body()))
		left -= end
	}
	if m.early+int(last-number) >= m.earlyMost {
		return // it waits for its turn, or for Complete
	}
	m.give(s, number, last)
	t.waits, t.done = false, true
	m.collect(s, Record{First: number, Last: last, Early: true}, t.offset, end, out)
}

// give notes that something of these packets, beyond a gap, was handed over.
func (m *Machine) give(s *stream, from, to uint64) {
	for n := from; n <= to; n++ {
		if sl := s.at(n); !sl.gave {
			sl.gave = true
			m.early++
		}
	}
}

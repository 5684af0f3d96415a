package order

// stream is what is known of one member's stream in the present view.
type stream struct {
	chain ring[envelope] // FIFO or stronger, in stream order
	free  ring[envelope] // total without FIFO, in stream order
	loose ring[envelope] // without order; held for agreement, or for a slow owner
	ahead []envelope     // the same that came early, in stream order

	in, out uint64    // total messages received, and delivered
	keys    ring[key] // of those between; Lamport's always, the others' when a view is closed

	causes  uint64          // causal messages delivered
	marks   ring[causeMark] // where causal messages lie that are not agreed yet
	settled uint64          // causal messages that are agreed

	// Of the chain's head and all before it:
	need   []uint64 // by rank, how many causal messages must be delivered first
	needs  uint64   // ranks with any
	unmet  uint64   // ranks of which the head may lack some
	opened bool     // the head's own dependencies are in need

	agreed  uint64 // last packet that enough members hold
	waiting uint64 // streams whose head waits for a causal message of this one, or for its agreement

	top    uint64                // last packet of which every record was handed over
	beyond uint64                // the last packet in early
	early  [earlyMax / 64]uint64 // beyond top, packets of records that came early; a bit each
}

// key is a total message's place among all: less comes first.
type key struct {
	place uint64
	rank  int
}

func (k key) less(o key) bool { return k.place < o.place || k.place == o.place && k.rank < o.rank }

// causeMark is some causal messages that end in the same packet.
type causeMark struct{ last, count uint64 }

func (s *stream) reset(n int) {
	s.chain.clear()
	s.free.clear()
	s.loose.clear()
	clear(s.ahead)
	s.keys.clear()
	s.marks.clear()
	*s = stream{chain: s.chain, free: s.free, loose: s.loose, ahead: s.ahead[:0], keys: s.keys, marks: s.marks, need: renew(s.need, n)}
}

// hold keeps a message until it can be delivered.
func (s *stream) hold(e *envelope, early bool) {
	if e.order&Total != 0 {
		e.index = s.in
		s.in++
	}
	if e.order&causal != 0 {
		s.mark(e.last)
	}
	switch {
	case e.order&FIFO != 0 && (canary != Unchained || e.order&(Total|causal) != Total):
		*s.chain.push() = *e
	case e.order&Total != 0:
		*s.free.push() = *e
	case early:
		s.insert(e)
	default:
		*s.loose.push() = *e
	}
}

// insert puts an early message in its place among the early ones. One that begins earlier
// comes before one that ends in the same packet: Released looks at the first only.
func (s *stream) insert(e *envelope) {
	s.ahead = append(s.ahead, *e)
	for i := len(s.ahead) - 1; i > 0 && s.ahead[i-1].after(e); i-- {
		s.ahead[i-1], s.ahead[i] = s.ahead[i], s.ahead[i-1]
	}
}

// after says whether a message lies behind another in their stream.
func (e *envelope) after(o *envelope) bool {
	return e.first > o.first || e.first == o.first && e.last > o.last
}

func (s *stream) mark(last uint64) {
	if last <= s.agreed {
		s.settled++
		return
	}
	if s.marks.n > 0 {
		if m := s.marks.at(s.marks.n - 1); m.last == last {
			m.count++
			return
		}
	}
	*s.marks.push() = causeMark{last, 1}
}

func (s *stream) agree(packet uint64) {
	s.agreed = packet
	for s.marks.n > 0 && s.marks.front().last <= packet {
		s.settled += s.marks.front().count
		s.marks.pop()
	}
}

// nextTotal is the stream's next total message if it is here, and no message that must be
// delivered before it is held in the same stream. chained: it is the chain's head.
func (s *stream) nextTotal() (e *envelope, chained bool) {
	if s.free.n > 0 && s.free.front().index == s.out {
		return s.free.front(), false
	}
	if s.chain.n > 0 {
		if e := s.chain.front(); e.order&Total != 0 && e.index == s.out {
			return e, true
		}
	}
	return nil, false
}

// seen notes that a record was handed over. Records in order move top; so do early ones
// that lie right after it, for once the gap is filled nothing else can be in their packets.
func (s *stream) seen(first, last uint64, early bool) {
	if early {
		for p := max(first, s.top+1); p <= last && p < s.top+earlyMax; p++ {
			s.early[p%earlyMax/64] |= 1 << (p % 64)
			s.beyond = max(s.beyond, p)
		}
		return
	}
	for s.top < last && s.top < s.beyond {
		s.forget(s.top + 1)
	}
	s.top = max(s.top, last)
	for s.top < s.beyond && s.early[(s.top+1)%earlyMax/64]&(1<<((s.top+1)%64)) != 0 {
		s.forget(s.top + 1)
	}
}

// forget moves top over a packet.
func (s *stream) forget(p uint64) {
	s.early[p%earlyMax/64] &^= 1 << (p % 64)
	s.top = p
}

// Released is the last packet of a stream that is not needed any more: all messages that lie in it
// and before are delivered, and their payloads are not used again once the deliveries of the
// Output are done with. A packet beyond what was handed over is never released; of a record that has
// begun in a released packet and is not whole yet the machine knows nothing.
func (m *Machine) Released(rank int) uint64 {
	if !m.has(rank) {
		return 0
	}
	s := &m.streams[rank]
	if m.closed || canary == Careless {
		return s.top
	}
	p := s.top
	for _, r := range [...]*ring[envelope]{&s.chain, &s.free, &s.loose} {
		if r.n > 0 {
			p = min(p, r.front().first-1)
		}
	}
	if len(s.ahead) > 0 {
		p = min(p, s.ahead[0].first-1)
	}
	if first := m.engine.needs(rank); first > 0 {
		p = min(p, first-1)
	}
	return p
}

package transfer

import (
	"hash/crc32"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// donor is what a member keeps of the states that it serves: no state, only who is owed
// what.
type donor struct {
	offers    []offer
	withdrawn view.Name // the latest cut that is over
	sessions  []session // one a joiner's ID
}

// offer is a cut that is served.
type offer struct {
	cut   view.Name
	total uint64 // bytes; unknown until the owner says which are the last
}

// owed is a range that the owner was asked for and has not given.
type owed struct {
	span
	silent bool // for the sum alone; the joiner has it
	at     time.Duration
}

// session is one joiner at one cut.
type session struct {
	joiner view.Member
	cut    view.Name
	owed   []owed

	// The sum covers the bytes from the beginning up to summed, whoever needed them. What
	// passed out of order, and what another donor sent, the owner is asked for again at the end.
	summed uint64
	sum    uint32
	close  bool // the joiner has everything and waits for the sum
}

// Offer says that the owner has the state of a cut and answers every Ask for it, until
// Withdraw. size is in bytes, if it is known.
func (m *Machine) Offer(now time.Time, cut view.Name, size uint64, known bool) {
	m.enter(now)
	if !known || size > sizeMax {
		size = unknown
	}
	d := &m.donor
	if o := d.offer(cut); o != nil {
		o.total = min(o.total, size)
		return
	}
	if len(d.offers) == offersMax {
		oldest := slices.MinFunc(d.offers, func(a, b offer) int {
			if a.cut.Less(b.cut) {
				return -1
			}
			return 1
		})
		m.Withdraw(oldest.cut)
	}
	d.offers = append(d.offers, offer{cut: cut, total: size})
}

// Withdraw ends the serving of a cut: whoever still asks for it fails.
func (m *Machine) Withdraw(cut view.Name) {
	d := &m.donor
	d.offers = slices.DeleteFunc(d.offers, func(o offer) bool { return o.cut == cut })
	d.sessions = slices.DeleteFunc(d.sessions, func(s session) bool { return s.cut == cut })
	if d.withdrawn.Less(cut) {
		d.withdrawn = cut
	}
}

func (d *donor) offer(cut view.Name) *offer {
	for i := range d.offers {
		if d.offers[i].cut == cut {
			return &d.offers[i]
		}
	}
	return nil
}

// session finds that of a joiner, or begins it. A later life, or another cut, replaces the
// former one.
func (d *donor) session(joiner view.Member, cut view.Name) *session {
	for i := range d.sessions {
		s := &d.sessions[i]
		if s.joiner.ID != joiner.ID {
			continue
		}
		if s.joiner != joiner || s.cut != cut {
			*s = session{joiner: joiner, cut: cut, owed: s.owed[:0]}
		}
		return s
	}
	if len(d.sessions) == view.SeatMax {
		d.sessions = slices.Delete(d.sessions, 0, 1)
	}
	d.sessions = append(d.sessions, session{joiner: joiner, cut: cut})
	return &d.sessions[len(d.sessions)-1]
}

// wanted serves a request.
func (m *Machine) wanted(from view.Member, w *message, out *Output) {
	o := m.donor.offer(w.cut)
	if o == nil {
		// The joiner of a cut that is not offered yet asks again.
		if !m.donor.withdrawn.Less(w.cut) {
			m.said = message{kind: kindGone, cut: w.cut}
			m.send(from.ID, out)
		}
		return
	}
	s := m.donor.session(from, w.cut)
	s.owed = slices.DeleteFunc(s.owed, func(p owed) bool { return m.ran-p.at > pendingAge })
	if w.count == 0 {
		s.close = true
		m.total(s, o, out)
		return
	}
	beyond := false
	for _, r := range w.ranges[:w.count] {
		if o.total != unknown {
			r.size = int(min(uint64(r.size), max(o.total, r.offset)-r.offset))
		}
		if r.size == 0 {
			beyond = true
			continue
		}
		m.ask(s, r, false, out)
	}
	if beyond {
		m.piece(s, o, o.total, nil, out)
	}
}

// ask asks the owner for what of r it does not owe already.
func (m *Machine) ask(s *session, r span, silent bool, out *Output) {
	for i := range s.owed {
		p := &s.owed[i]
		end, rEnd := p.offset+uint64(p.size), r.offset+uint64(r.size)
		if r.offset >= end || rEnd <= p.offset {
			continue
		}
		p.silent = p.silent && silent
		if r.offset >= p.offset {
			if rEnd <= end {
				return
			}
			r = span{end, int(rEnd - end)}
		} else {
			r.size = int(p.offset - r.offset) // the rest is asked for again, if it has to be
		}
	}
	if r.size == 0 || len(s.owed) >= pendingMax {
		return
	}
	s.owed = append(s.owed, owed{r, silent, m.ran})
	out.Asks = append(out.Asks, Ask{To: s.joiner, Cut: s.cut, Offset: r.offset, Size: r.size})
}

// Data is the owner's answer to an Ask: the bytes of the state from offset on, data being
// free again when the call returns. Fewer than asked are fine: the rest is asked for at once. None means not
// yet: the joiner will ask again. last says that the state ends with these bytes, or, if there are none, at
// offset. What was not asked for, or not of late, has no effect.
func (m *Machine) Data(now time.Time, to view.Member, cut view.Name, offset uint64, data []byte, last bool, out *Output) {
	m.enter(now)
	o := m.donor.offer(cut)
	if o == nil {
		return
	}
	for i := range m.donor.sessions {
		if s := &m.donor.sessions[i]; s.joiner == to && s.cut == cut {
			m.give(s, o, offset, data, last, out)
			return
		}
	}
}

func (m *Machine) give(s *session, o *offer, offset uint64, data []byte, last bool, out *Output) {
	i := slices.IndexFunc(s.owed, func(p owed) bool { return p.offset == offset })
	if i < 0 {
		return
	}
	p := s.owed[i]
	s.owed[i] = s.owed[len(s.owed)-1]
	s.owed = s.owed[:len(s.owed)-1]
	if len(data) > p.size {
		data, last = data[:p.size], false
	}
	end := offset + uint64(len(data))
	if last {
		o.total = min(o.total, end)
	}
	if end > o.total {
		data = data[:max(o.total, offset)-offset]
		end = offset + uint64(len(data))
	}
	s.take(offset, data)
	switch {
	case p.silent:
	case len(data) > 0:
		m.pieces(s, o, offset, data, out)
	case last:
		m.piece(s, o, o.total, nil, out)
	}
	if rest := p.size - len(data); len(data) > 0 && rest > 0 && end < o.total {
		m.ask(s, span{end, rest}, p.silent, out)
	}
	if s.close || end == o.total {
		m.total(s, o, out)
	}
}

// take adds to the sum what goes on where it ends.
func (s *session) take(offset uint64, data []byte) {
	if end := offset + uint64(len(data)); offset <= s.summed && end > s.summed {
		s.sum = crc32.Update(s.sum, castagnoli, data[s.summed-offset:])
		s.summed = end
	}
}

// pieces sends data, cut at multiples of pieceSize of the state.
func (m *Machine) pieces(s *session, o *offer, offset uint64, data []byte, out *Output) {
	for len(data) > 0 {
		n := min(len(data), int(pieceSize-offset%pieceSize))
		m.piece(s, o, offset, data[:n], out)
		offset, data = offset+uint64(n), data[n:]
	}
}

func (m *Machine) piece(s *session, o *offer, offset uint64, data []byte, out *Output) {
	m.said.kind, m.said.cut = kindPiece, s.cut
	m.said.total, m.said.offset, m.said.data = o.total, offset, data
	m.send(s.joiner.ID, out)
	m.said.data = nil
}

// total sends the sum if it covers everything; and if it does not, and the joiner waits for
// it, asks the owner for what is missing.
func (m *Machine) total(s *session, o *offer, out *Output) {
	if s.summed == o.total {
		s.close = false
		m.said.kind, m.said.cut = kindSum, s.cut
		m.said.total, m.said.sum = o.total, s.sum
		m.send(s.joiner.ID, out)
		return
	}
	if s.close {
		size := min(o.total-s.summed, askMax)
		m.ask(s, span{s.summed, int(size)}, true, out)
	}
}

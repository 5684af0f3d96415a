package cast

import (
	"encoding/binary"
	"math/bits"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// due is what this member has to tell, and when.
type due struct {
	delay, releaseDelay instant

	ackNow    bool    // an acknowledgement leaves with the next Flush
	ackAt     instant // or then
	sender    bool    // nobody but its sender waits for the acknowledgement of an urgent packet
	aware     mask    // who has had an acknowledgement of all that was taken
	packets   int     // taken since the last one
	answer    mask    // who asked
	releaseAt instant // when the news of releases leaves, if no acknowledgement does before
	probeAt   instant // the earliest of the seats'
	departed  instant // when own packets left last
	departAt  instant // when the last packet leaves though it is not full
	unsure    bool    // packets left or came: somebody must have them acknowledged some time
}

// newDue is for a view with so many members that have streams.
func newDue(carriers int) due {
	crowd := instant(max(1, carriers/4))
	return due{
		delay: crowd * instant(ackDelay), releaseDelay: crowd * instant(releaseDelay),
		ackAt: never, releaseAt: never, probeAt: never, departAt: never,
	}
}

// took notes that something of a stream must be acknowledged.
func (d *due) took(at instant, rank int, urgent bool) {
	d.packets++
	d.unsure, d.aware = true, 0
	if d.packets >= ackEvery || urgent && !d.sender {
		d.ackNow = true
		return
	}
	if urgent {
		d.answer |= bit(rank)
	}
	if d.ackAt == never {
		d.ackAt = at + d.delay
	}
}

// appendAck appends what this member has and has released of every stream.
func (m *Machine) appendAck(b []byte) []byte {
	b = append(b, byte(len(m.streams)))
	for i := range m.streams {
		s := &m.streams[i]
		switch {
		case m.seats[i].Witness:
		case i == m.rank:
			b = binary.AppendUvarint(b, m.sent)
			b = binary.AppendUvarint(b, m.sent-min(s.stable, m.sent))
			b = binary.AppendUvarint(b, m.sent-min(s.released, m.sent))
		default:
			has := s.next - 1
			if canary == BoastfulAck {
				has = s.high
			}
			b = binary.AppendUvarint(b, has)
			b = binary.AppendUvarint(b, has-min(s.released, has))
		}
	}
	return b
}

// tell sends an acknowledgement to some members.
func (m *Machine) tell(to mask, flags byte, out *Output) {
	m.post(to, m.appendAck(m.begin(out, kindAck, flags)), out)
	m.counts.Acks++
}

// post ends a message for some members.
func (m *Machine) post(to mask, b []byte, out *Output) {
	id, list := m.address(to)
	out.End(id, wire.AllLinks, b)
	out.Send[len(out.Send)-1].Members = list
}

// address gives the addressee of an envelope for some members, at least one.
func (m *Machine) address(to mask) (view.ID, []view.ID) {
	if to&(to-1) == 0 {
		return m.seats[bits.TrailingZeros64(uint64(to))].ID, nil
	}
	if to == m.others {
		return view.Everyone, m.members
	}
	from := len(m.lists)
	for ; to != 0; to &= to - 1 {
		m.lists = append(m.lists, m.seats[bits.TrailingZeros64(uint64(to))].ID)
	}
	return view.Everyone, m.lists[from:len(m.lists):len(m.lists)]
}

// acknowledge sends the acknowledgements that are due.
func (m *Machine) acknowledge(out *Output) {
	d := &m.due
	to := d.answer
	switch {
	case d.ackNow:
		to = m.others
	case m.at >= d.ackAt:
		to |= m.others &^ d.aware
	}
	if d.ackNow || m.at >= d.ackAt {
		d.ackNow, d.ackAt, d.packets = false, never, 0
	}
	if m.at >= d.releaseAt {
		d.releaseAt = never
		for i := range m.streams {
			if s := &m.streams[i]; i != m.rank && s.released > s.let {
				to |= bit(i)
			}
		}
	}
	d.answer = 0
	if to == 0 {
		return
	}
	m.tell(to, 0, out)
	d.aware |= to
	for ; to != 0; to &= to - 1 {
		s := &m.streams[bits.TrailingZeros64(uint64(to))]
		s.let = s.released
	}
}

// onAck takes what a member says it has. It is read whole before anything takes effect.
func (m *Machine) onAck(from int, flags byte, payload []byte) wire.Reason {
	var has, released [view.SeatMax]uint64
	r := wire.NewReader(payload[messageAt:])
	if int(r.U8()) != len(m.streams) {
		return wire.Malformed
	}
	all := uint64(0) // of the sender's own stream, what all have
	for i := range m.streams {
		if m.seats[i].Witness {
			continue
		}
		has[i] = r.Uvarint()
		behind := r.Uvarint()
		if i == from {
			all = has[i] - min(behind, has[i])
			behind = r.Uvarint()
		}
		if has[i] > numberMax || behind > has[i] || i == m.rank && has[i] > m.sent {
			return wire.Malformed
		}
		released[i] = has[i] - behind
	}
	if !r.Done() || flags&^ackAsks != 0 {
		return wire.Malformed
	}
	p := &m.seats[from]
	news := false
	for i := range m.streams {
		if s := &m.streams[i]; has[i] > p.acked[i] {
			news = true
			m.raise(s, from, has[i])
		}
	}
	if s := &m.streams[from]; all > s.stable {
		s.stable = min(all, s.next-1)
		m.free(s)
	}
	if released[m.rank] > p.released {
		p.released, p.movedAt, news = released[m.rank], m.at, true
		m.relieve(from)
	}
	m.answerTo(from, flags, news)
	return wire.OK
}

// answerTo does what an acknowledgement asks for.
func (m *Machine) answerTo(from int, flags byte, news bool) {
	p := &m.seats[from]
	if news && p.probeAt != never {
		p.wait = m.probeWait()
		p.probeAt = m.at + p.wait
	}
	if flags&ackAsks != 0 && !m.frozen {
		m.due.answer |= bit(from)
	}
}

// raise notes that a member has more of a stream.
func (m *Machine) raise(s *stream, from int, has uint64) {
	p := &m.seats[from]
	old := p.acked[s.rank]
	p.acked[s.rank] = has
	m.agreed.stale |= bit(s.rank)
	if has > s.told && s.rank != m.rank {
		s.told = has
		s.repair.movedAt = m.at
	}
	if old <= s.stable {
		m.settle(s)
	}
	if s.rank == m.rank {
		m.reach()
	}
}

// have notes that this member has more of a stream.
func (m *Machine) have(s *stream) {
	mine := &m.seats[m.rank].acked[s.rank]
	old := *mine
	*mine = s.next - 1
	m.agreed.stale |= bit(s.rank)
	if old <= s.stable {
		m.settle(s)
	}
}

// settle finds out which packets of a stream all members have. The stream's sender has all.
func (m *Machine) settle(s *stream) {
	least := s.next - 1
	if s.rank == m.rank {
		least = m.sent
	}
	for to := m.others &^ bit(s.rank); to != 0; to &= to - 1 {
		least = min(least, m.seats[bits.TrailingZeros64(uint64(to))].acked[s.rank])
	}
	if least > s.stable {
		s.stable = least
		m.free(s)
	}
}

// reach finds out which own packets have arrived wherever they are waited for.
func (m *Machine) reach() {
	least := m.sent
	for to := m.others; to != 0; to &= to - 1 {
		if p := &m.seats[bits.TrailingZeros64(uint64(to))]; !p.suspected {
			least = min(least, p.acked[m.rank])
		}
	}
	if least > m.reached || least < m.reached { // it falls when a suspicion is taken back
		m.reached = least
		m.trip.arrived(m.at, least)
		m.window.arrived(least, m.sent)
	}
}

// relieve finds out which own packets everybody has released, after one has released
// more.
func (m *Machine) relieve(rank int) {
	least := m.seats[rank].released
	if canary == GreedyWindow {
		m.freed = m.last
		return
	}
	for to := m.others | bit(m.rank); to != 0; to &= to - 1 {
		least = min(least, m.seats[bits.TrailingZeros64(uint64(to))].released)
	}
	m.freed = max(m.freed, least)
}

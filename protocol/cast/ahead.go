package cast

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// ahead is what a member said in a view that this one is not in yet: it may be in it
// soon, and then knows at once what it had to drop.
type ahead struct {
	from   view.Member
	stamp  [stampSize]byte
	rank   int    // of the stream that a packet was of
	number uint64 // the last such packet, 0 if there was none
}

// noteAhead notes a message of this group and of another view.
func (m *Machine) noteAhead(from view.Member, payload []byte) {
	var a *ahead
	for i := range m.ahead {
		if m.ahead[i].from.ID == from.ID {
			a = &m.ahead[i]
		}
	}
	if a == nil {
		if len(m.ahead) == view.SeatMax {
			return
		}
		m.ahead = append(m.ahead, ahead{})
		a = &m.ahead[len(m.ahead)-1]
	}
	if name := [stampSize]byte(payload[stampAt:]); a.from != from || a.stamp != name {
		*a = ahead{from: from, stamp: name}
	}
	if kind(payload[0]) != kindPacket || len(payload) < recordsAt {
		return
	}
	rank, number := int(payload[messageAt]), binary.BigEndian.Uint64(payload[placeAt:])&numberMax
	if a.number == 0 || a.rank == rank {
		a.rank, a.number = rank, max(a.number, number)
	}
}

// catchUp looks, at the beginning of a view, for those who were in it before: their
// packets are asked for at once, and they are asked what they have.
func (m *Machine) catchUp() {
	for i := range m.ahead {
		a := &m.ahead[i]
		who := m.seatOf(a.from)
		if a.stamp != m.stamp || who < 0 || m.others&bit(who) == 0 {
			continue
		}
		m.seats[who].curious, m.seats[who].wait, m.seats[who].probeAt = true, m.probeWait(), m.at
		m.due.probeAt = m.at
		if a.number > 0 && a.number <= windowMost+reserve && a.rank < len(m.streams) && m.others&bit(a.rank) != 0 {
			s := &m.streams[a.rank]
			s.told = max(s.told, a.number)
			s.repair.movedAt = m.at - instant(reorderDelay) // surely missing
		}
	}
	m.ahead = m.ahead[:0]
}

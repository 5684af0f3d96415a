package cast

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Receive takes the payload of a frame on the channel [wire.Cast]; from is its
// authenticated sender. payload may be used again after it. Records that are complete now
// are in out.Records, those of a stream in its order but for early ones. What is wrong
// with the payload is counted and traced, nothing more.
func (m *Machine) Receive(now time.Time, from view.Member, payload []byte, out *Output) {
	m.clock(now)
	if why := m.receive(from, payload, out); why != wire.OK {
		m.dropped(from.ID, why)
	}
}

func (m *Machine) receive(from view.Member, payload []byte, out *Output) wire.Reason {
	if len(payload) < messageAt {
		return wire.Malformed
	}
	if !bytes.Equal(payload[stampAt:messageAt], m.stamp[:]) {
		if !bytes.Equal(payload[stampAt:stampAt+groupSize], m.stamp[:groupSize]) {
			return wire.ForeignGroup
		}
		if canary != ForeignView {
			m.noteAhead(from, payload)
			return wire.OtherView
		}
	}
	if m.rank < 0 {
		return wire.OtherView
	}
	who := m.seatOf(from)
	if who < 0 || m.others&bit(who) == 0 {
		return wire.UnknownSender
	}
	switch kind(payload[0]) {
	case kindPacket:
		return m.onPacket(payload, out)
	case kindAck:
		return m.onAck(who, payload[1], payload)
	case kindNack:
		return m.onNack(who, payload[1], payload)
	}
	return wire.Malformed
}

// seatOf is the rank of this very life, or -1.
func (m *Machine) seatOf(member view.Member) int {
	for i := range m.seats {
		if m.seats[i].Member == member {
			return i
		}
	}
	return -1
}

// onPacket takes a packet, from its sender or from another that has it.
func (m *Machine) onPacket(payload []byte, out *Output) wire.Reason {
	size := len(payload) - recordsAt
	if size <= 0 || payload[1]&^packetUrgent != 0 {
		return wire.Malformed
	}
	rank := int(payload[messageAt])
	place := binary.BigEndian.Uint64(payload[placeAt:])
	number, first := place&numberMax, int(place>>48)
	if first == noRecord {
		first = -1
	}
	if rank >= len(m.streams) || m.others&bit(rank) == 0 || number == 0 || first >= size || size > bodyMax {
		return wire.Malformed
	}
	s := &m.streams[rank]
	if s.here(number) {
		m.due.took(m.at, rank, false) // perhaps the acknowledgement was lost
		if sl := s.at(number); sl != nil && sl.asked {
			sl.asked = false
			s.repair.rash()
		}
		return wire.Duplicate
	}
	wanted := m.frozen && m.wanted(rank, number)
	if m.frozen && !wanted && canary != DeafToFreeze {
		return wire.Stale
	}
	if number > s.released+windowMost+reserve {
		return wire.Malformed // its sender cannot have been so far ahead
	}
	if number >= s.base+ringMax {
		m.record(trace.Overflow, m.seats[rank].ID, uint64(Ring), ringMax)
		return wire.Stale
	}
	if number > s.told {
		s.repair.movedAt = m.at
	}
	sl := m.fresh()
	sl.asked = s.repair.arrived(s, number, m.at)
	sl.n, sl.first = wire.HeaderSize+len(payload), first
	copy(sl.frame[wire.HeaderSize:], payload)
	m.take(s, number, sl, out)
	if wanted {
		m.fetch.missing--
		m.fetch.waiting = max(m.fetch.waiting-1, 0)
		m.fetch.tries = 0
		return wire.OK
	}
	m.due.took(m.at, rank, payload[1]&packetUrgent != 0)
	return wire.OK
}

package cast

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Room is how long a record Submit takes now, in bytes; 0 if this member is frozen, in no
// view, a witness, or too far ahead of the slowest member.
func (m *Machine) Room() int { return m.room(m.cfg.Window) }

// ControlRoom is the same for a record with the flag [Control].
func (m *Machine) ControlRoom() int { return m.room(windowMost + reserve) }

// RecordMax is the longest record in bytes that a sender with this window ever has room
// for: a longer one would wait forever. window is as in [Config].
func RecordMax(window int) int {
	if window == 0 {
		window = windowDefault
	}
	return min(window*bodyMax-overhead, recordMax)
}

// room is how long a record fits if so many packets may be on their way.
func (m *Machine) room(packets int) int {
	if m.rank < 0 || m.frozen {
		return 0
	}
	free := packets - int(m.last-m.freed)
	if free < 0 {
		return 0
	}
	room := free * bodyMax
	if m.open != nil {
		room += wire.FrameMax - m.open.n
	}
	return max(0, min(room-overhead, recordMax))
}

// Submit puts a record at the end of this member's stream, and into out.Records at once:
// to its sender a record is there when it is submitted. The record is the lead and then
// the body; either may be empty. A lead of up to [leadMax] bytes is never split over
// packets, so that it can be read where it lies. Submit reports false, and does nothing,
// if the record is longer than Room (or ControlRoom). Both may be used again. The packets
// leave with Flush.
func (m *Machine) Submit(now time.Time, lead, body []byte, flags Flags, out *Output) bool {
	packets := m.cfg.Window
	if flags&Control != 0 {
		packets = windowMost + reserve
	}
	length := len(lead) + len(body)
	if room := m.room(packets); length > room || room == 0 {
		return false
	}
	s := &m.streams[m.rank]
	code, size := recordHead(length, flags&Early != 0)
	whole := size
	if len(lead) <= leadMax {
		whole += len(lead)
	}
	m.done = false
	sl := m.filling(s)
	if wire.FrameMax-sl.n < whole {
		clear(sl.frame[sl.n:]) // the rest stays empty
		sl.n = wire.FrameMax
		m.open = nil
		sl = m.filling(s)
	}
	if sl.first < 0 {
		sl.first = sl.n - bodyAt
	}
	sl.n += putHead(sl.frame[sl.n:], code)
	offset, first := sl.n-bodyAt, m.last
	sl = m.put(s, m.put(s, sl, lead), body)
	if sl.n == wire.FrameMax {
		m.open = nil
	}
	sl.urgent = sl.urgent || flags&Urgent != 0
	if first == m.last {
		out.Records = append(out.Records, Record{Rank: m.rank, First: first, Last: first, Data: sl.body()[offset:len(sl.body()):len(sl.body())]})
	} else {
		m.collect(s, Record{First: first, Last: m.last}, offset, len(sl.body()), out)
	}
	return true
}

// put puts bytes of a record into the packet that is being filled, and into as many more
// as it takes. It gives the last one.
func (m *Machine) put(s *stream, sl *slot, b []byte) *slot {
	for {
		n := copy(sl.frame[sl.n:], b)
		sl.n += n
		if b = b[n:]; len(b) == 0 {
			return sl
		}
		m.open = nil
		sl = m.filling(s)
	}
}

// filling is the own packet that is being filled.
func (m *Machine) filling(s *stream) *slot {
	if m.open != nil {
		return m.open
	}
	sl := m.fresh()
	sl.n = bodyAt
	m.last++
	s.put(m.last, sl)
	s.next, s.told = m.last+1, m.last
	m.seats[m.rank].acked[m.rank] = m.last
	m.agreed.stale |= bit(m.rank)
	m.open = sl
	return sl
}

// fresh is an empty slot.
func (m *Machine) fresh() *slot {
	sl := m.pool.slot()
	sl.n, sl.first = 0, -1
	sl.urgent, sl.sealed, sl.beyond, sl.gave, sl.asked = false, false, false, false, false
	sl.tail = tail{}
	sl.want, sl.repeatedTo = 0, 0
	return sl
}

// putHead writes the head of a record and returns its size.
func putHead(b []byte, code uint64) int {
	if code < 1<<7 {
		b[0] = byte(code)
		return 1
	}
	if code < 1<<14 {
		b[0], b[1] = byte(code)|0x80, byte(code>>7)
		return 2
	}
	return binary.PutUvarint(b, code)
}

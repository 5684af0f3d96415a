package peers

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// The beginning of a state.
const (
	magic   = "HFPE"
	version = 1
)

// The flags of a state and of a session in it.
const (
	flagHas    = 1 << 0 // there is one
	flagOpened = 1 << 1
	flagGone   = 1 << 0
)

// Snapshot writes the state as of what was delivered, for who joins.
func (m *Machine) Snapshot(w io.Writer) error {
	b := append([]byte(magic), version)
	if m.service == nil {
		_, err := w.Write(append(b, 0))
		return err
	}
	flags := byte(flagHas)
	if m.opened {
		flags |= flagOpened
	}
	b = append(b, flags)
	for _, v := range [...]uint64{m.floor, uint64(m.lease), m.heard, uint64(m.next), m.index, uint64(m.at), uint64(len(m.seats))} {
		b = binary.AppendUvarint(b, v)
	}
	for i := range m.seats {
		s := &m.seats[i]
		for _, v := range [...]uint64{uint64(s.id), uint64(s.member.ID), uint64(s.member.Incarnation)} {
			b = binary.AppendUvarint(b, v)
		}
		flags := byte(0)
		if s.gone {
			flags = flagGone
		}
		b = append(b, flags)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(b)))
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("peers: write the state: %w", err)
	}
	return m.service.Snapshot(w)
}

// Restore reads a state in place of the present one. Viewed follows, with the view at whose beginning it was
// taken. What is wrong with it the error says; then this member has none.
func (m *Machine) Restore(now time.Time, r io.Reader, out *Output) error {
	m.drop(now, out)
	data, err := io.ReadAll(io.LimitReader(r, stateMax+1))
	if err != nil {
		return fmt.Errorf("peers: read the state: %w", err)
	}
	if len(data) > stateMax {
		return fmt.Errorf("peers: the state is longer than %d bytes: it is none of this group", stateMax)
	}
	if err := m.restore(now, data); err != nil {
		m.service, m.seats = nil, m.seats[:0]
		return err
	}
	m.restored = true
	return nil
}

func (m *Machine) restore(now time.Time, data []byte) error {
	r := wire.NewReader(data)
	if string(r.Bytes(len(magic))) != magic || r.U8() != version {
		return fmt.Errorf("peers: the state does not begin with %s and version %d: another program has written it", magic, version)
	}
	flags := r.U8()
	if flags&flagHas == 0 {
		if flags != 0 || !r.Done() {
			return fmt.Errorf("peers: a state that has nothing has %d bytes more", r.Len())
		}
		return nil
	}
	floor, lease, heard := r.Uvarint(), r.Uvarint(), r.Uvarint()
	next, index, at, n := r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint()
	if r.Failed() || flags > flagHas|flagOpened || lease < uint64(LeaseMin) || lease > uint64(LeaseMax) || at > atMax || n > sessionsMax || floor >= 1<<63 {
		return fmt.Errorf("peers: the head of the state makes no sense")
	}
	m.seats = m.seats[:0]
	last := uint64(0)
	for range n {
		id, who, life, flags := r.Uvarint(), r.Uvarint(), r.Uvarint(), r.U8()
		if r.Failed() || id <= last || id > next || who == 0 || who >= uint64(view.Everyone) || life == 0 || flags > flagGone {
			return fmt.Errorf("peers: a session after %d makes no sense", last)
		}
		last = id
		s := seat{id: session.ID(id), member: view.Member{ID: view.ID(who), Incarnation: view.Incarnation(life)}, gone: flags&flagGone != 0}
		if s.gone {
			s.until = now.Add(time.Duration(lease))
		}
		if canary == ForgetsGone {
			s.gone = false
		}
		m.seats = append(m.seats, s)
	}
	if size := len(data) - r.Len(); r.U32() != uint32(size) {
		return fmt.Errorf("peers: the head of the state has not the length that it says")
	}
	s := m.cfg.New(floor, time.Duration(lease))
	rest := r.Bytes(r.Len())
	if err := s.Restore(bytes.NewReader(rest)); err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	m.floor, m.lease, m.heard, m.next, m.index, m.at = floor, time.Duration(lease), heard, session.ID(next), index, time.Duration(at)
	m.service, m.opened, m.openAt = s, flags&flagOpened != 0, now.Add(m.lease)
	m.clock.Set(now, m.at)
	return nil
}

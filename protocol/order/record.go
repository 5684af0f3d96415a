package order

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// kind is the upper half of a record's first byte.
type kind uint8

const (
	message   kind = iota // the lower half is the Order
	numbers               // sequencer: whose messages come next
	handover              // sequencer: another member numbers from here on
	stamp                 // Lamport: the sender's clock
	proposals             // ISIS: priorities for messages of others
)

// envelope is a message that is held.
type envelope struct {
	record      []byte
	more        [][]byte // what of the payload is not in record
	number      uint64
	first, last uint64 // packets
	index       uint64 // among the total messages of its stream, from 0
	deps, body  uint16 // where these begin in record
	order       Order
}

// Encode appends the record of a message of this member to dst. Its payload is the end of it, and may as
// well be left out here and be put behind it later. The record must be submitted to
// the own stream before anything else is done with the machine: it tells what was delivered
// and what time it is. number is the message's among all since the member joined, from 1. It
// panics for an order that is not Valid and between views.
func (m *Machine) Encode(dst []byte, o Order, number uint64, payload []byte) []byte {
	if !o.Valid() {
		panic("order: Encode of an order that is not valid")
	}
	if m.closed {
		panic("order: Encode without a view to multicast in")
	}
	dst = append(dst, byte(message)<<4|byte(o))
	dst = binary.AppendUvarint(dst, number)
	if o&Total != 0 && m.cfg.Engine == Lamport {
		dst = binary.AppendUvarint(dst, m.engine.stamp())
	}
	if o&causal != 0 {
		dst = m.appendDeps(dst)
	}
	return append(dst, payload...)
}

// appendDeps tells, for every other member, how many more of its causal messages this one has
// delivered than when it last told.
func (m *Machine) appendDeps(dst []byte) []byte {
	changed := m.caused &^ (1 << m.self)
	dst = append(dst, byte(bits.OnesCount64(changed)))
	for ; changed != 0; changed &= changed - 1 {
		k := bits.TrailingZeros64(changed)
		dst = append(dst, byte(k))
		dst = binary.AppendUvarint(dst, m.streams[k].causes-m.said[k])
		m.said[k] = m.streams[k].causes
	}
	m.caused = 0
	return dst
}

// readable gives the parts of a record such that everything but a message's payload can be
// read from the first. Senders see to it that it mostly can be (cast.Machine.Submit); what is split all the
// same is copied together.
func (m *Machine) readable(record []byte, more [][]byte) ([]byte, [][]byte) {
	if len(record) == 0 {
		record, more = more[0], more[1:]
	}
	if len(record) > 0 && kind(record[0]>>4) != message {
		m.scratch = append(m.scratch[:0], record...)
		for i := 0; i < len(more) && len(m.scratch) <= ControlMax; i++ { // a longer one is malformed
			m.scratch = append(m.scratch, more[i]...)
		}
		return m.scratch, nil
	}
	for len(record) < HeaderMax && len(more) > 0 && !m.leads(record) {
		record, more = slices.Concat(record, more[0]), more[1:]
	}
	return record, more
}

// leads says whether a message's record can be read up to its payload.
func (m *Machine) leads(record []byte) bool {
	r := wire.NewReader(record)
	o := Order(r.U8() & 0x0f)
	r.Uvarint()
	if o&Total != 0 && m.cfg.Engine == Lamport {
		r.Uvarint()
	}
	if o&causal != 0 {
		for range r.U8() {
			r.U8()
			r.Uvarint()
		}
	}
	return !r.Failed()
}

// parse reads a message record. The payload is whatever is left.
func (m *Machine) parse(rank int, record []byte) (e envelope, clock uint64, ok bool) {
	r := wire.NewReader(record)
	e.order = Order(r.U8() & 0x0f)
	e.record, e.number = record, r.Uvarint()
	if e.order&Total != 0 && m.cfg.Engine == Lamport {
		clock = r.Uvarint()
	}
	if e.order&causal != 0 {
		e.deps = uint16(len(record) - r.Len())
		m.checkDeps(rank, &r)
	}
	if r.Failed() || !e.order.Valid() || e.number == 0 {
		return envelope{}, 0, false
	}
	e.body = uint16(len(record) - r.Len())
	return e, clock, true
}

func (m *Machine) checkDeps(rank int, r *wire.Reader) {
	former := -1
	for range r.U8() {
		k, more := int(r.U8()), r.Uvarint()
		if k <= former || k == rank || !m.has(k) || more == 0 || more > incrementMax {
			r.Fail()
			return
		}
		former = k
	}
}

// open adds the dependencies of a chain's head to those of the messages before it.
func (s *stream) open(e *envelope) {
	s.opened, s.unmet = true, 0
	r := wire.NewReader(e.record[e.deps:])
	for range r.U8() {
		k, more := int(r.U8()), r.Uvarint()
		if r.Failed() || k >= len(s.need) { // the record was whole when it came: see bug Careless
			return
		}
		if canary == ForgetsCauses {
			s.need[k] = 0
		}
		s.need[k] += more
		s.unmet |= 1 << k
	}
	s.needs |= s.unmet
}

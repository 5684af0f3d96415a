package takeover

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// messageSize is the length of a heartbeat (docs/rfc/0005-takeover.md).
const messageSize = 58

const kindHeartbeat = 1

// The flags of a heartbeat.
const (
	flagHealthy = 1 << iota
	flagSynced
	flagReady
	flagGoodbye
	flagAsks
	flagGranted
	flagsKnown = 1<<iota - 1
)

// message is one heartbeat: all that its sender says about itself.
type message struct {
	role      Role
	flags     uint8
	priority  uint8
	hears     uint8
	active    view.ID
	successor view.ID
	sequence  uint64
	heard     view.Incarnation
	epoch     view.Epoch
	raised    view.Epoch
	highest   view.Epoch
	offered   view.Epoch
}

func (s *message) is(flag uint8) bool { return s.flags&flag != 0 }

// claims says whether the sender holds the addresses by its own account.
func (s *message) claims() bool { return s.role == Active || s.role == Draining }

// append adds the message to b.
func (s *message) append(b []byte) []byte {
	b = append(b, kindHeartbeat, byte(s.role), s.flags, s.priority, s.hears, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(s.active))
	b = binary.BigEndian.AppendUint16(b, uint16(s.successor))
	b = binary.BigEndian.AppendUint64(b, s.sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(s.heard))
	b = binary.BigEndian.AppendUint64(b, uint64(s.epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(s.raised))
	b = binary.BigEndian.AppendUint64(b, uint64(s.highest))
	return binary.BigEndian.AppendUint64(b, uint64(s.offered))
}

// parse reads a heartbeat of a cluster with that many links. It judges the message by
// itself; whether it counts depends on what its receiver knows.
func parse(b []byte, links int) (s message, ok bool) {
	r := wire.NewReader(b)
	kind := r.U8()
	s.role, s.flags, s.priority, s.hears = Role(r.U8()), r.U8(), r.U8(), r.U8()
	reserved := r.U8()
	s.active, s.successor = view.ID(r.U16()), view.ID(r.U16())
	s.sequence, s.heard = r.U64(), view.Incarnation(r.U64())
	s.epoch, s.raised = view.Epoch(r.U64()), view.Epoch(r.U64())
	s.highest, s.offered = view.Epoch(r.U64()), view.Epoch(r.U64())
	if !r.Done() || kind != kindHeartbeat || reserved != 0 {
		return message{}, false
	}
	return s, s.role >= Waiting && s.role <= Stopped &&
		s.flags <= flagsKnown && uint(s.hears) < 1<<links && s.sequence > 0 &&
		max(s.epoch, s.raised, s.highest, s.offered) <= epochMax &&
		(s.hears == 0) == (s.heard == 0) &&
		(s.role != Promoting && !s.claims() || s.epoch > 0) &&
		(s.successor != view.Nobody) == (s.offered > 0) &&
		(!s.is(flagGranted) || s.offered > 0) &&
		(s.role != Draining || s.offered > 0)
}

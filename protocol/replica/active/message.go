package active

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// kind is what a message says. docs/rfc/0016-active.md has the layouts.
type kind uint8

const (
	kindCommand kind = 1 + iota // a request, stamped: a client's, or a member's letting time pass
	kindTell                    // nothing but the head
	kindDoubt                   // a digest differs
	kindRing                    // the digests of the last commands
)

// message is a message as it is read.
type message struct {
	kind   kind
	index  uint64   // of the last command that the sender had executed
	digest uint64   // of its state then
	body   []byte   // of a command
	ring   []uint64 // digests, the last of them at last
	last   uint64
}

// begin writes the head of a message.
func (m *Machine) begin(out *Output, k kind) []byte {
	b := append(out.Message(), byte(k))
	b = binary.AppendUvarint(b, m.exec.Index())
	return binary.BigEndian.AppendUint64(b, m.exec.Digest())
}

// read takes a message apart; false if it makes no sense.
func read(payload []byte) (message, bool) {
	r := wire.NewReader(payload)
	msg := message{kind: kind(r.U8()), index: r.Uvarint(), digest: r.U64()}
	if r.Failed() {
		return msg, false
	}
	switch msg.kind {
	case kindCommand:
		msg.body = r.Bytes(r.Len())
	case kindTell, kindDoubt:
	case kindRing:
		var ok bool
		if msg.last, msg.ring, ok = replica.ReadRing(&r); !ok {
			return msg, false
		}
	default:
		return msg, false
	}
	return msg, r.Done()
}

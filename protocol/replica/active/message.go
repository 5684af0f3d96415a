package active

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// kind is what a message says. docs/rfc/0016-active.md has the layouts.
type kind uint8

const (
	kindCommand kind = 1 + iota // a client's request
	kindTell                    // nothing but the head
	kindPass                    // time has passed
	kindDoubt                   // a digest differs
	kindRing                    // the digests of the last commands
)

// message is a message as it is read.
type message struct {
	kind   kind
	index  uint64 // of the last command that the sender had executed
	digest uint64 // of its state then
	at     time.Duration
	body   []byte   // of a command
	ring   []uint64 // digests, the last of them at last
	last   uint64
}

// begin writes the head of a message. The memory is the machine's no longer.
func (m *Machine) begin(k kind, now time.Time, _ *Output) []byte {
	b := make([]byte, 0, 64)
	b = append(b, byte(k))
	b = binary.AppendUvarint(b, m.exec.Index())
	b = binary.BigEndian.AppendUint64(b, m.exec.Digest())
	return binary.AppendUvarint(b, uint64(m.agreed(now)))
}

// read takes a message apart; false if it makes no sense.
func read(payload []byte) (message, bool) {
	r := wire.NewReader(payload)
	msg := message{kind: kind(r.U8()), index: r.Uvarint(), digest: r.U64(), at: time.Duration(r.Uvarint())}
	if r.Failed() || msg.at < 0 {
		return msg, false
	}
	switch msg.kind {
	case kindCommand:
		msg.body = r.Bytes(r.Len())
	case kindTell, kindPass, kindDoubt:
	case kindRing:
		msg.last = r.Uvarint()
		n := r.Uvarint()
		if n > ringMax || n > msg.last+1 {
			return msg, false
		}
		for range n {
			msg.ring = append(msg.ring, r.U64())
		}
	default:
		return msg, false
	}
	return msg, r.Done()
}

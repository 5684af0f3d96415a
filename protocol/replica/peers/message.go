package peers

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// kind is what a message says. docs/rfc/0023-peers.md has the layouts.
type kind uint8

const (
	kindFound  kind = 1 + iota // the state begins, with nothing
	kindOpen                   // the sender begins a session
	kindOpened                 // the window of the founding is over
	kindCall                   // for the service
	kindRenew                  // nothing but a sign of life
	kindClose                  // the sender ends its session
	kindOver                   // a session whose member is gone is over
)

// message is a message as it is read.
type message struct {
	kind    kind
	serial  uint64 // of the sender's messages
	number  uint64 // the floor: of Found, Open, Opened
	lease   time.Duration
	session session.ID
	at      time.Duration
	body    []byte
}

// begin writes the head of a message.
func (m *Machine) begin(out *Output, k kind) []byte {
	m.serial++
	return binary.AppendUvarint(append(out.messages, byte(k)), m.serial)
}

func appendFound(b []byte, floor uint64, lease time.Duration) []byte {
	return binary.AppendUvarint(binary.BigEndian.AppendUint64(b, floor), uint64(lease))
}

func appendOpen(b []byte, floor uint64) []byte { return binary.BigEndian.AppendUint64(b, floor) }

func appendID(b []byte, id session.ID) []byte { return binary.BigEndian.AppendUint64(b, uint64(id)) }

func appendCall(b []byte, id session.ID, at time.Duration, body []byte) []byte {
	return append(binary.AppendUvarint(appendID(b, id), uint64(at)), body...)
}

// read takes a message apart; false if it makes no sense.
func read(payload []byte) (message, bool) {
	r := wire.NewReader(payload)
	msg := message{kind: kind(r.U8()), serial: r.Uvarint()}
	switch msg.kind {
	case kindFound:
		msg.number = r.U64()
		if n := r.Uvarint(); n < uint64(LeaseMin) || n > uint64(LeaseMax) || msg.number >= 1<<63 {
			r.Fail()
		} else {
			msg.lease = time.Duration(n)
		}
	case kindOpen, kindOpened:
		msg.number = r.U64()
	case kindRenew, kindClose, kindOver:
		msg.session = session.ID(r.U64())
	case kindCall:
		msg.session = session.ID(r.U64())
		if n := r.Uvarint(); n > atMax {
			r.Fail()
		} else {
			msg.at = time.Duration(n)
		}
		if msg.body = r.Bytes(r.Len()); len(msg.body) > BodyMax {
			r.Fail()
		}
	default:
		return msg, false
	}
	return msg, r.Done()
}

// atMax is the greatest agreed time that is believed: 73 years.
const atMax = 1<<61 - 1

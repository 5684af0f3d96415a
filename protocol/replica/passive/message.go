package passive

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// kind is what a message says. docs/rfc/0019-passive.md has the layouts.
type kind uint8

const (
	kindUpdate kind = 1 + iota // a request that the primary has executed
	kindDoubt                  // the digest after an update is not the primary's
	kindRing                   // the digests of the last commands
	kindAsk                    // a request that came to a backup, for the primary
	kindTell                   // the digest after an update that was delivered
)

// message is a message as it is read.
type message struct {
	kind   kind
	epoch  view.Epoch
	index  uint64
	digest uint64   // update, tell: after it
	origin view.ID  // update: whose client has asked; Nobody: the primary's
	tag    uint64   // ask, and update of an origin: the how manieth request of that member it is
	body   []byte   // update, ask: the request
	ring   []uint64 // digests, the last of them at last
}

// begin writes the head of a message.
func (m *Machine) begin(out *replica.Output, k kind) []byte {
	b := append(out.Message(), byte(k))
	return binary.AppendUvarint(b, uint64(m.view.Name.Epoch))
}

// read takes a message apart; false if it makes no sense.
func read(payload []byte) (message, bool) {
	r := wire.NewReader(payload)
	msg := message{kind: kind(r.U8()), epoch: view.Epoch(r.Uvarint())}
	switch msg.kind {
	case kindUpdate:
		msg.index, msg.digest = r.Uvarint(), r.U64()
		if origin := r.Uvarint(); origin != 0 {
			msg.origin, msg.tag = view.ID(origin), r.Uvarint()
			if uint64(msg.origin) != origin {
				return msg, false
			}
		}
		msg.body = r.Bytes(r.Len())
	case kindAsk:
		msg.tag = r.Uvarint()
		msg.body = r.Bytes(r.Len())
	case kindDoubt:
		msg.index = r.Uvarint()
	case kindTell:
		msg.index, msg.digest = r.Uvarint(), r.U64()
	case kindRing:
		var ok bool
		if msg.index, msg.ring, ok = replica.ReadRing(&r); !ok {
			return msg, false
		}
	default:
		return msg, false
	}
	return msg, r.Done()
}

package voted

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// kind is what a message says. docs/rfc/0020-voted.md has the layouts.
type kind uint8

const (
	kindCommand kind = 1 + iota
	kindVotes
	kindReplies
	kindTell // the digest of a member that does not vote
)

// message is a message as it is read.
type message struct {
	kind  kind
	body  []byte // of a command
	epoch view.Epoch
	first uint64 // tell: the last command
	count int
	sum   uint64 // tell: the digest after it
	rest  []byte // the votes
}

// read takes a message apart; false if it makes no sense.
func read(payload []byte) (message, bool) {
	r := wire.NewReader(payload)
	msg := message{kind: kind(r.U8())}
	if msg.kind == kindCommand {
		msg.body = r.Bytes(r.Len())
		return msg, r.Done()
	}
	if msg.kind == kindTell {
		msg.epoch, msg.first, msg.sum = view.Epoch(r.Uvarint()), r.Uvarint(), r.U64()
		return msg, r.Done()
	}
	if msg.kind != kindVotes && msg.kind != kindReplies {
		return msg, false
	}
	msg.epoch, msg.first = view.Epoch(r.Uvarint()), r.Uvarint()
	count := r.Uvarint()
	msg.rest = r.Bytes(r.Len())
	if r.Failed() || count > votesMax || msg.first == 0 || msg.first > 1<<63 {
		return msg, false
	}
	msg.count = int(count)
	if msg.kind == kindVotes {
		return msg, len(msg.rest) == 8*msg.count
	}
	in := wire.NewReader(msg.rest)
	for range msg.count {
		if b := in.Block(1 + comparedMax); len(b) == 0 || b[0] > 1 || b[0] == 1 && len(b) != 9 {
			return msg, false
		}
	}
	return msg, in.Done()
}

// each gives each vote, with its body if it is a reply.
func (msg *message) each(fn func(index, sum uint64, body []byte)) {
	in := wire.NewReader(msg.rest)
	for i := range uint64(msg.count) {
		if msg.kind == kindVotes {
			fn(msg.first+i, in.U64(), nil)
			continue
		}
		b := in.Block(1 + comparedMax)
		if b[0] == 1 {
			fn(msg.first+i, binary.BigEndian.Uint64(b[1:]), nil)
		} else {
			fn(msg.first+i, sumOf(b[1:]), b[1:])
		}
	}
}

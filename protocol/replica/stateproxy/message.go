package stateproxy

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// kind is the first byte of a payload. The formats are fixed by docs/rfc/0003-stateproxy.md.
type kind uint8

const (
	kindHello kind = 1 // I live; which of your lives do you know me to know?
	kindData  kind = 2 // numbered messages
	kindMark  kind = 3 // this is how far the numbers go, and their digest: confirm
	kindAck   kind = 4 // I have settled all numbers up to here, and this is my digest
	kindNack  kind = 5 // these numbers are missing
)

// op is the kind of one numbered message; it shares a number with the slot.
type op uint64

const (
	opNew     op = 0 // slot, key, state
	opUpdate  op = 1 // slot, how many leading bytes of the state stay, the rest of the state
	opDestroy op = 2 // slot
	opEnd     op = 3 // slot 0: the resync is complete; how many objects it announced
	opBits       = 2
)

// numberSizeMax is the most a message's fixed parts take: three numbers of up to ten
// bytes. Bodies come on top.
const numberSizeMax = 30

// head is the part that every kind but Hello begins with, after the kind itself.
type head struct {
	life       view.Incarnation // of the receiver; another life drops the message
	generation uint32           // of the source's numbering for this receiver
}

func appendHead(dst []byte, k kind, h head) []byte {
	dst = append(dst, byte(k))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.life))
	return binary.BigEndian.AppendUint32(dst, h.generation)
}

func readHead(r *wire.Reader) head {
	return head{life: view.Incarnation(r.U64()), generation: r.U32()}
}

// position is how far a stream goes. In an Ack: how far it has been settled.
type position struct {
	upto   uint64 // every number up to here
	digest uint64 // of the objects after it
	count  uint64 // of objects after it
}

func appendPosition(dst []byte, p position) []byte {
	dst = binary.AppendUvarint(dst, p.upto)
	dst = binary.BigEndian.AppendUint64(dst, p.digest)
	return binary.AppendUvarint(dst, p.count)
}

func readPosition(r *wire.Reader) position {
	return position{upto: r.Uvarint(), digest: r.U64(), count: r.Uvarint()}
}

// Flags of an Ack.
const (
	ackGapless  = 1 << 0 // nothing beyond upto was received: the digest is that of upto
	ackComplete = 1 << 1 // the resync of this generation has ended here
)

func appendOp(dst []byte, o op, s slot) []byte {
	return binary.AppendUvarint(dst, uint64(s)<<opBits|uint64(o))
}

// message is one numbered message as read.
type message struct {
	op     op
	slot   slot
	key    []byte
	state  []byte // New: all of it; Update: what follows the prefix
	prefix int    // Update: how many bytes stay
	count  uint64 // End
}

// readMessage reads the next message of a Data payload; a message that breaks a limit
// leaves r failed.
func readMessage(r *wire.Reader) message {
	v := r.Uvarint()
	if v>>opBits > ObjectsMax*2 {
		r.Fail()
	}
	msg := message{op: op(v & (1<<opBits - 1)), slot: slot(v >> opBits)}
	switch msg.op {
	case opNew:
		msg.key = r.Block(KeyMax)
		msg.state = r.Block(StateMax)
	case opUpdate:
		p := r.Uvarint()
		if p > StateMax {
			r.Fail()
		}
		msg.prefix = int(p)
		msg.state = r.Block(StateMax)
	case opEnd:
		msg.count = r.Uvarint()
	}
	if (msg.op == opEnd) != (msg.slot == 0) || (msg.op == opNew && len(msg.key) == 0) {
		r.Fail()
	}
	return msg
}

// appendSpans writes ascending ranges: how many, then for each the distance from the
// end of the one before and its length less one.
func appendSpans(dst []byte, spans []span) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(spans)))
	last := uint64(0)
	for _, s := range spans {
		dst = binary.AppendUvarint(dst, s.from-last-1)
		dst = binary.AppendUvarint(dst, s.to-s.from)
		last = s.to
	}
	return dst
}

// readSpans reads what appendSpans wrote, to the end of the message; ok is false if it
// breaks a limit. There is one range at least.
func readSpans(r *wire.Reader, dst []span) (spans []span, ok bool) {
	n := r.Uvarint()
	if n == 0 || n > nackRanges {
		return nil, false
	}
	last := uint64(0)
	for range n {
		from := last + 1 + r.Uvarint()
		to := from + r.Uvarint()
		if from <= last || to < from || to > numberMax {
			return nil, false
		}
		dst = append(dst, span{from, to})
		last = to
	}
	return dst, r.Done()
}

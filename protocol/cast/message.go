package cast

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// kind is the first byte of a message.
type kind uint8

const (
	kindPacket kind = 1 + iota
	kindAck
	kindNack
)

// The flags are the second byte.
const (
	packetUrgent = 1 << iota // packet: acknowledge at once
)

const (
	ackAsks = 1 << iota // ack: answer with one, to this member alone
)

// Offsets in a message. The stamp names the group and the view.
const (
	stampAt   = 2
	stampSize = 4 + 8 + 4 + 2
	messageAt = stampAt + stampSize // where a message's own fields begin
	placeAt   = messageAt + 1       // packet: after the rank
	recordsAt = placeAt + 8         // packet: its records
	bodyAt    = wire.HeaderSize + recordsAt

	groupSize = 4
)

// noRecord stands for the place of a packet's first record if none begins in it.
const noRecord = 1<<16 - 1

// stamp is what a message of this view of this group has at stampAt.
func stamp(group uint32, n view.Name) (s [stampSize]byte) {
	b := binary.BigEndian.AppendUint32(s[:0], group)
	b = binary.BigEndian.AppendUint64(b, uint64(n.Epoch))
	b = binary.BigEndian.AppendUint32(b, n.Round)
	binary.BigEndian.AppendUint16(b, uint16(n.By))
	return s
}

// headMax is the longest head of a record: its length, plus one, and the early flag as
// one number of seven bits a byte, recordMax being below 1<<26.
const headMax = 4

// recordHead is what a record begins with; headSize is how many bytes that takes.
func recordHead(length int, early bool) (code uint64, size int) {
	code = uint64(length+1) << 1
	if early {
		code |= 1
	}
	switch {
	case code < 1<<7:
		return code, 1
	case code < 1<<14:
		return code, 2
	case code < 1<<21:
		return code, 3
	}
	return code, 4
}

// readHead reads the head of a record at body[at]. offset is where its data begins. At a
// zero byte the records of the packet end: the offset is len(body) and the length is -1. ok
// is false if the head is malformed.
func readHead(body []byte, at int) (offset, length int, early, ok bool) {
	code := uint64(body[at])
	switch {
	case code == 0:
		return len(body), -1, false, true
	case code < 0x80:
		at++
	case at+1 < len(body) && body[at+1] < 0x80 && body[at+1] != 0:
		code = code&0x7f | uint64(body[at+1])<<7
		at += 2
	default:
		v, n := binary.Uvarint(body[at:])
		if n <= 0 || body[at+n-1] == 0 {
			return 0, 0, false, false
		}
		code = v
		at += n
	}
	if code>>1 == 0 || code>>1 > recordMax+1 {
		return 0, 0, false, false
	}
	return at, int(code>>1) - 1, code&1 != 0, true
}

// begin starts a message that is not a packet.
func (m *Machine) begin(out *Output, k kind, flags byte) []byte {
	b := out.Begin(m.header())
	b = append(b, byte(k), flags)
	return append(b, m.stamp[:]...)
}

func (m *Machine) header() wire.Header {
	return wire.Header{Channel: wire.Cast, Fingerprint: m.cfg.Fingerprint}
}

// appendRanges appends ranges, ascending and apart, as readRanges reads them.
func appendRanges(b []byte, ranges []view.Range) []byte {
	b = binary.AppendUvarint(b, uint64(len(ranges)))
	next := uint64(1)
	for _, r := range ranges {
		b = binary.AppendUvarint(b, r.From-next)
		b = binary.AppendUvarint(b, r.To-r.From)
		next = r.To + 1
	}
	return b
}

// readRanges reads 1 to nackPackets ranges up to the end of r and appends them to dst.
func readRanges(r *wire.Reader, dst []view.Range) ([]view.Range, bool) {
	n := r.Uvarint()
	if n == 0 || n > nackPackets {
		return dst, false
	}
	next := uint64(1)
	for i := range n {
		skip, more := r.Uvarint(), r.Uvarint()
		if r.Failed() || i > 0 && skip == 0 || skip > numberMax || more > numberMax || next+skip+more > numberMax {
			return dst, false
		}
		dst = append(dst, view.Range{From: next + skip, To: next + skip + more})
		next += skip + more + 1
	}
	return dst, r.Done()
}

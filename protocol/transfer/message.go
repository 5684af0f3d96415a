package transfer

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// The kinds of messages (docs/rfc/0010-transfer.md).
const (
	kindWant  = 1
	kindPiece = 2
	kindSum   = 3
	kindGone  = 4
)

// span is a range of the state's bytes.
type span struct {
	offset uint64
	size   int
}

// message is any of them; each kind uses some fields.
type message struct {
	kind  uint8
	group uint32
	cut   view.Name

	life   view.Incarnation // Want: of the donor that is asked
	ranges [rangesMax]span  // Want
	count  int              // Want: of ranges; zero asks for the sum
	total  uint64           // Piece, Sum: size of the state; unknown in a Piece
	offset uint64           // Piece
	data   []byte           // Piece; aliases what was parsed
	sum    uint32           // Sum
}

// head begins every message.
func head(b []byte, kind uint8, group uint32, cut view.Name) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, group)
	b = binary.BigEndian.AppendUint64(b, uint64(cut.Epoch))
	b = binary.BigEndian.AppendUint32(b, cut.Round)
	return binary.BigEndian.AppendUint16(b, uint16(cut.By))
}

// append adds the message to b.
func (s *message) append(b []byte) []byte {
	b = head(b, s.kind, s.group, s.cut)
	switch s.kind {
	case kindWant:
		b = binary.BigEndian.AppendUint64(b, uint64(s.life))
		b = append(b, byte(s.count))
		for _, r := range s.ranges[:s.count] {
			b = binary.BigEndian.AppendUint64(b, r.offset)
			b = binary.BigEndian.AppendUint32(b, uint32(r.size))
		}
	case kindPiece:
		b = binary.BigEndian.AppendUint64(b, s.total)
		b = binary.BigEndian.AppendUint64(b, s.offset)
		b = append(b, s.data...)
	case kindSum:
		b = binary.BigEndian.AppendUint64(b, s.total)
		b = binary.BigEndian.AppendUint32(b, s.sum)
	}
	return b
}

// parse reads a message into s. It judges it by itself; whether it counts depends on what
// its receiver does.
func (s *message) parse(b []byte) bool {
	r := wire.NewReader(b)
	s.kind, s.group = r.U8(), r.U32()
	s.cut = view.Name{Epoch: view.Epoch(r.U64()), Round: r.U32(), By: view.ID(r.U16())}
	s.count, s.data = 0, nil
	switch s.kind {
	case kindWant:
		s.wants(&r)
	case kindPiece:
		s.total, s.offset = r.U64(), r.U64()
		s.data = r.Bytes(r.Len())
		end := s.offset + uint64(len(s.data))
		switch {
		case s.total > sizeMax && s.total != unknown,
			s.offset > sizeMax || end > s.total,
			s.offset%pieceSize+uint64(len(s.data)) > pieceSize,
			len(s.data) == 0 && s.total == unknown:
			r.Fail()
		}
	case kindSum:
		s.total, s.sum = r.U64(), r.U32()
		if s.total > sizeMax {
			r.Fail()
		}
	case kindGone:
	default:
		return false
	}
	return r.Done()
}

func (s *message) wants(r *wire.Reader) {
	s.life, s.count = view.Incarnation(r.U64()), int(r.U8())
	if s.count > rangesMax {
		r.Fail()
		return
	}
	sum := 0
	for i := range s.count {
		s.ranges[i] = span{r.U64(), int(r.U32())}
		if g := s.ranges[i]; g.size == 0 || g.size > askMax || g.offset > sizeMax-uint64(g.size) {
			r.Fail()
			return
		}
		sum += s.ranges[i].size
	}
	if sum > windowMax*pieceSize {
		r.Fail()
	}
}

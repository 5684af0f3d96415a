package duo

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// The kinds of messages, docs/rfc/0025-duo.md.
const (
	kindRequest = 1 // a piece of a client's request
	kindReply   = 2 // a piece of an answer
	kindAsk     = 3 // to the arbiter
	kindVerdict = 4 // of the arbiter
	kindTerms   = 5 // what both servers must have alike
)

// pieceHead is what stands before a piece's data, and verdictSize all of a verdict.
const pieceHead = keySize + 1 + 8 + 4 + 4 + 4

// caller is a client as both members call it: the number of the member that it speaks with, 16 bits; the last 16 bits of that one's
// incarnation; and 32 bits of the connection. 0 is nobody.
type caller uint64

func nameCaller(at view.Member, connection uint64) caller {
	if connection == 0 {
		return 0
	}
	return caller(at.ID)<<48 | caller(uint16(at.Incarnation))<<32 | caller(uint32(connection))
}

func (c caller) member() view.ID { return view.ID(c >> 48) }

func (c caller) connection() uint64 { return uint64(uint32(c)) }

// of says whether it is a client of this life of a member.
func (c caller) of(m view.Member) bool {
	return c.member() == m.ID && uint16(c>>32) == uint16(m.Incarnation)
}

// piece is a part of a request or of an answer.
type piece struct {
	kind   byte
	client caller
	serial uint32 // one more with each request, or answer
	size   int    // of all
	offset int
	data   []byte
}

func (p *piece) append(b []byte) []byte {
	b = append(b, p.kind)
	b = binary.BigEndian.AppendUint64(b, uint64(p.client))
	b = binary.BigEndian.AppendUint32(b, p.serial)
	b = binary.BigEndian.AppendUint32(b, uint32(p.size))
	b = binary.BigEndian.AppendUint32(b, uint32(p.offset))
	return append(b, p.data...)
}

// parsePiece reads what follows the service's key.
func parsePiece(b []byte) (piece, bool) {
	r := wire.NewReader(b)
	p := piece{kind: r.U8(), client: caller(r.U64()), serial: r.U32(), size: int(r.U32()), offset: int(r.U32())}
	p.data = r.Bytes(r.Len())
	most := session.RequestMax
	if p.kind == kindReply {
		most = session.ReplyMax
	}
	sound := r.Done() && (p.kind == kindRequest || p.kind == kindReply) && p.client != 0 && len(p.data) > 0 &&
		p.size <= most && p.offset <= p.size-len(p.data)
	return p, sound
}

// ask is a member's question to the arbiter: whether it may go on alone in an epoch, base being the last of both.
type ask struct{ base, epoch view.Epoch }

func (a *ask) append(b []byte) []byte {
	b = append(b, kindAsk)
	b = binary.BigEndian.AppendUint64(b, uint64(a.base))
	return binary.BigEndian.AppendUint64(b, uint64(a.epoch))
}

func parseAsk(b []byte) (ask, bool) {
	r := wire.NewReader(b)
	kind := r.U8()
	a := ask{view.Epoch(r.U64()), view.Epoch(r.U64())}
	return a, r.Done() && kind == kindAsk && a.epoch > a.base
}

// verdict is the arbiter's answer.
type verdict struct {
	epoch   view.Epoch
	granted bool
}

func (v *verdict) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, kindVerdict), uint64(v.epoch))
	if v.granted {
		return append(b, 1)
	}
	return append(b, 0)
}

func parseVerdict(b []byte) (verdict, bool) {
	r := wire.NewReader(b)
	kind := r.U8()
	v := verdict{epoch: view.Epoch(r.U64())}
	granted := r.U8()
	v.granted = granted == 1
	return v, r.Done() && kind == kindVerdict && granted <= 1 && v.epoch != 0
}

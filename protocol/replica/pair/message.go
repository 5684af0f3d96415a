package pair

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// The kinds of messages, docs/rfc/0017-pair.md.
const (
	kindStatement = 1
	kindPiece     = 2
)

// The flags of a statement.
const (
	flagKnown = 1 << iota // kept is from a disk
	flagGap               // a piece came behind upto
	flagAgain             // the stream is of no use; another one is needed
	flagLogs              // the sender logs what it executes
	flagHolds             // it has the state that its log has, and has not given it up
	flagMost  = flagHolds
)

// statement is all that a member says about itself. The newest replaces those before.
type statement struct {
	role     Role
	flags    uint8
	heard    view.Incarnation // of the receiver; 0: it is not heard
	sequence uint64
	epoch    view.Epoch // in which the sender has its role; 0: it has no state
	highest  view.Epoch // that the sender knows of
	kept     view.Epoch // the highest that was saved
	base     uint64     // the index at which epoch began; who is empty and logs: of the last command in its log
	index    uint64     // of the sender's last command
	digest   uint64     // after it; who is empty and logs: in which life its log was begun, 0: it is not yet
	differs  uint64     // the first command after which the states differ; 0: none
	stream   uint32     // that is sent, or received
	upto     uint64     // backup: received up to there
}

func (s *statement) append(b []byte) []byte {
	b = append(b, kindStatement, byte(s.role), s.flags)
	for _, v := range [...]uint64{
		uint64(s.heard), s.sequence, uint64(s.epoch), uint64(s.highest), uint64(s.kept),
		s.base, s.index, s.digest, s.differs, uint64(s.stream), s.upto,
	} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

func parseStatement(b []byte) (statement, bool) {
	r := wire.NewReader(b)
	kind := r.U8()
	s := statement{
		role: Role(r.U8()), flags: r.U8(), heard: view.Incarnation(r.U64()), sequence: r.U64(),
		epoch: view.Epoch(r.U64()), highest: view.Epoch(r.U64()), kept: view.Epoch(r.U64()),
		base: r.U64(), index: r.U64(), digest: r.U64(), differs: r.U64(),
	}
	stream := r.U64()
	s.stream, s.upto = uint32(stream), r.U64()
	sound := r.Done() && kind == kindStatement && s.role >= Empty && s.role < roleEnd && s.flags < 2*flagMost && s.sequence > 0 && stream>>32 == 0 &&
		s.epoch <= s.highest && s.kept <= s.highest && s.highest <= epochMax && (s.role == Halting || (s.epoch == 0) == (s.role == Empty))
	return s, sound
}

// piece is a part of a stream: of the snapshot that it begins with, or of the records that follow.
type piece struct {
	heard    view.Incarnation // of the receiver
	epoch    view.Epoch       // of the sender
	stream   uint32
	snapshot uint64 // bytes
	offset   uint64
	data     []byte // aliases what was parsed
}

func (p *piece) append(b []byte) []byte {
	b = append(b, kindPiece)
	b = binary.BigEndian.AppendUint64(b, uint64(p.heard))
	b = binary.BigEndian.AppendUint64(b, uint64(p.epoch))
	b = binary.BigEndian.AppendUint32(b, p.stream)
	b = binary.BigEndian.AppendUint64(b, p.snapshot)
	b = binary.BigEndian.AppendUint64(b, p.offset)
	return append(b, p.data...)
}

func parsePiece(b []byte) (piece, bool) {
	r := wire.NewReader(b)
	kind := r.U8()
	p := piece{
		heard: view.Incarnation(r.U64()), epoch: view.Epoch(r.U64()), stream: r.U32(),
		snapshot: r.U64(), offset: r.U64(),
	}
	p.data = r.Bytes(r.Len())
	sound := r.Done() && kind == kindPiece && p.heard != 0 && p.epoch > 0 && p.epoch <= epochMax && p.stream > 0 && len(p.data) > 0 &&
		p.snapshot > 0 && p.snapshot <= snapshotMax && p.offset < 1<<62 &&
		(p.offset >= p.snapshot || p.offset+uint64(len(p.data)) <= p.snapshot)
	return p, sound
}

// The kinds of records in a stream.
const (
	recordCommand = 1
	recordPaired  = 2
)

// record is one entry of a stream.
type record struct {
	kind    uint8
	index   uint64         // command: its own; paired: of the last before
	client  replica.Client // command
	digest  uint64         // command: after it
	request []byte
	epoch   view.Epoch // paired: that begins
}

// recordHead is the most that a record has besides its request.
const recordHead = 1 + 10 + 8 + 8 + 10

func (r *record) append(b []byte) []byte {
	b = append(b, r.kind)
	b = binary.AppendUvarint(b, r.index)
	if r.kind == recordPaired {
		return binary.BigEndian.AppendUint64(b, uint64(r.epoch))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.client))
	b = binary.BigEndian.AppendUint64(b, r.digest)
	return wire.AppendBlock(b, r.request)
}

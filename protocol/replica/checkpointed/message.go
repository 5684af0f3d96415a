package checkpointed

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const kindAlive = 1

// The flags of an "I am alive".
const (
	flagUnable = 1 << iota // the store does not answer this member, or has failed it
	flagMost   = flagUnable
)

// alive says "I am alive", docs/rfc/0018-checkpointed.md. The newest replaces those before.
type alive struct {
	role     Role
	flags    uint8
	heard    view.Incarnation // of the receiver; 0: it is not heard
	sequence uint64
	epoch    view.Epoch // in which the sender serves; 0: it does not
	highest  view.Epoch // that the sender knows of
	index    uint64     // of the last command that is saved
}

func (a *alive) append(b []byte) []byte {
	b = append(b, kindAlive, byte(a.role), a.flags)
	for _, v := range [...]uint64{uint64(a.heard), a.sequence, uint64(a.epoch), uint64(a.highest), a.index} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

func parse(b []byte) (alive, bool) {
	r := wire.NewReader(b)
	kind := r.U8()
	a := alive{
		role: Role(r.U8()), flags: r.U8(), heard: view.Incarnation(r.U64()), sequence: r.U64(),
		epoch: view.Epoch(r.U64()), highest: view.Epoch(r.U64()), index: r.U64(),
	}
	sound := r.Done() && kind == kindAlive && a.role >= Standby && a.role < roleEnd && a.flags < 2*flagMost &&
		a.sequence > 0 && a.epoch <= a.highest && a.highest <= epochMax && (a.epoch != 0) == (a.role == Primary)
	return a, sound
}

// entryHead is what a record in the store has besides its request: the digest after it.
const entryHead = 8

package replica

import (
	"encoding/binary"
	"slices"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// RingMax is how many digests a member tells when two differ: a divergence is found soon, so
// the first differing command is among the last.
const RingMax = 1024

// MessageMin is the least that the longest message of a group may be set to, bytes: members that differ must be able to
// tell their digests.
const MessageMin = 8*RingMax + 64

// Dispute is the telling of digests after two differed: every member tells those of the last
// commands up to one index, and when all have, all decide alike.
type Dispute struct {
	Last  uint64 // the index as of which all tell
	rings []ring // what was told, by rank in the view
}

type ring struct {
	told    bool
	digests []uint64 // the last of them is that of Last; none: the member does not know
}

// NewDispute begins the telling among the members of a view.
func NewDispute(v *view.View, last uint64) *Dispute {
	return &Dispute{last, make([]ring, len(v.Seats))}
}

// AppendRing appends this member's digests up to an index.
func AppendRing(dst []byte, e *session.Executor, last uint64) []byte {
	count := uint64(0)
	for count < RingMax && count <= last {
		if _, known := e.At(last - count); !known {
			break
		}
		count++
	}
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, last), count)
	for i := last + 1 - count; count > 0; i, count = i+1, count-1 {
		d, _ := e.At(i)
		dst = binary.BigEndian.AppendUint64(dst, d)
	}
	return dst
}

// ReadRing reads what AppendRing has written; false if it makes no sense.
func ReadRing(r *wire.Reader) (last uint64, digests []uint64, ok bool) {
	last = r.Uvarint()
	n := r.Uvarint()
	if n > RingMax || n > last+1 && last+1 != 0 || uint64(r.Len()) < 8*n {
		return 0, nil, false
	}
	digests = make([]uint64, n)
	for i := range digests {
		digests[i] = r.U64()
	}
	return last, digests, true
}

// Tell takes one member's digests. It reports whether all have told.
func (d *Dispute) Tell(v *view.View, from view.Member, digests []uint64) bool {
	rank := v.Rank(from.ID)
	if rank < 0 || v.Seats[rank].Member != from {
		return false
	}
	d.rings[rank] = ring{true, digests}
	for rank, s := range v.Seats {
		if !s.Witness && !d.rings[rank].told {
			return false
		}
	}
	return true
}

// Judge finds who has diverged, when all have told. It reports false if nobody has: they
// differed earlier, and do not any more.
func (d *Dispute) Judge(v *view.View, heads *Heads) (Command, bool) {
	members, best, most := 0, uint64(0), 0
	for rank := range d.rings {
		if !d.knows(rank) {
			continue
		}
		members++
		same := 0
		for other := range d.rings {
			if d.knows(other) && d.final(other) == d.final(rank) {
				same++
			}
		}
		if same > most {
			best, most = d.final(rank), same
		}
	}
	if most == members {
		return Command{}, false
	}
	c := Command{Verb: Diverged}
	if c.Index, c.Sure = d.first(); c.Sure {
		c.Request = heads.Of(c.Index)
	}
	for rank, s := range v.Seats {
		if d.knows(rank) && (d.final(rank) != best || 2*most <= members) {
			c.Members = append(c.Members, s.Member)
		}
	}
	if 2*most <= members {
		c.Verb = Halted
	}
	return c, true
}

func (d *Dispute) knows(rank int) bool { return len(d.rings[rank].digests) > 0 }

// final is the digest of a rank at the last index.
func (d *Dispute) final(rank int) uint64 {
	r := d.rings[rank].digests
	return r[len(r)-1]
}

// first is the first index at which those who told differ; not sure if they do so in all
// that they told.
func (d *Dispute) first() (uint64, bool) {
	index := d.Last
	for back := 1; ; back++ {
		var same []uint64
		for rank := range d.rings {
			r := d.rings[rank].digests
			if !d.knows(rank) {
				continue
			}
			if len(r) < back {
				return index, false
			}
			same = append(same, r[len(r)-back])
		}
		if slices.Min(same) == slices.Max(same) {
			return index, true
		}
		if index = d.Last - uint64(back) + 1; index == 0 {
			return 0, true
		}
	}
}

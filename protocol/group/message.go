package group

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// verb is what a frame says. docs/rfc/0012-group.md has the layouts.
type verb uint8

const (
	verbPulse verb = 1 + iota
	verbPrepare
	verbReport
	verbFill
	verbFilled
	verbPropose
	verbAccepted
	verbCommit
	verbReject
	verbApart
	verbRefuse
)

func appendName(b []byte, n view.Name) []byte {
	b = binary.AppendUvarint(b, uint64(n.Epoch))
	b = binary.AppendUvarint(b, uint64(n.Round))
	return binary.AppendUvarint(b, uint64(n.By))
}

func readName(r *wire.Reader) view.Name {
	n := view.Name{Epoch: view.Epoch(r.Uvarint())}
	n.Round = readUint32(r)
	n.By = readID(r)
	return n
}

func readUint32(r *wire.Reader) uint32 {
	v := r.Uvarint()
	if v > 1<<32-1 {
		r.Fail()
	}
	return uint32(v)
}

func readID(r *wire.Reader) view.ID {
	v := r.Uvarint()
	if v >= uint64(view.Everyone) {
		r.Fail()
	}
	return view.ID(v)
}

// appendApart writes that the sender is not in the view of, what the latest is that it knows,
// and whether it is in that.
func appendApart(b []byte, of, floor view.Name, in bool) []byte {
	return append(appendName(appendName(b, of), floor), byte(bit(in)))
}

func appendBallot(b []byte, x Ballot) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(x.Round)), uint64(x.By))
}

func readBallot(r *wire.Reader) Ballot { return Ballot{Round: readUint32(r), By: readID(r)} }

// appendCut writes a cut: for each rank the prefix, and the ranges beyond it as gaps and
// lengths.
func appendCut(b []byte, c view.Cut) []byte {
	b = binary.AppendUvarint(b, uint64(len(c)))
	for rank, ranges := range c {
		prefix := c.Prefix(rank)
		if prefix > 0 {
			ranges = ranges[1:]
		}
		b = binary.AppendUvarint(b, prefix)
		b = binary.AppendUvarint(b, uint64(len(ranges)))
		for _, x := range ranges {
			b = binary.AppendUvarint(b, x.From-prefix)
			b = binary.AppendUvarint(b, x.To-x.From)
			prefix = x.To
		}
	}
	return b
}

func readCut(r *wire.Reader) view.Cut {
	ranks := r.Uvarint()
	if ranks > view.SeatMax {
		r.Fail()
		return nil
	}
	c := make(view.Cut, ranks)
	left := view.RangesMax
	for rank := range c {
		at := r.Uvarint()
		if at > 0 {
			c[rank] = append(c[rank], view.Range{From: 1, To: at})
		}
		for n := r.Uvarint(); n > 0 && !r.Failed(); n-- {
			gap, length := r.Uvarint(), r.Uvarint()
			from := at + gap
			if left--; left < 0 || gap < 2 || from < at || from+length < from {
				r.Fail()
				return nil
			}
			at = from + length
			c[rank] = append(c[rank], view.Range{From: from, To: at})
		}
	}
	return c
}

func appendOutcome(b []byte, o *Outcome) []byte {
	b = appendName(b, o.Of)
	b = appendName(b, o.Next.Name)
	flags := byte(bit(o.Close) | bit(o.Era != 0)<<1 | bit(o.First)<<2)
	b = binary.BigEndian.AppendUint32(append(b, flags), o.Stay)
	b = append(b, byte(len(o.Next.Seats)))
	for _, s := range o.Next.Seats {
		b = binary.AppendUvarint(b, uint64(s.ID)<<1|bit(s.Witness))
		b = binary.BigEndian.AppendUint64(b, uint64(s.Incarnation))
		b = append(b, s.Votes)
	}
	b = appendCut(b, o.Cut)
	if o.Era != 0 {
		b = appendStanding(b, Standing{Promise: o.Era, Era: o.Base.Era, Index: o.Base.Index})
	}
	return b
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// readOutcome reads an outcome of its own memory.
func readOutcome(r *wire.Reader) *Outcome {
	o := &Outcome{Of: readName(r)}
	o.Next.Name = readName(r)
	flags := r.U8()
	o.Stay = r.U32()
	seats := int(r.U8())
	if flags > 7 || flags&6 == 4 || seats > view.SeatMax || uint64(o.Stay)>>seats != 0 {
		r.Fail()
		return nil
	}
	o.Close, o.First = flags&1 != 0, flags&4 != 0
	for range seats {
		id := r.Uvarint()
		s := view.Seat{Witness: id&1 == 1}
		if id>>1 == 0 || id>>1 >= uint64(view.Everyone) {
			r.Fail()
			return nil
		}
		s.ID = view.ID(id >> 1)
		s.Incarnation = view.Incarnation(r.U64())
		s.Votes = r.U8()
		if s.Incarnation == 0 || o.Next.Rank(s.ID) >= 0 {
			r.Fail()
			return nil
		}
		o.Next.Seats = append(o.Next.Seats, s)
	}
	o.Cut = readCut(r)
	if flags&2 != 0 {
		o.Base = readStanding(r)
		if o.Era, o.Base.Promise = o.Base.Promise, 0; o.Era == 0 {
			r.Fail() // it is written in one way only
		}
	}
	if r.Failed() {
		return nil
	}
	return o
}

func appendPieces(b []byte, pieces []view.Piece) []byte {
	b = binary.AppendUvarint(b, uint64(len(pieces)))
	for _, p := range pieces {
		b = append(b, byte(p.Rank))
		b = binary.AppendUvarint(b, p.Range.From)
		b = binary.AppendUvarint(b, p.Range.To-p.Range.From)
		b = binary.AppendUvarint(b, uint64(p.Holder))
	}
	return b
}

func readPieces(r *wire.Reader) []view.Piece {
	n := r.Uvarint()
	if n > view.RangesMax {
		r.Fail()
		return nil
	}
	pieces := make([]view.Piece, 0, n)
	for range n {
		p := view.Piece{Rank: int(r.U8())}
		p.Range.From = r.Uvarint()
		p.Range.To = p.Range.From + r.Uvarint()
		p.Holder = readID(r)
		if p.Rank >= view.SeatMax || p.Range.From == 0 || p.Range.To < p.Range.From {
			r.Fail()
		}
		pieces = append(pieces, p)
	}
	return pieces
}

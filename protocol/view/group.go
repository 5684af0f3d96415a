package view

import (
	"fmt"
	"strings"
)

// Name identifies a view. Epoch only grows along the views that a member goes through;
// Round and By are those of the ballot in which the view was first proposed, so that two
// components that go on apart never give the same name to different views. The zero Name
// is that of no view.
type Name struct {
	Epoch Epoch
	Round uint32
	By    ID
}

// Less orders names: by epoch, then by round, then by proposer.
func (n Name) Less(o Name) bool {
	switch {
	case n.Epoch != o.Epoch:
		return n.Epoch < o.Epoch
	case n.Round != o.Round:
		return n.Round < o.Round
	}
	return n.By < o.By
}

// String gives "7.1.m2": epoch, round, proposer.
func (n Name) String() string { return fmt.Sprintf("%d.%d.%s", uint64(n.Epoch), n.Round, n.By) }

// Seat is a member's place in a view.
type Seat struct {
	Member
	Votes   uint8 // 0 to 255; a member without votes is told and never asked
	Witness bool  // it votes and has neither messages nor state
}

// View is who the members of a group are, in order of seniority: who has been there
// longest comes first, and is the coordinator. A View is never changed once made.
type View struct {
	Name  Name
	Seats []Seat
}

// SeatMax is the most members of a view: a group is for tens. It bounds vectors in frames.
const SeatMax = 32

// Rank is a member's index in Seats, or -1.
func (v *View) Rank(id ID) int {
	for i := range v.Seats {
		if v.Seats[i].ID == id {
			return i
		}
	}
	return -1
}

// Has says whether this very life is a member.
func (v *View) Has(m Member) bool {
	i := v.Rank(m.ID)
	return i >= 0 && v.Seats[i].Member == m
}

// Votes is the sum of all votes.
func (v *View) Votes() int {
	sum := 0
	for i := range v.Seats {
		sum += int(v.Seats[i].Votes)
	}
	return sum
}

// Quorum is the fewest votes of which two sets cannot be disjoint: more than half.
func (v *View) Quorum() int { return v.Votes()/2 + 1 }

// HoldQuorum is the fewest votes, of members that are no witnesses, that must hold a
// message so that every quorum has a holder in it.
func (v *View) HoldQuorum() int { return v.Votes() - v.Quorum() + 1 }

// String gives "7.1.m2{m1#5 m2#9 m3#4w}".
func (v *View) String() string {
	var b strings.Builder
	b.WriteString(v.Name.String())
	b.WriteByte('{')
	for i := range v.Seats {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(v.Seats[i].Member.String())
		if v.Seats[i].Witness {
			b.WriteByte('w')
		}
	}
	b.WriteByte('}')
	return b.String()
}

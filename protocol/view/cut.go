package view

import "slices"

// Range is the packets From to To, both included, of one stream. Packets are numbered
// from 1.
type Range struct{ From, To uint64 }

// Cut is a set of packets: for each rank of a view the ranges of its stream, ascending,
// apart by at least one packet. A member reports one (what it holds) and a view change
// ends in one (what everybody delivers from the old view).
type Cut [][]Range

// RangesMax is the most ranges beyond the prefixes of all streams of a cut together: it
// bounds a report to one frame. The members of a view share it, so that the union of what
// they hold stays within it.
const RangesMax = 64

// Contains says whether all of o is in c.
func (c Cut) Contains(o Cut) bool {
	for rank := range o {
		for _, r := range o[rank] {
			if rank >= len(c) || !slices.ContainsFunc(c[rank], func(have Range) bool { return have.From <= r.From && r.To <= have.To }) {
				return false
			}
		}
	}
	return true
}

// Prefix is the last packet of a stream before the first that is missing.
func (c Cut) Prefix(rank int) uint64 {
	if rank >= len(c) || len(c[rank]) == 0 || c[rank][0].From != 1 {
		return 0
	}
	return c[rank][0].To
}

// Union is what is in c or in o. It shares nothing with them.
func (c Cut) Union(o Cut) Cut {
	sum := make(Cut, max(len(c), len(o)))
	for rank := range sum {
		var all []Range
		if rank < len(c) {
			all = append(all, c[rank]...)
		}
		if rank < len(o) {
			all = append(all, o[rank]...)
		}
		sum[rank] = merge(all)
	}
	return sum
}

func merge(all []Range) []Range {
	slices.SortFunc(all, func(a, b Range) int {
		if a.From < b.From {
			return -1
		}
		return 1
	})
	var out []Range
	for _, r := range all {
		if n := len(out); n > 0 && r.From <= out[n-1].To+1 {
			out[n-1].To = max(out[n-1].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Equal says whether both are the same set.
func (c Cut) Equal(o Cut) bool { return c.Contains(o) && o.Contains(c) }

// Ranges counts the ranges of all streams.
func (c Cut) Ranges() int {
	n := 0
	for _, r := range c {
		n += len(r)
	}
	return n
}

// Piece is a range of one stream, and a member that holds all of it.
type Piece struct {
	Rank   int
	Range  Range
	Holder ID
}

package group

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// decideCut adopts what may have been chosen already, or else finds the cut.
func (m *Machine) decideCut(now time.Time, out *Output) {
	c := &m.change
	best := m.bestAccepted()
	if best.outcome != nil && canary != NoAdoption {
		m.propose(now, best.outcome, out)
		return
	}
	c.cut = make(view.Cut, len(m.base().Seats))
	for _, s := range m.base().Seats {
		if r := &c.reports[m.index(s.ID)]; r.have && !s.Witness {
			c.cut = c.cut.Union(r.holding)
		}
	}
	if canary == ShortCut {
		m.shorten()
	}
	c.stage, m.staged = Filling, now
	m.fill(out)
}

// bestAccepted is the proposal of the highest ballot that a reporter accepted. One of a
// founding that a reporter has seen the end of is over with that.
func (m *Machine) bestAccepted() proposal {
	c := &m.change
	floor := view.Epoch(0)
	for i := range c.reports {
		if m.current == nil && c.reports[i].have {
			floor = max(floor, c.reports[i].floor)
		}
	}
	var best proposal
	for i := range c.reports {
		a := c.reports[i].accepted
		if a.outcome != nil && a.outcome.Next.Name.Epoch > floor && (best.outcome == nil || best.ballot.Less(a.ballot)) {
			best = a
		}
	}
	return best
}

// shorten is the planted bug ShortCut.
func (m *Machine) shorten() {
	c := &m.change
	for rank := range c.cut {
		least := c.cut.Prefix(rank)
		for _, s := range m.base().Seats {
			if r := &c.reports[m.index(s.ID)]; r.have && !s.Witness {
				least = min(least, r.holding.Prefix(rank))
			}
		}
		c.cut[rank] = nil
		if least > 0 {
			c.cut[rank] = []view.Range{{From: 1, To: least}}
		}
	}
}

// fill tells those who lack something of the cut where to fetch it. Who is asked for a
// piece changes with every try, for the way to a holder may be broken.
func (m *Machine) fill(out *Output) {
	c := &m.change
	pieces := m.pieces()
	c.tries++
	for _, s := range m.base().Seats {
		i := m.index(s.ID)
		r := &c.reports[i]
		if !r.have || r.filled {
			continue
		}
		if s.Witness || r.holding.Contains(c.cut) || canary == NoFill {
			r.filled = true
			continue
		}
		if i == m.self {
			out.Do = append(out.Do, Command{Verb: Fill, Pieces: pieces})
			continue
		}
		b := appendBallot(appendName(m.begin(verbFill, out), m.base().Name), c.ballot)
		m.end(i, appendPieces(b, pieces), out)
	}
}

// pieces covers what at least one reporter lacks of the cut by ranges that one holder has.
func (m *Machine) pieces() []view.Piece {
	c := &m.change
	holders := m.holders()
	var pieces []view.Piece
	for rank := range c.cut {
		least := c.cut.Prefix(rank)
		for _, i := range holders {
			least = min(least, c.reports[i].holding.Prefix(rank))
		}
		for _, want := range c.cut[rank] {
			for at := max(want.From, least+1); at <= want.To && len(pieces) < view.RangesMax; {
				to, holder := uint64(0), 0
				for k := range holders {
					i := holders[(k+c.tries)%len(holders)]
					if end := reaches(c.reports[i].holding, rank, at); end > to {
						to, holder = end, i
					}
				}
				to = min(to, want.To)
				if to < at {
					break
				}
				pieces = append(pieces, view.Piece{Rank: rank, Range: view.Range{From: at, To: to}, Holder: m.peers[holder].seat.ID})
				at = to + 1
			}
		}
	}
	return pieces
}

// reaches is the end of the range of a stream that has packet at in it, or 0.
func reaches(c view.Cut, rank int, at uint64) uint64 {
	if rank < len(c) {
		for _, r := range c[rank] {
			if r.From <= at && at <= r.To {
				return r.To
			}
		}
	}
	return 0
}

// holders are the candidates that reported and have streams.
func (m *Machine) holders() []int {
	var all []int
	for _, s := range m.base().Seats {
		if i := m.index(s.ID); m.change.reports[i].have && !s.Witness {
			all = append(all, i)
		}
	}
	return all
}

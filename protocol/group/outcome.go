package group

import (
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// outcome makes the proposal: those who reported stay, but for who leaves or has to go;
// who asks comes in.
func (m *Machine) outcome(now time.Time) *Outcome {
	c := &m.change
	base := m.base()
	o := &Outcome{Of: base.Name, Cut: c.cut}
	o.Next.Name = view.Name{Epoch: base.Name.Epoch + 1, Round: c.ballot.Round, By: c.ballot.By}
	if m.current != nil && m.better(now) >= 0 {
		o.Close = true
		return o
	}
	votes, floor, newest := 0, view.Epoch(0), view.Incarnation(0)
	for _, s := range base.Seats {
		i := m.index(s.ID)
		r := &c.reports[i]
		if canary == KeepsDead && !r.have && s.Incarnation != 0 {
			o.Next.Seats = append(o.Next.Seats, s)
		}
		newest = max(newest, m.peers[i].life.Incarnation)
		if !r.have {
			continue
		}
		votes += int(s.Votes)
		floor = max(floor, r.floor)
		if m.current == nil || !m.leaves(s) && !m.accused(now, s) {
			s.Member = m.peers[i].life
			o.Next.Seats = append(o.Next.Seats, s)
		}
	}
	if m.current == nil && !m.cfg.Durable {
		m.promote(o)
	} else if m.current != nil {
		o.Era = m.era
		m.demote(o)
	}
	if m.current == nil || m.cfg.All || votes < base.Quorum() {
		// Nothing is known of views that others may have had, or this member in a former life:
		// the lives, which count nanoseconds, are later than all of those.
		o.Next.Name.Epoch = max(o.Next.Name.Epoch, floor+1, view.Epoch(newest))
		if canary == NoEpoch {
			o.Next.Name.Epoch = base.Name.Epoch + 1
		}
	}
	if m.current != nil {
		m.admit(now, o)
	} else if m.cfg.Durable {
		m.foundLasting(o)
	}
	return o
}

// demote moves those to the end, as who comes in anew, who were being given the state by
// somebody who goes: they need another donor and another cut. So the first who is no
// witness always has the state, if anybody has.
func (m *Machine) demote(o *Outcome) {
	var stay, again []view.Seat
	for _, s := range o.Next.Seats {
		if d := m.change.reports[m.index(s.ID)].donor; d != view.Nobody && o.Next.Rank(d) < 0 {
			again = append(again, s)
		} else {
			stay = append(stay, s)
		}
	}
	o.Next.Seats = append(stay, again...)
	o.Stay = 1<<len(stay) - 1
}

// promote orders the founders. If none of them has known a view in its life, they begin
// together, with nothing. Otherwise all come in anew, after the one with the latest state if
// there is one, and are given what the first has: nothing tells how long ago a founder has
// reported, and it may have been in another view since.
func (m *Machine) promote(o *Outcome) {
	best, begin := -1, true
	for rank, s := range o.Next.Seats {
		r := &m.change.reports[m.index(s.ID)]
		begin = begin && r.floor == 0
		if r.lived.Epoch > 0 && !s.Witness &&
			(best < 0 || m.change.reports[m.index(o.Next.Seats[best].ID)].lived.Less(r.lived)) {
			best = rank
		}
	}
	if begin {
		o.Stay = 1<<len(o.Next.Seats) - 1
	}
	if best >= 0 {
		first := o.Next.Seats[best]
		o.Next.Seats = slices.Insert(slices.Delete(o.Next.Seats, best, best+1), 0, first)
	}
}

// admit adds those who ask.
func (m *Machine) admit(now time.Time, o *Outcome) {
	for i := range m.peers {
		if !m.admits(now, i) || o.Next.Rank(m.peers[i].seat.ID) >= 0 {
			continue
		}
		s := m.peers[i].seat
		s.Member = m.peers[i].life
		if r := m.current.Rank(s.ID); canary == KeepsOldLife && r >= 0 {
			s.Member = m.current.Seats[r].Member
		}
		o.Next.Seats = append(o.Next.Seats, s)
		// For who comes in, too, the epoch must grow.
		o.Next.Name.Epoch = max(o.Next.Name.Epoch, m.peers[i].pulse.name.Epoch+1)
	}
}

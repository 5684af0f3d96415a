package group

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// eraGap is by how much the era of a founding exceeds every name of a view that its founders
// know. The views of an era are numbered from there on, one after another, so those of an
// earlier era, which may go on somewhere, never have the later name.
const eraGap = 1 << 32

// Standing is what a member of a durable group has on its disk, as it tells at a founding.
type Standing struct {
	// Promise is the latest era that this disk has accepted, or has a state of: it takes
	// nothing of an earlier one any more. 0: the disk is new, or was lost.
	Promise view.Epoch
	// Era is that of the state, 0 if there is none; Index is how far it goes.
	Era   view.Epoch
	Index uint64
}

// Less says whether a state is older.
func (s Standing) Less(o Standing) bool {
	if s.Era != o.Era {
		return s.Era < o.Era
	}
	return s.Index < o.Index
}

func appendStanding(b []byte, s Standing) []byte {
	b = binary.AppendUvarint(b, uint64(s.Promise))
	b = binary.AppendUvarint(b, uint64(s.Era))
	return binary.AppendUvarint(b, s.Index)
}

func readStanding(r *wire.Reader) Standing {
	return Standing{Promise: view.Epoch(r.Uvarint()), Era: view.Epoch(r.Uvarint()), Index: r.Uvarint()}
}

// Stand tells, outside of any view, what this member has: at first after Join, and again after
// each dismissal. Before that it takes no part in a founding. Promise counts what is on
// its way to the disk, too.
func (m *Machine) Stand(now time.Time, s Standing, out *Output) {
	if !m.cfg.Durable || m.current != nil || m.state == Idle {
		return
	}
	s.Promise = max(s.Promise, m.pledged)
	m.standing, m.stands = s, true
	m.fence = max(m.fence, s.Promise)
	m.hurry = true
	m.settle(now, out)
}

// fenced says whether an outcome leads into an era that this member has promised to take
// nothing of any more.
func (m *Machine) fenced(o *Outcome) bool { return m.cfg.Durable && !o.Close && o.Era < m.fence }

// pledge accepts a founding. The acceptance is told when the promise is on the disk.
func (m *Machine) pledge(now time.Time, b Ballot, o *Outcome, out *Output) {
	same := func(p *proposal) bool { return p.outcome != nil && p.outcome.Next.Name == o.Next.Name }
	switch {
	case same(&m.accepted):
		m.accepted.ballot = b
		m.tellAccepted(now, out)
	case same(&m.pledging):
		m.pledging.ballot = b
	case !m.stands || o.Era <= m.standing.Promise || o.Base.Less(m.standing):
		// The proposer counts on something older than what is here. It begins anew.
	case m.standing.Promise == 0 && !o.First:
		// A new disk, or one that was lost: others decide, and it is given the state.
	default:
		m.pledging = proposal{b, o}
		m.standing.Promise, m.pledged = o.Era, o.Era
		m.fence = max(m.fence, o.Era)
		out.Do = append(out.Do, Command{Verb: Pledge, Era: o.Era})
	}
}

// Pledged tells that the promise of an era is on the disk. It is the answer to Pledge.
func (m *Machine) Pledged(now time.Time, era view.Epoch, out *Output) {
	p := m.pledging
	if p.outcome == nil || p.outcome.Era != era {
		return
	}
	m.pledging = proposal{}
	if m.current != nil || m.state != Asking || p.ballot != m.promised {
		return // a greater ballot was told that nothing is accepted
	}
	m.accepted = p
	m.tellAccepted(now, out)
	m.settle(now, out)
}

func (m *Machine) tellAccepted(now time.Time, out *Output) {
	b := m.accepted.ballot
	if b.By != m.cfg.Self.ID {
		f := appendName(m.begin(verbAccepted, out), m.accepted.outcome.Of)
		m.end(m.index(b.By), appendBallot(f, b), out)
		return
	}
	if c := &m.change; c.active && c.ballot == b && c.stage == Proposing {
		c.accepted |= 1 << m.self
		m.advance(now, out)
	}
}

// enough says whether those founders suffice whose standing is told: with more than half of
// the configured votes among those whose disks remember, one of them has whatever was
// answered. Or nobody has anything, and nobody is missing.
func (m *Machine) enough(standing func(candidate int) (Standing, bool)) bool {
	votes, every, nothing := 0, true, true
	for i, s := range m.void.Seats {
		got, told := standing(i)
		every = every && (told || s.Witness)
		nothing = nothing && got.Era == 0
		if told && got.Promise != 0 && !s.Witness {
			votes += int(s.Votes)
		}
	}
	return votes >= m.void.Quorum() || every && nothing
}

// first says whether nobody who has reported has anything.
func (m *Machine) first() bool {
	for i := range m.change.reports {
		if r := &m.change.reports[i]; r.have && r.standing.Era != 0 {
			return false
		}
	}
	return true
}

// foundLasting makes the outcome of a durable group's founding: the one with the latest state
// gives it to the others.
func (m *Machine) foundLasting(o *Outcome) {
	best, promise := -1, m.fence
	o.First = m.first() && !m.enoughOld()
	for rank, s := range o.Next.Seats {
		r := &m.change.reports[m.index(s.ID)]
		promise = max(promise, r.standing.Promise, r.floor)
		if !s.Witness && (best < 0 || o.Base.Less(r.standing)) {
			best, o.Base = rank, r.standing
		}
	}
	o.Next.Name.Epoch = max(o.Next.Name.Epoch, promise+eraGap)
	o.Era, o.Base.Promise = o.Next.Name.Epoch, 0
	if canary == ForgetsStanding {
		o.Base = Standing{Era: o.Era}
		return
	}
	if best > 0 {
		seat := o.Next.Seats[best]
		copy(o.Next.Seats[1:best+1], o.Next.Seats[:best])
		o.Next.Seats[0] = seat
	}
}

// enoughOld says whether those who have reported and remember have the votes.
func (m *Machine) enoughOld() bool {
	votes := 0
	for i, s := range m.void.Seats {
		if r := &m.change.reports[i]; r.have && r.standing.Promise != 0 && !s.Witness {
			votes += int(s.Votes)
		}
	}
	return votes >= m.void.Quorum()
}

// pledgedBy says whether a durable group's founding is decided: by more than half of the
// configured votes; at first by everybody, so that a disk that has promised nothing, where
// another has a state, is known to be new or lost.
func (m *Machine) pledgedBy() bool {
	c := &m.change
	votes, every := 0, true
	for i, s := range m.void.Seats {
		if c.accepted&(1<<i) != 0 && !s.Witness {
			votes += int(s.Votes)
		} else if !s.Witness {
			every = false
		}
	}
	return votes >= m.void.Quorum() && (every || !c.outcome.First)
}

// isOver says whether a durable group's view that cannot go on for want of votes should be given
// up: those who are outside make up, with those who are left, more than half of the
// configured votes, so that the group can be founded anew, from the latest state. (With memory
// alone, who is left would go on; here those who come back may have more than it.)
func (m *Machine) isOver(now time.Time) bool {
	if now.Sub(m.began) < overPatiences*m.cfg.Patience {
		return false
	}
	votes := 0
	for i, s := range m.void.Seats {
		seat := m.seatOf(i)
		_, outside := m.outsider(now, i)
		if i == m.self || outside || seat.ID != view.Nobody && m.present(now, seat) {
			votes += int(s.Votes)
		}
	}
	return votes >= m.void.Quorum()
}

// lasts says whether somebody in the next view of a durable group has its state.
func (o *Outcome) lasts() bool {
	for rank, s := range o.Next.Seats {
		if !s.Witness && o.Stay&(1<<rank) != 0 {
			return true
		}
	}
	return len(o.Next.Seats) == 0 || o.Close
}

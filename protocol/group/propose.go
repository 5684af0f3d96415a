package group

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Stage is how far a view change is at its proposer.
type Stage uint8

// The stages.
const (
	Collecting Stage = 1 + iota // of reports
	Filling                     // reporters fetch what they lack of the cut
	Proposing                   // the outcome is being accepted
)

// report is what a member of the old view said.
type report struct {
	have     bool
	holding  view.Cut
	accepted proposal
	floor    view.Epoch
	lived    view.Name // the last view that left it with a state; zero if it has none
	standing Standing  // at the founding of a durable group
	donor    view.ID   // who is giving it the state; Nobody if it has it
	filled   bool
}

// change is a view change at its proposer.
type change struct {
	active   bool
	round    uint32 // the highest that was seen in this instance
	ballot   Ballot
	stage    Stage
	reports  []report // by candidate
	cut      view.Cut
	tries    int
	outcome  *Outcome
	accepted uint32    // candidates
	enough   time.Time // since when the votes suffice after they did not; zero: they do not, or always did
}

func appendUvarint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func (m *Machine) retryAfter() time.Duration { return m.cfg.Patience / retriesPerPatience }

// start begins a ballot that is greater than all that were seen.
func (m *Machine) start(now time.Time, out *Output) {
	c := &m.change
	c.round = max(c.round, m.promised.Round) + 1
	c.active, c.ballot, c.stage = true, Ballot{c.round, m.cfg.Self.ID}, Collecting
	c.outcome, c.accepted, c.tries, c.enough = nil, 0, 0, time.Time{}
	clear(c.reports)
	m.promise(now, c.ballot, out)
	m.prepare(out)
}

// prepare asks everybody of the base who has not reported.
func (m *Machine) prepare(out *Output) {
	for _, s := range m.base().Seats {
		i := m.index(s.ID)
		if i >= 0 && i != m.self && !m.change.reports[i].have {
			m.end(i, appendBallot(appendName(m.begin(verbPrepare, out), m.base().Name), m.change.ballot), out)
		}
	}
}

func (m *Machine) onReport(now time.Time, from int, of view.Name, b Ballot, got report, out *Output) {
	c := &m.change
	if !c.active || of != m.base().Name || b != c.ballot || c.stage != Collecting {
		return
	}
	if s := m.seatOf(from); s.ID == view.Nobody || s.Incarnation != 0 && s.Member != m.peers[from].life {
		return // a later life of the seat has no say
	}
	if m.lost(now, from) {
		return // with it the change would begin anew, and go on so
	}
	c.reports[from] = got
	m.advance(now, out)
}

// advance goes on with the ballot as far as it can.
func (m *Machine) advance(now time.Time, out *Output) {
	c := &m.change
	if !c.active || !c.reports[m.self].have {
		return
	}
	if c.stage != Proposing && m.lostReporter(now) {
		m.start(now, out)
		return
	}
	if c.stage == Collecting && m.collected(now, out) {
		m.decideCut(now, out)
	}
	if c.stage == Filling && m.filled() {
		o := m.outcome(now)
		if m.cfg.Durable && m.current != nil && !o.lasts() {
			// Whoever had the state is gone: the latest is on the disks.
			m.dismiss(now, WasExpelled, nil, false, out)
			return
		}
		m.propose(now, o, out)
	}
	if c.stage == Proposing && m.acceptedBy(now) {
		m.commit(now, out)
	}
}

// lostReporter says whether somebody whose report is in has been lost since: the outcome
// must not count on it.
func (m *Machine) lostReporter(now time.Time) bool {
	for _, s := range m.base().Seats {
		i := m.index(s.ID)
		if i != m.self && m.change.reports[i].have && m.lost(now, i) {
			return true
		}
	}
	return false
}

// lost says whether a view change cannot count on a candidate, whatever it has said. At a founding its terms must be known to be
// ours: nobody else has looked at them.
func (m *Machine) lost(now time.Time, candidate int) bool {
	p := &m.peers[candidate]
	if m.current == nil && (!p.heard || p.pulse.oldTerms) {
		return true
	}
	return !p.trusted || p.apart || p.shunned.After(now)
}

// collected says whether the reports suffice: all who are present have reported, and they
// have the votes; or it is certain that nobody else is left who could have.
func (m *Machine) collected(now time.Time, out *Output) bool {
	votes := 0
	var missing []view.Member
	for _, s := range m.base().Seats {
		i := m.index(s.ID)
		switch {
		case m.change.reports[i].have:
			votes += int(s.Votes)
		case m.present(now, s):
			return false
		default:
			missing = append(missing, s.Member)
		}
	}
	if m.cfg.Durable && m.current == nil {
		return m.enough(m.reportedStanding)
	}
	if m.cfg.Durable && votes < m.base().Quorum() && canary != Minority {
		m.change.enough = time.Time{}
		if m.isOver(now) {
			m.dismiss(now, WasExpelled, nil, false, out)
			return false
		}
		m.block(now, votes, missing, out)
		return false
	}
	if m.cfg.All || votes >= m.base().Quorum() || m.alone(now, m.reported) || canary == Minority {
		return len(missing) == 0 || !m.blocked || m.waitedForMore(now)
	}
	m.change.enough = time.Time{}
	m.block(now, votes, missing, out)
	return false
}

func (m *Machine) reported(candidate int) bool { return m.change.reports[candidate].have }

// reportedStanding is what a candidate has reported of its disk.
func (m *Machine) reportedStanding(i int) (Standing, bool) {
	r := &m.change.reports[i]
	return r.standing, r.have
}

// waitedForMore says whether those who come into hearing after a time without enough votes
// had the time to: a network that heals does so for one after the other, and the first
// quorum need not leave the rest behind.
func (m *Machine) waitedForMore(now time.Time) bool {
	if m.change.enough.IsZero() {
		m.change.enough = now
	}
	return now.Sub(m.change.enough) >= m.cfg.Patience/healShare
}

func (m *Machine) onFilled(now time.Time, from int, of view.Name, b Ballot, out *Output) {
	c := &m.change
	if c.active && of == m.base().Name && b == c.ballot && c.stage == Filling {
		c.reports[from].filled = true
		m.advance(now, out)
	}
}

func (m *Machine) filled() bool {
	for i := range m.change.reports {
		if r := &m.change.reports[i]; r.have && !r.filled {
			return false
		}
	}
	return true
}

// propose asks those who reported to accept an outcome, which this member does first.
func (m *Machine) propose(now time.Time, o *Outcome, out *Output) {
	c := &m.change
	c.stage, c.outcome, m.staged = Proposing, o, now
	if m.cfg.Durable && m.current == nil {
		c.accepted = 0
		m.sendProposal(out)
		m.pledge(now, c.ballot, o, out)
		return
	}
	m.accepted = proposal{c.ballot, o}
	c.accepted = 1 << m.self
	m.sendProposal(out)
}

func (m *Machine) sendProposal(out *Output) {
	for i := range m.change.reports {
		if i != m.self && m.change.reports[i].have && m.change.accepted&(1<<i) == 0 {
			b := appendBallot(m.begin(verbPropose, out), m.change.ballot)
			m.end(i, appendOutcome(b, m.change.outcome), out)
		}
	}
}

func (m *Machine) onAccepted(now time.Time, from int, of view.Name, b Ballot, out *Output) {
	c := &m.change
	if c.active && of == m.base().Name && b == c.ballot && c.stage == Proposing {
		c.accepted |= 1 << from
		m.advance(now, out)
	}
}

// acceptedBy says whether the outcome is decided: a quorum of the base accepted it. With
// partition = all it is everybody who reported and is still heard. Where the base's
// quorum cannot be had, since its other lives are over, everybody who is left must.
func (m *Machine) acceptedBy(now time.Time) bool {
	c := &m.change
	votes, reported, every := 0, 0, true
	for _, s := range m.base().Seats {
		i := m.index(s.ID)
		if c.reports[i].have {
			reported += int(s.Votes)
		}
		if c.accepted&(1<<i) != 0 {
			votes += int(s.Votes)
		} else if c.reports[i].have && m.peers[i].trusted && !m.peers[i].apart {
			every = false
		}
	}
	if m.cfg.Durable && m.current == nil {
		return m.pledgedBy()
	}
	if canary == HalfCommit || canary == Minority {
		return true
	}
	if m.cfg.All || m.current != nil && reported < m.base().Quorum() {
		return every
	}
	return votes >= m.base().Quorum()
}

// commit tells everybody whom it concerns, and applies it here.
func (m *Machine) commit(now time.Time, out *Output) {
	o := m.change.outcome
	m.change.active = false
	for i := range m.peers {
		if i != m.self && (m.base().Rank(m.peers[i].seat.ID) >= 0 && m.peers[i].life.Known() || o.Next.Has(m.peers[i].life)) {
			m.end(i, appendOutcome(m.begin(verbCommit, out), o), out)
		}
	}
	if m.fenced(o) {
		m.asked = now // it was decided before this member promised a later one
		m.reset(nil)
		return
	}
	m.apply(now, o, out)
}

// retry repeats what the stage needs, and gives up on who never answers.
func (m *Machine) retry(now time.Time, out *Output) {
	m.retryAt = now.Add(m.retryAfter())
	c := &m.change
	if !c.active {
		return
	}
	waits := m.waiting(now)
	if len(waits) > 0 && now.Sub(m.traced) >= m.cfg.Patience && now.Sub(m.staged) >= m.cfg.Patience {
		m.traced = now
		m.record(now, trace.FlushWaited, waits[0], uint64(c.stage), uint64(now.Sub(m.staged).Microseconds()), 0)
	}
	// Who has reported when the votes sufficed again may be over before it accepts; of a durable view it may have given it up.
	stuck := !m.blocked || c.stage == Proposing
	if now.Sub(m.staged) > shunAfter*m.cfg.Patience && stuck {
		for _, id := range waits {
			m.peers[m.index(id)].shunned = now.Add(shunFor * m.cfg.Patience)
		}
		m.start(now, out)
		return
	}
	switch c.stage {
	case Collecting:
		m.prepare(out)
	case Filling:
		m.fill(out)
	case Proposing:
		m.sendProposal(out)
	}
}

// waiting is whom the stage waits for.
func (m *Machine) waiting(now time.Time) []view.ID {
	var ids []view.ID
	c := &m.change
	for _, s := range m.base().Seats {
		i := m.index(s.ID)
		r := &c.reports[i]
		switch {
		case i == m.self:
		case c.stage == Collecting && !r.have && (m.present(now, s) || m.blocked),
			c.stage == Filling && r.have && !r.filled,
			c.stage == Proposing && r.have && c.accepted&(1<<i) == 0:
			ids = append(ids, s.ID)
		}
	}
	return slices.Clip(ids)
}

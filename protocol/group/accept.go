package group

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// takesPart says whether this member has a say in how the view of this name ends. In the
// founding only those have who may found.
func (m *Machine) takesPart(now time.Time, of view.Name) bool {
	if m.current != nil {
		return of == m.current.Name
	}
	own := m.ownPulse()
	return of == m.void.Name && m.founds(now, &own)
}

// founds says whether a process outside has a say in the founding: it knows of no view that
// may still go on; or there is certainly none, since all candidates are heard and outside;
// or the disks of the founders say all that must be known, since the group is durable;
// or it does not matter, since every component goes on.
func (m *Machine) founds(now time.Time, p *pulse) bool {
	return p.fresh() || m.cfg.All || m.cfg.Durable && p.state == Asking || m.allOutside(now)
}

func (m *Machine) allOutside(now time.Time) bool {
	for i := range m.peers {
		if i == m.self {
			continue
		}
		if _, out := m.outsider(now, i); !out {
			return false
		}
	}
	return m.state == Asking && m.current == nil
}

// outsider says whether a candidate has said lately that it is in no view, and of what view
// it knew then.
func (m *Machine) outsider(now time.Time, i int) (view.Name, bool) {
	p := &m.peers[i]
	if m.recent(now, i) && p.pulse.state == Asking {
		return p.pulse.name, true
	}
	return p.outside, p.trusted && now.Sub(p.outsideAt) < forgetPulses*m.cfg.Pulse
}

func (m *Machine) onPrepare(now time.Time, from int, of view.Name, b Ballot, out *Output) {
	if !m.takesPart(now, of) {
		m.enlighten(from, of, out)
		return
	}
	if p := &m.peers[from]; m.current == nil && p.heard && p.pulse.oldTerms {
		return // it founds another group than ours
	}
	if b.Less(m.promised) && canary != Deaf {
		f := appendName(m.begin(verbReject, out), of)
		m.end(from, appendBallot(f, m.promised), out)
		return
	}
	m.promise(now, b, out)
}

// promise takes part in a ballot and in no lower one any more. The stack answers Freeze
// with Frozen, which sends the report.
func (m *Machine) promise(now time.Time, b Ballot, out *Output) {
	if !m.frozen {
		m.frozen, m.began = true, now
		m.record(now, trace.FlushBegan, b.By, uint64(m.base().Name.Epoch), uint64(b.Round), 0)
	}
	if b != m.change.ballot {
		m.change.active = false
	}
	if b != m.promised {
		// Not at a repetition: a proposer that is heard and hears nobody repeats its Prepare
		// for ever, and must not keep those who take part from beginning another ballot.
		m.promised, m.staged = b, now
	}
	m.retryAt = now.Add(m.retryAfter())
	out.Do = append(out.Do, Command{Verb: Freeze})
}

// Frozen tells what this member holds of the view's streams: at least all that it has
// delivered. It is the answer to Freeze.
func (m *Machine) Frozen(now time.Time, holding view.Cut, out *Output) {
	if !m.frozen {
		return
	}
	if m.current == nil {
		holding = nil // what is left of a view that this member has gone out of; nothing was sent in the void one
	}
	if m.cfg.Durable && m.current == nil && !m.stands && m.state != Idle && !m.witness() {
		return // it is asked again
	}
	own := report{have: true, standing: m.standing, holding: holding, accepted: m.accepted, floor: m.floor.Epoch, donor: m.donor, lived: m.lived}
	if m.cfg.Durable && m.current == nil {
		// Nobody adopts a founding: the next is of a later era, to which whoever promises it
		// brings along what may have been answered for in this one.
		own.accepted = proposal{}
	}
	if m.promised.By == m.cfg.Self.ID {
		if m.change.active {
			m.change.reports[m.self] = own
			m.advance(now, out)
		}
		return
	}
	to := m.index(m.promised.By)
	b := appendBallot(appendName(m.begin(verbReport, out), m.base().Name), m.promised)
	b = appendUvarint(appendUvarint(b, uint64(own.floor)), uint64(own.donor))
	b = appendCut(appendName(b, own.lived), own.holding)
	flags := byte(bit(own.accepted.outcome != nil) | bit(m.cfg.Durable)<<1)
	if b = append(b, flags); m.cfg.Durable {
		b = appendStanding(b, own.standing)
	}
	if own.accepted.outcome != nil {
		b = appendBallot(b, own.accepted.ballot)
		b = appendOutcome(b, own.accepted.outcome)
	}
	m.end(to, b, out)
}

func (m *Machine) readReport(now time.Time, from int, r *wire.Reader, out *Output) bool {
	of, b := readName(r), readBallot(r)
	got := report{have: true, floor: view.Epoch(r.Uvarint()), donor: readID(r), lived: readName(r), holding: readCut(r)}
	flags := r.U8()
	if flags > 3 || flags&2 != 0 != m.cfg.Durable {
		r.Fail()
	}
	if flags&2 != 0 {
		got.standing = readStanding(r)
	}
	if flags&1 != 0 {
		got.accepted.ballot = readBallot(r)
		got.accepted.outcome = readOutcome(r)
	}
	if got.accepted.outcome != nil && !m.possible(got.accepted.outcome) {
		return false
	}
	if !r.Done() || len(got.holding) > len(m.base().Seats) {
		return !r.Failed()
	}
	m.onReport(now, from, of, b, got, out)
	return true
}

func (m *Machine) onFill(now time.Time, of view.Name, b Ballot, pieces []view.Piece, out *Output) {
	if m.frozen && m.takesPart(now, of) && b == m.promised {
		m.staged = now
		out.Do = append(out.Do, Command{Verb: Fill, Pieces: pieces})
	}
}

// Filled tells that all pieces of the last Fill are here.
func (m *Machine) Filled(now time.Time, out *Output) {
	if !m.frozen {
		return
	}
	if m.promised.By == m.cfg.Self.ID {
		if m.change.active && m.change.stage == Filling {
			m.change.reports[m.self].filled = true
			m.advance(now, out)
		}
		return
	}
	f := appendBallot(appendName(m.begin(verbFilled, out), m.base().Name), m.promised)
	m.end(m.index(m.promised.By), f, out)
}

func (m *Machine) onPropose(now time.Time, from int, b Ballot, o *Outcome, out *Output) {
	if !m.takesPart(now, o.Of) {
		m.enlighten(from, o.Of, out)
		return
	}
	if m.current == nil && o.Next.Name.Epoch <= m.floor.Epoch {
		return // late, of a founding before the last
	}
	if b.Less(m.promised) && canary != Deaf {
		f := appendName(m.begin(verbReject, out), o.Of)
		m.end(from, appendBallot(f, m.promised), out)
		return
	}
	if b != m.promised {
		m.promise(now, b, out) // its Prepare was lost; nothing new may be sent or taken from here on
	}
	if m.cfg.Durable && m.current == nil {
		m.pledge(now, b, o, out)
		return
	}
	m.accepted = proposal{b, o}
	f := appendBallot(appendName(m.begin(verbAccepted, out), o.Of), b)
	m.end(from, f, out)
}

// onReject gives a ballot up that a greater one has overtaken.
func (m *Machine) onReject(now time.Time, of view.Name, promised Ballot) {
	if !m.change.active || of != m.base().Name || !m.change.ballot.Less(promised) {
		return
	}
	m.change.active = false
	m.change.round = max(m.change.round, promised.Round)
	// The other may be about to finish; who comes first is drawn.
	m.staged = now.Add(time.Duration(m.rng.Int64N(int64(m.cfg.Patience))) - m.cfg.Patience)
	m.retryAt = now.Add(m.retryAfter())
}

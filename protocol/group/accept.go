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
// or it does not matter, since every component goes on.
func (m *Machine) founds(now time.Time, p *pulse) bool {
	return p.fresh() || m.cfg.All || m.allOutside(now)
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
	own := report{have: true, holding: holding, accepted: m.accepted, floor: m.floor.Epoch, donor: m.donor, lived: m.lived}
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
	if own.accepted.outcome == nil {
		b = append(b, 0)
	} else {
		b = appendBallot(append(b, 1), own.accepted.ballot)
		b = appendOutcome(b, own.accepted.outcome)
	}
	m.end(to, b, out)
}

func (m *Machine) readReport(now time.Time, from int, r *wire.Reader, out *Output) bool {
	of, b := readName(r), readBallot(r)
	got := report{have: true, floor: view.Epoch(r.Uvarint()), donor: readID(r), lived: readName(r), holding: readCut(r)}
	switch r.U8() {
	case 0:
	case 1:
		got.accepted.ballot = readBallot(r)
		got.accepted.outcome = readOutcome(r)
	default:
		r.Fail()
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

func (m *Machine) onCommit(now time.Time, from int, o *Outcome, out *Output) {
	in := o.Next.Has(m.cfg.Self)
	late := o.Next.Name.Epoch <= m.floor.Epoch && canary != ForgetsFloor
	switch {
	case o.Next.Name == m.floor:
	case m.current == nil && late:
		m.sendApart(in, from, o.Next.Name, out)
	case m.binds(now, o):
		m.apply(now, o, out)
	case !late && (!m.cfg.All || m.current == nil && in && !o.stays(m.cfg.Self)):
		m.catchUp(now, o, out)
	default:
		m.sendApart(in, from, o.Next.Name, out)
	}
}

// binds says whether an outcome is that of the instance in which this member has a say. One
// of a founding by lives that have known no view is not, once it has known one; and with
// partition = all, nothing else is after it has accepted something.
func (m *Machine) binds(now time.Time, o *Outcome) bool {
	switch {
	case !m.takesPart(now, o.Of):
		return false
	case m.current == nil && o.stays(m.cfg.Self) && m.floor.Epoch > 0:
		return false
	}
	return !m.cfg.All || m.accepted.outcome == nil || m.accepted.outcome.Next.Name == o.Next.Name
}

// sendApart says to one who counts on this member that it will not come into a view.
func (m *Machine) sendApart(counts bool, to int, of view.Name, out *Output) {
	if counts {
		m.end(to, appendApart(m.begin(verbApart, out), of, m.floor, m.current != nil), out)
	}
}

// catchUp is told of a view that this member has no say in and that is later than all it
// knows: its own, if it is in one, is over without it. If the later view has it, it was let
// in anew, maybe before it knew that it was out. Who is seated as one that stays did stay
// in a view that it has left since; so it is out, too.
func (m *Machine) catchUp(now time.Time, o *Outcome, out *Output) {
	if m.current != nil {
		m.know(o)
		m.dismiss(now, WasExpelled, nil, false, out)
	}
	if o.Next.Has(m.cfg.Self) && !o.stays(m.cfg.Self) && m.state == Asking {
		m.install(now, o, out)
		return
	}
	m.know(o)
}

// know notes the latest outcome that is known; it is told to those who show that they do not.
func (m *Machine) know(o *Outcome) {
	m.lastWay = o
	if o.Close {
		return
	}
	if m.floor.Less(o.Next.Name) {
		m.floor = o.Next.Name
	}
	if len(o.Next.Seats) == 0 {
		m.ended = max(m.ended, o.Next.Name.Epoch)
	}
}

// apply carries out how the view ended that this member has a say in.
func (m *Machine) apply(now time.Time, o *Outcome, out *Output) {
	switch {
	case o.stays(m.cfg.Self):
		m.install(now, o, out)
	case o.Next.Has(m.cfg.Self):
		// The others took it for gone from the old view before it knew that it was in it.
		if m.current != nil {
			m.dismiss(now, WasExpelled, nil, false, out)
		}
		if m.state == Asking {
			m.install(now, o, out)
		}
	case m.current == nil:
		m.know(o) // It was founded without this process, which goes on asking.
		m.asked = now
		m.reset(nil)
	case o.Close:
		m.know(o)
		m.dismiss(now, GaveWay, o.Cut, true, out)
	case m.state == Leaving:
		m.know(o)
		m.dismiss(now, HasLeft, o.Cut, true, out)
	case m.cfg.All:
		// Those in it have gone; who is left goes on from the old view, without them.
		news := m.accepted.outcome != nil && m.accepted.outcome.Next.Name == o.Next.Name
		for i := range m.peers {
			if o.Next.Has(m.peers[i].life) && !m.peers[i].apart {
				m.peers[i].apart, news = true, true
			}
		}
		if news {
			m.accepted, m.change.active = proposal{}, false
		}
	default:
		m.know(o)
		m.dismiss(now, WasExpelled, nil, false, out)
	}
}

// install begins the view that an outcome names.
func (m *Machine) install(now time.Time, o *Outcome, out *Output) {
	next := o.Next
	c := Command{Verb: Install, View: &next, Cut: o.Cut}
	if o.stays(m.cfg.Self) {
		for rank, s := range next.Seats {
			if o.Stay&(1<<rank) != 0 {
				c.Former = append(c.Former, s.Member)
			}
		}
	}
	took := time.Duration(0)
	if m.frozen {
		took = now.Sub(m.began)
	}
	unblock := m.blocked
	m.reset(&next)
	for _, s := range next.Seats {
		if i := m.index(s.ID); i >= 0 {
			m.meet(i, s.Member) // nothing may have been heard of that life yet
		}
	}
	m.know(o)
	if m.state == Asking {
		m.state = In
	}
	m.hurry = true
	m.record(now, trace.ViewInstalled, view.Nobody, uint64(next.Name.Epoch), uint64(len(next.Seats)), uint64(took.Microseconds()))
	out.Do = append(out.Do, c)
	if unblock {
		m.record(now, trace.Unblocked, view.Nobody, 0, 0, 0)
		out.Do = append(out.Do, Command{Verb: Unblock})
	}
}

// reset begins a new instance of the agreement: how the view v ends, or the founding.
func (m *Machine) reset(v *view.View) {
	m.current = v
	m.frozen, m.blocked, m.donor = false, false, view.Nobody
	m.promised, m.accepted = Ballot{}, proposal{}
	m.change.active, m.change.round = false, 0
	for i := range m.peers {
		m.peers[i].apart = false
	}
}

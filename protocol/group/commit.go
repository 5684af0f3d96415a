package group

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

func (m *Machine) onCommit(now time.Time, from int, o *Outcome, out *Output) {
	in := o.Next.Has(m.cfg.Self)
	late := o.Next.Name.Epoch <= m.floor.Epoch && canary != ForgetsFloor
	switch {
	case o.Next.Name == m.floor:
	case m.fenced(o):
		m.sendApart(in, from, o.Next.Name, out)
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
	m.fence = max(m.fence, o.Era)
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
	c := Command{Verb: Install, View: &next, Cut: o.Cut, Era: o.Era}
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
	m.era, m.stands = o.Era, false
	for _, s := range next.Seats {
		if i := m.index(s.ID); i >= 0 {
			m.meet(i, s.Member)              // nothing may have been heard of that life yet
			m.peers[i].shunned = time.Time{} // it did its part in this change, or those did who let it in
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

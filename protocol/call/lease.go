package call

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// beat is one sending of an Open, Renew or Close. Each has a number of its own, so that a reply tells from
// when on the lease counts.
type beat struct {
	number uint64
	at     time.Time
	verb   session.Verb
}

// Open asks for a session, if there is none and the configuration has a lease. An Event tells when it is there.
func (m *Machine) Open(now time.Time, out *Output) {
	m.enter(now, out)
	if m.state != Idle {
		return
	}
	m.state = Opening
	m.nonce = m.draw()
	m.session, m.numbers, m.acked = 0, 0, 0
	clear(m.done[:])
	m.keep(session.Open, out)
}

// Close ends the session, and with it all open calls. An Event tells when the service has heard of it, or when
// the lease has ended without that.
func (m *Machine) Close(now time.Time, out *Output) {
	m.enter(now, out)
	switch {
	case m.state == Idle || m.state == Closing:
	case m.cfg.Lease == 0:
		m.abort(Shut, out)
	case m.state == Opening:
		m.end(Shut, false, out) // if the service has opened it, it ends by its lease
	default:
		m.abort(Shut, out)
		m.state = Closing
		m.keep(session.Close, out)
	}
}

// keep sets the keeper to a task, from now on.
func (m *Machine) keep(v session.Verb, out *Output) {
	m.keeper = entry{verb: v, request: m.keeper.request, place: m.keeper.place}
	if m.keeper.place < 0 {
		m.agenda.push(&m.keeper)
	}
	m.ask(&m.keeper, m.server(), out)
}

// rest lets the keeper wait until the session is to be renewed.
func (m *Machine) rest() {
	m.keeper.verb = session.Renew
	m.keeper.rounds, m.keeper.hops = 0, 0
	m.keeper.to = view.Nobody
	m.keeper.first = time.Time{}
	m.keeper.retry = m.from.Add(m.cfg.Lease / renewPart)
	m.agenda.fix(&m.keeper)
}

// pulse makes the keeper's request.
func (m *Machine) pulse(e *entry) {
	m.others++
	r := session.Request{Verb: e.verb, Session: m.session, Nonce: m.nonce, Number: m.others | loose, Acked: m.acked}
	if e.verb == session.Open {
		r.Session, r.Acked, r.Lease, r.Label = 0, 0, m.cfg.Lease, []byte(m.cfg.Label)
	}
	e.request = r.Append(e.request[:0])
	m.beat = (m.beat + 1) % beatsMax
	m.beats[m.beat] = beat{r.Number, m.last, e.verb}
}

// heard finds the beat that a reply is to.
func (m *Machine) heard(number uint64) *beat {
	for i := range m.beats {
		if b := &m.beats[i]; b.number == number && number != 0 {
			return b
		}
	}
	return nil
}

// answered takes the reply to a beat.
func (m *Machine) answered(b *beat, from view.ID, r *session.Reply, out *Output) {
	switch {
	case m.state == Opening && b.verb == session.Open:
		m.opened(b, from, r, out)
	case m.state == Closing && b.verb == session.Close && (r.Status == session.OK || r.Status == session.StaleSession):
		m.end(Shut, false, out)
	case m.state == Opened && b.verb != session.Close && r.Session == m.session && r.Status == session.OK:
		m.extend(b.at)
	case m.state == Opened && b.verb == session.Renew && r.Session == m.session && r.Status == session.StaleSession:
		m.end(SessionEnded, true, out)
	case b.verb == m.keeper.verb && r.Status.Later() && !m.keeper.retry.IsZero() && m.keeper.sent():
		m.turned(&m.keeper, from, r, out)
	}
}

// opened takes the reply to an Open.
func (m *Machine) opened(b *beat, from view.ID, r *session.Reply, out *Output) {
	switch {
	case r.Status == session.Refused: // another has drawn the same nonce
		m.nonce = m.draw()
		m.keeper.rounds++
		m.keeper.retry = m.last.Add(m.wait(&m.keeper))
		m.agenda.fix(&m.keeper)
	case r.Status == session.LongLease:
		m.end(LongLease, false, out)
		if len(r.Body) == 8 {
			out.Events[len(out.Events)-1].Most = time.Duration(binary.BigEndian.Uint64(r.Body))
		}
	case r.Status.Later():
		m.turned(&m.keeper, from, r, out)
	case r.Status == session.OK && r.Session != 0 && b.at.Add(m.cfg.Lease-m.cfg.Margin).After(m.last):
		// A reply that comes later than that is of no use; the next may be.
		m.state, m.session, m.from = Opened, r.Session, b.at
		if canary == LateLease {
			m.from = m.last
		}
		m.rest()
		out.Events = append(out.Events, Event{State: Opened, Session: m.session})
	}
}

// extend notes that the service has executed a request of the session that was sent at that time.
func (m *Machine) extend(sent time.Time) {
	if canary == LateLease {
		sent = m.last
	}
	if sent.After(m.from) {
		m.from = sent
		if m.keeper.verb == session.Renew && m.keeper.sent() {
			m.rest()
		}
	}
}

// LeaseEnd is the moment up to which the service has surely not ended the session; zero: there is none.
func (m *Machine) LeaseEnd() time.Time {
	if m.state != Opened {
		return time.Time{}
	}
	return m.leaseEnd()
}

func (m *Machine) leaseEnd() time.Time {
	if m.cfg.Lease == 0 || m.state != Opened && m.state != Closing {
		return time.Time{}
	}
	return m.from.Add(m.cfg.Lease - m.cfg.Margin)
}

// abort ends all open calls.
func (m *Machine) abort(why Cause, out *Output) {
	for _, e := range m.aged() {
		switch {
		case e == &m.keeper:
		case e.sent():
			m.finish(e, Result{Outcome: Unknown, Cause: why, Server: e.to}, out)
		default:
			m.finish(e, Result{Outcome: NotExecuted, Cause: why}, out)
		}
	}
}

// end ends the session, as far as the client is concerned. The service is not told when the lease runs out: what
// the session holds must not come free before its owner, who is told now, has had the margin to stop.
func (m *Machine) end(why Cause, stale bool, out *Output) {
	if m.state == Closing {
		why = Shut
	}
	if stale {
		for _, e := range m.agenda {
			e.put = session.StaleSession
		}
	}
	m.abort(why, out)
	out.Events = append(out.Events, Event{State: Idle, Session: m.session, Cause: why, Stale: stale})
	m.state, m.session, m.from = Idle, 0, time.Time{}
	if m.keeper.place >= 0 {
		m.agenda.remove(&m.keeper)
	}
	m.beats = [beatsMax]beat{}
}

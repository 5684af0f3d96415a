package call

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// find is a server's place in the configuration; -1: it is none.
func (m *Machine) find(id view.ID) int {
	for i, s := range m.cfg.Servers {
		if s == id {
			return i
		}
	}
	return -1
}

// isDown says whether a server cannot be reached.
func (m *Machine) isDown(i int) bool { return m.down&(1<<i) != 0 }

// after is the next server behind a place that can be reached, around to the place itself; Nobody: none can.
func (m *Machine) after(place int) view.ID {
	n := len(m.cfg.Servers)
	for k := 1; k <= n; k++ {
		if i := (place + k) % n; !m.isDown(i) {
			return m.cfg.Servers[i]
		}
	}
	return view.Nobody
}

// server is who is believed to serve.
func (m *Machine) server() view.ID {
	if !m.isDown(m.at) {
		return m.cfg.Servers[m.at]
	}
	return m.after(m.at)
}

// believe makes a server the one that is asked first.
func (m *Machine) believe(id view.ID) {
	if i := m.find(id); i >= 0 {
		m.at = i
	}
}

// advance gives up believing in the present server.
func (m *Machine) advance() { m.believe(m.after(m.find(m.server()))) }

// Reachable tells whether a server can be reached, for a transport that knows. What was sent to one that cannot be any
// more is sent to the next, or, if it must not be, has an unknown outcome.
func (m *Machine) Reachable(now time.Time, id view.ID, up bool, out *Output) {
	m.enter(now, out)
	i := m.find(id)
	if i < 0 || m.isDown(i) != up {
		return // nothing new
	}
	m.down ^= 1 << i
	if up {
		m.roused(out)
	} else {
		m.lost(id, out)
	}
	m.pump(out)
}

// roused sends what waits for any server at all.
func (m *Machine) roused(out *Output) {
	for _, e := range m.aged() {
		if e.to == view.Nobody && !e.retry.IsZero() {
			m.ask(e, m.server(), out)
		}
	}
}

// lost follows the breaking of a connection.
func (m *Machine) lost(id view.ID, out *Output) {
	for _, e := range m.aged() {
		switch {
		case e.to != id:
		case e.repeats() || e.refused:
			m.ask(e, m.server(), out)
		default:
			m.finish(e, Result{Outcome: Unknown, Cause: ServerLost, Server: id}, out)
		}
	}
}

// aged gives all entries, the oldest first. The slice is used again.
func (m *Machine) aged() []*entry {
	m.scratch = append(m.scratch[:0], m.agenda...)
	sortByAge(m.scratch)
	return m.scratch
}

// ask sends an entry to a server, and says when it is sent again. With nobody to ask, it waits for one.
func (m *Machine) ask(e *entry, to view.ID, out *Output) {
	e.to = to
	e.retry = time.Time{}
	if to == view.Nobody {
		e.retry = m.last.Add(m.wait(e))
		m.agenda.fix(e)
		return
	}
	if e.repeats() && (canary != Resigned || e.verb != session.Call) {
		e.retry = m.last.Add(m.wait(e))
	}
	if !e.sent() && m.cfg.Hedge > 0 && e.hedges() && len(m.cfg.Servers) > 1 {
		e.hedge = m.last.Add(m.cfg.Hedge + e.burden())
	}
	e.refused = false
	m.post(e, to, out)
	m.agenda.fix(e)
}

// wait is how long an entry waits for an answer: exponentially longer, and spread by a quarter each way; and a large one
// as long as it takes to be sent.
func (m *Machine) wait(e *entry) time.Duration {
	d := m.cfg.RetryMin
	for i := 0; i < e.rounds && d < m.cfg.RetryMax; i++ {
		d *= 2
	}
	d = min(d, m.cfg.RetryMax)
	return d*3/4 + time.Duration(m.rng.Int64N(int64(d/2)+1)) + e.burden()
}

// post makes an entry's request and puts it out.
func (m *Machine) post(e *entry, to view.ID, out *Output) {
	if e == &m.keeper {
		m.pulse(e)
	} else {
		m.number(e, out)
	}
	if !e.sent() {
		e.first = m.last
	}
	out.post(to, e.request)
}

// number gives a call its number when it is sent first, and its place in the session. The number stays, so that
// whoever has executed it knows it again.
func (m *Machine) number(e *entry, out *Output) {
	acked := m.acked
	if canary == Boastful {
		acked = m.numbers
	}
	if e.number != 0 && canary != Renumber {
		if m.session != 0 {
			session.Acknowledge(e.request, acked)
		}
		return
	}
	if canary == Renumber {
		delete(m.byNumber, e.number)
	}
	if e.how.Remembered() {
		m.numbers++
		e.number = m.numbers
	} else {
		m.others++
		e.number = m.others | loose
	}
	m.byNumber[e.number] = e
	m.head(e)
	if m.cfg.Log {
		out.Save = append(out.Save, Record{Nonce: m.nonce, Number: e.number})
	}
}

// head writes the head of a call's request; what is behind it stays.
func (m *Machine) head(e *entry) {
	h := session.Request{Verb: e.verb, How: e.how, Session: m.session, Nonce: m.nonce, Number: e.number}
	if m.session != 0 {
		h.Acked = m.acked
	}
	if e.verb == session.Cancel {
		h.How = 0
	}
	h.Append(e.request[:0])
}

// turned follows a server's refusal: its hint, the next server, or a pause.
func (m *Machine) turned(e *entry, from view.ID, r *session.Reply, out *Output) {
	if from != e.to {
		return // a hedge, or one that is not asked any more
	}
	e.refused, e.put = true, r.Status
	if r.Status == session.Elsewhere || r.Status == session.Halted {
		next := m.after(m.find(from))
		if i := m.find(r.Server); i >= 0 && r.Server != from && !m.isDown(i) {
			next = r.Server
		}
		if m.server() == from {
			m.believe(next)
		}
		if e.hops < len(m.cfg.Servers) && next != from {
			e.hops++
			m.ask(e, next, out)
			return
		}
	}
	e.hops = 0
	e.retry = m.last.Add(m.wait(e))
	m.agenda.fix(e)
}

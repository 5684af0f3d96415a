package call

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Submit takes a call, and gives it an ID, from 1; its Result has the same. If why is not None, it is not taken,
// and there is no Result.
func (m *Machine) Submit(now time.Time, c Call, out *Output) (id uint64, why Cause) {
	m.enter(now, out)
	if c.Deadline.IsZero() {
		c.Deadline = m.last.Add(m.cfg.Patience)
	}
	switch {
	case c.How < session.Maybe || c.How > session.ExactlyOnce:
		return 0, BadCall
	case m.state == Idle || m.state == Closing || c.How.Remembered() && m.cfg.Lease == 0:
		return 0, NoSession
	case len(c.Body) > session.BodyMax:
		return 0, TooLong
	case m.Calls() >= callsMax || m.bytes+len(c.Body) > bytesMax:
		return 0, TooMany
	case !c.Deadline.After(m.last):
		return 0, TooLate
	}
	e := m.take()
	m.ids++
	e.id, e.verb, e.how, e.same, e.deadline = m.ids, session.Call, c.How, c.Idempotent, c.Deadline
	q := session.Request{Verb: e.verb, How: e.how, Body: c.Body}
	e.request = q.Append(e.request[:0])
	m.bytes += len(e.request)
	m.agenda.push(e)
	m.queue = append(m.queue, e)
	m.pump(out)
	return e.id, None
}

// pump sends what waits for its turn: for the session, for somebody to ask, and for numbers that the session may
// use: one beyond the window would not only be refused, it would have no place in done.
func (m *Machine) pump(out *Output) {
	if m.state != Opened || m.server() == view.Nobody {
		return
	}
	n := 0
	for n < len(m.queue) && !(m.queue[n].how.Remembered() && m.numbers-m.acked >= session.Window) {
		m.ask(m.queue[n], m.server(), out)
		n++
	}
	if n > 0 {
		m.queue = slices.Delete(m.queue, 0, n)
	}
}

// Cancel ends the interest in a call. If it is remembered and was sent, the service is asked to keep it from being
// executed: then the Result is NotExecuted, or Executed with its reply; otherwise it comes at once, and is Unknown
// if the call was sent. An ID of no open call does nothing.
func (m *Machine) Cancel(now time.Time, id uint64, out *Output) {
	m.enter(now, out)
	i := slices.IndexFunc(m.agenda, func(e *entry) bool { return e.id == id })
	if i < 0 || id == 0 {
		return
	}
	e := m.agenda[i]
	switch {
	case !e.sent() || canary == Hasty:
		m.finish(e, Result{Outcome: NotExecuted, Cause: Abandoned}, out)
	case !e.how.Remembered():
		m.finish(e, Result{Outcome: Unknown, Cause: Abandoned, Server: e.to}, out)
	case e.verb == session.Call:
		e.verb = session.Cancel
		e.rounds, e.hops, e.hedge = 0, 0, time.Time{}
		m.bytes -= len(e.request)
		m.head(e)
		e.request = e.request[:requestHead]
		m.bytes += len(e.request)
		m.ask(e, m.server(), out)
	}
	m.pump(out)
}

// requestHead is the size of a request without a body.
const requestHead = session.RequestMax - session.BodyMax

// finish ends a call.
func (m *Machine) finish(e *entry, r Result, out *Output) {
	r.ID, r.Put = e.id, e.put
	out.Results = append(out.Results, r)
	if e.number == 0 {
		if i := slices.Index(m.queue, e); i >= 0 {
			m.queue = slices.Delete(m.queue, i, i+1)
		}
	} else {
		delete(m.byNumber, e.number)
		if e.how.Remembered() {
			m.resolve(e.number)
		}
		if m.cfg.Log {
			out.Save = append(out.Save, Record{Nonce: m.nonce, Number: e.number, Over: true})
		}
	}
	m.agenda.remove(e)
	m.bytes -= len(e.request)
	m.give(e)
}

// resolve notes that nobody waits for a number any more, and acknowledges all up to which that is so.
func (m *Machine) resolve(number uint64) {
	m.done[number%session.Window] = true
	for m.acked < m.numbers && m.done[(m.acked+1)%session.Window] {
		m.acked++
		m.done[m.acked%session.Window] = false
	}
}

// take gives an empty entry, with the room of a former one.
func (m *Machine) take() *entry {
	n := len(m.free)
	if n == 0 {
		return &entry{}
	}
	e := m.free[n-1]
	m.free = m.free[:n-1]
	*e = entry{request: e.request[:0]}
	return e
}

func (m *Machine) give(e *entry) {
	if cap(e.request) <= freeSize && len(m.free) < freeMax {
		m.free = append(m.free, e)
	}
}

func sortByAge(entries []*entry) {
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
}

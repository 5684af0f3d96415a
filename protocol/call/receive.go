package call

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Receive takes the bytes of a reply from a server, as the transport proved it. What is no reply, or none that is
// waited for, is dropped, counted and traced.
func (m *Machine) Receive(now time.Time, from view.ID, reply []byte, out *Output) {
	m.enter(now, out)
	r, why := session.ParseReply(reply)
	switch {
	case why != wire.OK:
		m.drop(from, why)
		return
	case m.find(from) < 0:
		m.drop(from, wire.UnknownSender)
		return
	case r.Nonce != m.nonce && canary != AnyReply:
		m.drop(from, wire.WrongDestination) // of a former session, or a former life
		return
	}
	if b := m.heard(r.Number); b != nil {
		m.answered(b, from, &r, out)
	} else if e := m.byNumber[r.Number]; e != nil && (r.Session == m.session || canary == AnyReply) {
		m.replied(e, from, &r, out)
	} else {
		m.drop(from, wire.Stale)
	}
	m.pump(out)
}

// replied takes the reply to a call.
func (m *Machine) replied(e *entry, from view.ID, r *session.Reply, out *Output) {
	if !r.Status.Later() && e.rounds > 0 {
		m.believe(from) // after silence, who answers is the one
	}
	if r.Session != 0 && r.Index != 0 && r.Status != session.StaleSession {
		m.extend(e.first)
	}
	result := Result{Server: from, Index: r.Index}
	if canary == Credulous && r.Status.Later() {
		r.Status = session.OK
	}
	switch r.Status {
	case session.OK:
		result.Outcome, result.Body = Executed, r.Body
	case session.Oversize:
		result.Outcome, result.Cause = Executed, TooLarge
	case session.Cancelled:
		result.Outcome, result.Cause = NotExecuted, Abandoned
	case session.Refused, session.Malformed:
		result.Outcome, result.Cause = NotExecuted, Rejected
	case session.Forgotten:
		result.Outcome, result.Cause = Unknown, Forgot
	case session.StaleSession:
		if m.session != 0 {
			m.end(SessionEnded, true, out)
		}
		return
	default:
		m.turned(e, from, r, out)
		return
	}
	m.finish(e, result, out)
}

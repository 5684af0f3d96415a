package active

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Client is where a request came from, as the stack numbers it; 0 is nobody.
type Client uint64

// passer is whom this member's own letting pass of time came from. It is given no answer.
const passer Client = 1<<64 - 1

// Config is what a member is told.
type Config struct {
	Self     view.Member
	Executor *session.Executor // belongs to the machine from then on
	Recorder trace.Recorder    // nil: nobody listens
}

// Reply is what a client is answered; valid until the output is reset.
type Reply struct {
	To   Client
	Data []byte // an encoded session.Reply
}

// Verb is what the machine asks of its stack.
type Verb uint8

// The verbs.
const (
	// Restart: this member has diverged. It must go out of the view and come in anew.
	Restart Verb = 1 + iota
	// Diverged: Members have diverged from the others at Index, and are restored.
	Diverged
	// Halted: the members differ at Index, and no more than half agree. Nothing is executed
	// any more.
	Halted
)

// Command is one thing that the machine asks of its stack, or tells it.
type Command struct {
	Verb    Verb
	Members []view.Member
	Index   uint64 // of the first command after which they differ
	Sure    bool   // it is that one; otherwise an earlier one
	Request []byte // the beginning of that command's request, if it is known
}

// Output is what a step puts out.
type Output struct {
	Multicast [][]byte // to the whole group, totally ordered, in the order of the sender, uniform
	Replies   []Reply
	Do        []Command

	buf []byte // of the replies
}

// Reset makes room for the next step.
func (o *Output) Reset() {
	o.Multicast, o.Replies, o.Do, o.buf = o.Multicast[:0], o.Replies[:0], o.Do[:0], o.buf[:0]
}

// Machine is one member's replica. See the package for what it does.
type Machine struct {
	cfg  Config
	exec *session.Executor

	view    *view.View // nil: in none, or without the state
	base    time.Duration
	baseAt  time.Time // when the agreed time was base
	pending []Client  // whose are the own messages that are under way, the oldest first
	told    uint64    // the index up to which the others know this member's digest
	tellAt  time.Time // zero: they know all
	passAt  time.Time // not before then
	passing bool      // a Pass of this member is under way
	halted  *Command
	dispute dispute
	heads   [headsKept]head
}

// New makes a member that is in no view.
func New(cfg Config) *Machine { return &Machine{cfg: cfg, exec: cfg.Executor} }

// Viewed tells of a new view that this member is in, with its state.
func (m *Machine) Viewed(now time.Time, v *view.View, out *Output) {
	m.view = v
	m.rebase(now)
	m.dispute = dispute{}
	m.passing = false
	m.tellAt = now.Add(tellAfter)
	m.told = 0
}

// Restored tells that the executor has been given another state: before Viewed.
func (m *Machine) Restored(now time.Time) {
	m.halted = nil
	m.heads = [headsKept]head{}
	m.rebase(now)
}

// Out tells that this member is in no view any more. What was under way is not answered: the
// client asks again.
func (m *Machine) Out() {
	m.view, m.tellAt, m.passing = nil, time.Time{}, false
	m.pending = m.pending[:0]
	m.dispute = dispute{}
}

func (m *Machine) rebase(now time.Time) { m.base, m.baseAt = m.exec.Time(), now }

// agreed is what this member thinks that the agreed time is: never more than it is.
func (m *Machine) agreed(now time.Time) time.Duration {
	return max(m.exec.Time(), m.base+max(0, now.Sub(m.baseAt)))
}

// Submit takes a client's request.
func (m *Machine) Submit(now time.Time, from Client, request []byte, out *Output) {
	r, why := session.ParseRequest(request)
	status := session.OK
	switch {
	case why != wire.OK:
		status = session.Malformed
	case r.Verb == session.Pass:
		status = session.Refused // it is the members' own
	case m.halted != nil:
		status = session.Halted
	case m.view == nil:
		status = session.Elsewhere
	case len(m.pending) >= pendingMax:
		status = session.Busy
	}
	if status != session.OK {
		start := len(out.buf)
		out.buf = session.AppendRefusal(out.buf, request, status, view.Nobody)
		out.answer(from, start)
		return
	}
	b := m.begin(kindCommand)
	at := len(b)
	b = append(b, request...)
	session.Stamp(b[at:], m.agreed(now))
	m.send(now, from, b, out)
}

// answer gives a client what was appended to the buffer from start on.
func (o *Output) answer(to Client, start int) {
	if to != 0 && to != passer {
		o.Replies = append(o.Replies, Reply{to, o.buf[start:len(o.buf):len(o.buf)]})
	}
}

// send multicasts a message for a client.
func (m *Machine) send(now time.Time, whose Client, b []byte, out *Output) {
	m.told, m.tellAt = m.exec.Index(), time.Time{}
	m.pending = append(m.pending, whose)
	out.Multicast = append(out.Multicast, b)
}

// Unsent tells that a message could not be taken: the one that is the back-th from the end of
// those under way, from 1. Its client asks again.
func (m *Machine) Unsent(now time.Time, back int) {
	at := len(m.pending) - back
	m.pending = append(m.pending[:at], m.pending[at+1:]...)
	m.tellAt = now.Add(tellAfter)
	m.passing = false
}

// Lost tells that so many of this member's oldest messages under way will not be delivered
// to it. Their clients ask again.
func (m *Machine) Lost(count int) {
	m.pending = m.pending[min(count, len(m.pending)):]
	m.passing = false
}

// Delivered takes a message in the agreed order.
func (m *Machine) Delivered(now time.Time, from view.Member, payload []byte, out *Output) {
	var client Client
	if from == m.cfg.Self && len(m.pending) > 0 {
		client, m.pending = m.pending[0], m.pending[1:]
	}
	msg, ok := read(payload)
	if !ok {
		m.record(now, trace.Dropped, from.ID, 0, 0)
		return
	}
	if m.halted != nil {
		return
	}
	m.hold(now, from, &msg, out)
	switch msg.kind {
	case kindCommand:
		m.execute(now, client, &msg, out)
	case kindDoubt:
		m.open(now, out)
	case kindRing:
		m.vote(now, from, &msg, out)
	}
}

func (m *Machine) execute(now time.Time, client Client, msg *message, out *Output) {
	start := len(out.buf)
	out.buf = m.exec.Execute(msg.body, out.buf)
	out.answer(client, start)
	m.remember(m.exec.Index(), msg.body)
	if client == passer {
		m.passing = false
	}
	m.moved(now)
}

// moved follows a change of the state.
func (m *Machine) moved(now time.Time) {
	m.rebase(now)
	if m.tellAt.IsZero() {
		m.tellAt = now.Add(tellAfter)
	}
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *Output) {
	if m.view == nil || m.halted != nil {
		return
	}
	if !m.tellAt.IsZero() && !now.Before(m.tellAt) {
		if m.tellAt = (time.Time{}); m.told != m.exec.Index() {
			m.send(now, 0, m.begin(kindTell), out)
		}
	}
	if next := m.exec.Next(); m.leads() && !m.passing && next != 0 && m.agreed(now) >= next && !now.Before(m.passAt) {
		m.passing, m.passAt = true, now.Add(passEvery)
		pass := session.Request{Verb: session.Pass, At: m.agreed(now)}
		m.send(now, passer, pass.Append(m.begin(kindCommand)), out)
	}
}

// leads says whether this member is the most senior that has the state.
func (m *Machine) leads() bool {
	for _, s := range m.view.Seats {
		if !s.Witness {
			return s.Member == m.cfg.Self
		}
	}
	return false
}

// Deadline is when Tick has something to do; zero: never.
func (m *Machine) Deadline() time.Time {
	if m.view == nil || m.halted != nil {
		return time.Time{}
	}
	d := m.tellAt
	if next := m.exec.Next(); next != 0 && m.leads() && !m.passing {
		at := m.baseAt.Add(next - m.base)
		if at.Before(m.passAt) {
			at = m.passAt
		}
		if d.IsZero() || at.Before(d) {
			d = at
		}
	}
	return d
}

// Executor is the state, for giving and taking it as a whole.
func (m *Machine) Executor() *session.Executor { return m.exec }

// View is the view this member is in with its state, or nil.
func (m *Machine) View() *view.View { return m.view }

// Stopped is why nothing is executed any more; nil: it is.
func (m *Machine) Stopped() *Command { return m.halted }

func (m *Machine) record(now time.Time, k trace.Kind, peer view.ID, a, b uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: peer, Kind: k, A: a, B: b})
	}
}

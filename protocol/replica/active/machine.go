package active

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// What all styles share, under the names of this package's users.
type (
	Client  = replica.Client
	Command = replica.Command
	Output  = replica.Output
)

// The verbs.
const (
	Restart  = replica.Restart
	Diverged = replica.Diverged
	Halted   = replica.Halted
)

// Config is what a member is told.
type Config struct {
	Self     view.Member
	Executor *session.Executor // belongs to the machine from then on
	// MessageMax is the longest message that the group takes, bytes; 0: any request fits.
	MessageMax int
	Recorder   trace.Recorder // nil: nobody listens
}

// Machine is one member's replica. See the package for what it does.
type Machine struct {
	cfg  Config
	exec *session.Executor

	view    *view.View // nil: in none, or without the state
	clock   replica.Clock
	pending replica.Queue // whose are the own messages that are under way, the oldest first
	repeats replica.Repeats
	told    uint64    // the index up to which the others know this member's digest
	tellAt  time.Time // zero: they know all
	passAt  time.Time // not before then
	passing bool      // a Pass of this member is under way
	halted  *Command
	fallen  bool             // the state is not to be used
	dispute *replica.Dispute // nil: none
	doubted bool             // this member has begun it in this view
	untold  bool             // its digests for the dispute did not leave
	heads   replica.Heads
	proofs  replica.Proofs
}

// New makes a member that is in no view.
func New(cfg Config) *Machine { return &Machine{cfg: cfg, exec: cfg.Executor} }

// Viewed tells of a new view that this member is in, with its state.
func (m *Machine) Viewed(now time.Time, v *view.View, out *Output) {
	m.view = v
	m.proofs.Begin(now, v, m.cfg.Self)
	m.rebase(now)
	m.dispute, m.doubted, m.untold = nil, false, false
	m.passing = false
	m.tellAt = now.Add(tellAfter)
	m.told = nothingTold
}

// nothingTold is told of nobody yet: the state before the first command is proven, too.
const nothingTold = ^uint64(0)

// Out tells that this member is in no view any more. What was under way is not answered: the
// client asks again.
func (m *Machine) Out() {
	m.view, m.tellAt, m.passing = nil, time.Time{}, false
	m.pending.Clear()
	m.proofs.End()
	m.repeats.Clear()
	m.dispute, m.doubted, m.untold = nil, false, false
}

func (m *Machine) rebase(now time.Time) { m.clock.Set(now, m.exec.Time()) }

// agreed is what this member thinks that the agreed time is: never more than it is.
func (m *Machine) agreed(now time.Time) time.Duration {
	return m.clock.Agreed(now)
}

// Submit takes a client's request.
func (m *Machine) Submit(now time.Time, from Client, request []byte, out *Output) {
	r, why := session.ParseRequest(request)
	status := session.OK
	switch {
	case why != wire.OK:
		status = session.Malformed
	case r.Verb == session.Pass || m.cfg.MessageMax > 0 && len(request)+headMax > m.cfg.MessageMax:
		status = session.Refused // the members' own; or no member can multicast it
	case m.halted != nil:
		status = session.Halted
	case m.view == nil || m.fallen:
		status = session.Elsewhere
	case m.pending.Len() >= pendingMax:
		status = session.Busy
	}
	if status != session.OK {
		out.Refuse(from, request, status, view.Nobody)
		return
	}
	name := replica.NameOf(&r)
	if canary != AnswersEarly && m.repeats.Again(name, from) {
		out.Repeats++
		return
	}
	b := m.begin(out, kindCommand)
	at := len(b)
	b = append(b, request...)
	session.Stamp(b[at:], m.agreed(now), m.exec.Index())
	if canary == AnswersEarly {
		out.Answer(from, m.exec.Execute(b[at:], out.Begin()))
		from = early
	}
	m.send(now, from, b, out).Name = name
}

// send multicasts a message for a client, and gives what is kept of it while it is under way.
func (m *Machine) send(now time.Time, whose Client, b []byte, out *Output) *replica.Item {
	m.told, m.tellAt = m.exec.Index(), time.Time{}
	out.Send(b, true)
	return m.pending.Push(whose, 0)
}

// arrived takes the oldest message of this member's from those under way, and gives whom its answer is for.
func (m *Machine) arrived() Client {
	first := m.pending.At(0)
	client := m.repeats.End(first.Name, first.Client)
	m.pending.Pop()
	return client
}

// Unsent tells that a message could not be taken: the one that is the back-th from the end of
// those under way, and of those put out, from 1. Its client is told to ask again; what it had to say of states
// that differ is said later.
func (m *Machine) Unsent(now time.Time, back int, out *Output) {
	at, client := m.pending.Len()-back, Client(0)
	if at >= 0 {
		client = m.repeats.End(m.pending.At(at).Name, m.pending.At(at).Client)
	}
	if msg, ok := read(out.Back(back)); ok {
		switch {
		case msg.kind == kindDoubt:
			m.doubted = false
		case msg.kind == kindRing:
			m.untold = m.dispute != nil
		case msg.kind == kindCommand && at >= 0:
			out.Refuse(client, msg.body, session.Busy, view.Nobody)
		}
	}
	if at >= 0 {
		m.pending.Remove(at)
	}
	m.told, m.tellAt = nothingTold, now.Add(tellAfter)
	m.passing = false
}

// Lost tells that so many of this member's oldest messages under way will not be delivered
// to it. Their clients ask again.
func (m *Machine) Lost(count int) {
	for ; count > 0 && m.pending.Len() > 0; count-- {
		m.arrived()
	}
	m.passing = false
}

// Delivered takes a message in the agreed order.
func (m *Machine) Delivered(now time.Time, from view.Member, payload []byte, out *Output) {
	var client Client
	if from == m.cfg.Self && m.pending.Len() > 0 {
		client = m.arrived()
	}
	msg, ok := read(payload)
	if !ok {
		m.record(now, trace.Dropped, from.ID, 0, 0)
		return
	}
	if m.halted != nil || m.fallen {
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
	if canary == OwnClock {
		msg.body = bytes.Clone(msg.body)
		session.Stamp(msg.body, time.Duration(now.UnixNano()), m.exec.Index())
	}
	if canary == AnswersEarly && client == early {
		return
	}
	out.Answer(client, m.exec.Execute(msg.body, out.Begin()))
	m.heads.Keep(m.exec.Index(), msg.body)
	if client == replica.Passer {
		m.passing = false
	}
	m.moved(now)
}

// moved follows a change of the state.
func (m *Machine) moved(now time.Time) {
	m.rebase(now)
	m.proofs.Moved(now)
	if m.tellAt.IsZero() {
		m.tellAt = now.Add(tellAfter)
	}
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *Output) {
	if m.view == nil || m.halted != nil || m.fallen {
		return
	}
	if !m.tellAt.IsZero() && !now.Before(m.tellAt) {
		switch m.tellAt = (time.Time{}); {
		case m.untold:
			m.ring(now, out)
		case m.told != m.exec.Index():
			m.send(now, 0, m.begin(out, kindTell), out)
		}
	}
	if next := m.exec.Next(); m.leads() && !m.passing && next != 0 && m.agreed(now) >= next && !now.Before(m.passAt) {
		m.passing, m.passAt = true, now.Add(passEvery)
		pass := session.Request{Verb: session.Pass, At: m.agreed(now), After: m.exec.Index()}
		m.send(now, replica.Passer, pass.Append(m.begin(out, kindCommand)), out)
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
	if m.view == nil || m.halted != nil || m.fallen {
		return time.Time{}
	}
	d := m.tellAt
	if next := m.exec.Next(); next != 0 && m.leads() && !m.passing {
		at := m.clock.When(next)
		if at.Before(m.passAt) {
			at = m.passAt
		}
		if d.IsZero() || at.Before(d) {
			d = at
		}
	}
	return d
}

// Snapshot writes the state for who joins.
func (m *Machine) Snapshot(w io.Writer) error {
	if m.fallen || m.halted != nil {
		return replica.ErrVoid
	}
	err := m.exec.Snapshot(w)
	m.fallen = m.fallen || errors.Is(err, session.ErrChanged)
	return err
}

// Restore reads a state in place of the present one. Viewed follows.
func (m *Machine) Restore(now time.Time, r io.Reader) error {
	if err := m.exec.Restore(r); err != nil {
		return err
	}
	m.halted, m.fallen = nil, false
	m.heads.Clear()
	m.rebase(now)
	return nil
}

// Settled is the index of the last command that is safe at this member: all that it has
// executed.
func (m *Machine) Settled() uint64 { return m.exec.Index() }

// Sure is the index of the last command that may be told to clients: all that it has executed.
func (m *Machine) Sure() uint64 { return m.exec.Index() }

// Next is the size of the message that Proceed makes: there is none.
func (m *Machine) Next() int { return 0 }

// Proceed has nothing to do: what is asked is multicast at once.
func (m *Machine) Proceed(time.Time, *Output) {}

// Proofs is what is known of the others' copies; valid until anything else is called.
func (m *Machine) Proofs() ([]replica.Proof, bool) { return m.proofs.All(), true }

// Executor is the state.
func (m *Machine) Executor() *session.Executor { return m.exec }

// View is the view this member is in with its state, or nil.
func (m *Machine) View() *view.View { return m.view }

// Stopped is why nothing is executed any more; nil: it is.
func (m *Machine) Stopped() *Command { return m.halted }

// Damaged says whether the state is known not to be what the commands have made of it elsewhere: it is not to be used.
func (m *Machine) Damaged() bool { return m.fallen }

// Halt stops for a reason that the stack has found: nothing is executed any more, until another's state is restored.
func (m *Machine) Halt(why *Command) { m.halted = why }

func (m *Machine) record(now time.Time, k trace.Kind, peer view.ID, a, b uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: peer, Kind: k, A: a, B: b})
	}
}

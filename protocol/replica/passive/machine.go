package passive

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Config is what a member is told.
type Config struct {
	Self       view.Member
	Executor   *session.Executor // belongs to the machine from then on
	MessageMax int               // the longest message that the group takes, bytes; 0: any request fits
	Recorder   trace.Recorder    // nil: nobody listens
}

// Machine is one member's replica. See the package for what it does.
type Machine struct {
	cfg  Config
	exec *session.Executor

	view    *view.View // nil: in none, or without the state
	primary view.Member
	settled uint64          // index of the last update that was delivered
	waiting replica.Queue   // requests that the primary has not executed; at a backup, not sent on
	asked   replica.Queue   // at a backup: whose requests were sent on, by tag
	tag     uint64          // of the last of them
	askedAt time.Time       // when the first of them was sent on, or the last was answered
	ahead   replica.Queue   // replies to what it has executed and is not delivered
	repeats replica.Repeats // of what waits and what is ahead
	retryAt time.Time       // of the waiting ones; zero: none waits
	clock   replica.Clock
	passAt  time.Time // not before then
	passing bool      // a Pass waits or is ahead
	fallen  bool      // the state is not to be used
	damaged bool      // not even if nobody else has one
	halted  *replica.Command

	doubted  bool // this member has said so in this view
	disputes []dispute
	named    []view.Member // in this view
	heads    replica.Heads
	telling  telling
	scratch  []byte
	pass     []byte
}

// New makes a member that is in no view.
func New(cfg Config) *Machine { return &Machine{cfg: cfg, exec: cfg.Executor} }

// Viewed tells of a new view that this member is in, with its state.
func (m *Machine) Viewed(now time.Time, v *view.View, out *replica.Output) {
	if m.view == nil {
		m.fallen = m.damaged // restored; or nobody is left who has another state
	}
	m.view = v
	m.primary = view.Member{}
	for _, s := range v.Seats {
		if !s.Witness {
			m.primary = s.Member
			break
		}
	}
	m.doubted, m.disputes, m.named = false, m.disputes[:0], m.named[:0]
	m.clock.Set(now, m.exec.Time())
	m.telling.begin(now, v, m.cfg.Self)
	if m.ahead.Len() > 0 && canary != GivesAhead {
		m.restart(out) // what is ahead has not left in the old view: nobody else may ever have it
		return
	}
	if m.halted == nil && m.ahead.Len() == 0 {
		m.settled = m.exec.Index()
	}
	m.rest(out)
}

// rest sees to what waits from the view before. Own clients' requests go on waiting, for the primary that is now. What was sent
// on and not executed until then never will be: those clients ask again.
func (m *Machine) rest(out *replica.Output) {
	for i := 0; i < m.waiting.Len(); {
		if m.waiting.At(i).From == view.Nobody {
			i++
			continue
		}
		m.waiting.Remove(i)
	}
	for ; m.asked.Len() > 0; m.asked.Pop() {
		a := m.asked.At(0)
		out.Refuse(a.Client, a.Data, session.Elsewhere, m.primary.ID)
	}
}

// Out tells that this member is in no view any more, or without a state. What was under way is
// not answered: the client asks again.
func (m *Machine) Out() {
	m.view, m.primary = nil, view.Member{}
	m.fallen = m.fallen || m.ahead.Len() > 0
	m.drop()
	m.telling.end()
	m.doubted, m.disputes, m.named = false, m.disputes[:0], m.named[:0]
}

// leads says whether this member is the primary.
func (m *Machine) leads() bool { return m.view != nil && m.primary == m.cfg.Self }

// agreed is what this member thinks that the agreed time is: never more than it is.
func (m *Machine) agreed(now time.Time) time.Duration { return m.clock.Agreed(now) }

// Submit takes a client's request.
func (m *Machine) Submit(now time.Time, from replica.Client, request []byte, out *replica.Output) {
	r, why := session.ParseRequest(request)
	status := session.OK
	switch {
	case why != wire.OK:
		status = session.Malformed
	case r.Verb == session.Pass || m.cfg.MessageMax > 0 && len(request)+headMax > m.cfg.MessageMax:
		status = session.Refused // the members' own; or no member can multicast it
	case m.halted != nil:
		status = session.Halted
	case m.fallen:
		status = session.Elsewhere
	case m.primary == view.Member{}:
		status = session.Elsewhere
	case m.waiting.Len() >= waitingMax || m.asked.Len() >= askedMax || m.waiting.Bytes()+m.asked.Bytes()+len(request) > bytesMax:
		status = session.Busy
	}
	if status != session.OK {
		out.Refuse(from, request, status, view.Nobody)
		return
	}
	name := replica.NameOf(&r)
	if m.repeats.Again(name, from) {
		out.Repeats++
		return
	}
	m.wait(now, from, name, request)
	if canary == GivesAhead && m.Next() > 0 {
		m.Proceed(now, out)
	}
}

// wait puts a request behind those that wait.
func (m *Machine) wait(now time.Time, from replica.Client, name replica.Name, request []byte) {
	if m.waiting.Len() == 0 {
		m.retryAt = now.Add(retryEvery)
	}
	w := m.waiting.Push(from, 0)
	w.Name, w.Data = name, append(w.Data, request...)
	m.waiting.Filled()
}

// Next is the size of the update that Proceed makes; 0: none. It must be made only when it leaves at
// once, in the view that the machine knows.
func (m *Machine) Next() int {
	if m.waiting.Len() == 0 || m.ahead.Len() >= aheadMax || m.ahead.Bytes() > bytesMax || m.asked.Len() >= askedMax || m.view == nil || m.fallen || m.halted != nil {
		return 0
	}
	return headMax + len(m.waiting.At(0).Data)
}

// Proceed executes the first request that waits, and multicasts the update. A backup sends it on to the
// primary.
func (m *Machine) Proceed(now time.Time, out *replica.Output) {
	w := m.waiting.At(0)
	if !m.leads() && canary != ServesAll {
		m.ask(now, w, out)
		return
	}
	index := m.exec.Index() + 1
	b := binary.AppendUvarint(m.begin(out, kindUpdate), index)
	digest := len(b)
	b = binary.AppendUvarint(binary.BigEndian.AppendUint64(b, 0), uint64(w.From))
	if w.From != view.Nobody {
		b = binary.AppendUvarint(b, w.Index)
	}
	at := len(b)
	b = append(b, w.Data...)
	body := b[at:]
	session.Stamp(body, m.agreed(now), m.exec.Index())
	a := m.ahead.Push(w.Client, index)
	a.Name = w.Name
	a.Data = m.exec.Execute(body, a.Data)
	m.ahead.Filled()
	m.heads.Keep(index, body)
	binary.BigEndian.PutUint64(b[digest:], m.exec.Digest())
	out.Send(b, false)
	m.waiting.Pop()
	m.clock.Set(now, m.exec.Time())
	m.telling.proofs.Moved(now)
	if canary == AnswersEarly {
		out.Answer(m.repeats.End(a.Name, a.Client), append(out.Begin(), a.Data...))
		a.Client, a.Name = 0, replica.Name{}
	}
}

// ask sends a request on to the primary, which may drop it: what comes again is sent on again.
func (m *Machine) ask(now time.Time, w *replica.Item, out *replica.Output) {
	if m.asked.Len() == 0 {
		m.askedAt = now
	}
	m.tag++
	out.Send(append(binary.AppendUvarint(m.begin(out, kindAsk), m.tag), w.Data...), false)
	a := m.asked.Push(m.repeats.End(w.Name, w.Client), m.tag)
	a.Data = append(a.Data, w.Data...)
	m.asked.Filled()
	m.waiting.Pop()
}

// Unsent tells that a message was not taken. If it was the update that was just made, nobody will ever have
// it, and this member begins anew. What it had to say of states that differ is said later.
func (m *Machine) Unsent(now time.Time, back int, out *replica.Output) {
	switch msg, _ := read(out.Back(back)); msg.kind {
	case kindTell:
		m.telling.again(now)
	case kindDoubt:
		m.doubted = false
	case kindRing:
		for i := range m.disputes {
			m.disputes[i].told = m.disputes[i].over
		}
	case kindAsk:
		if last := m.asked.Len() - 1; last >= 0 && m.asked.At(last).Index == msg.tag {
			m.asked.Remove(last) // its client asks again
		}
	default:
		m.restart(out)
	}
}

// Lost tells that own messages will not be delivered here. What they updated is void; Out follows.
func (m *Machine) Lost(count int) {}

// Delivered takes a message, in the order of its sender.
func (m *Machine) Delivered(now time.Time, from view.Member, payload []byte, out *replica.Output) {
	msg, ok := read(payload)
	if !ok || m.view == nil || msg.epoch != m.view.Name.Epoch && canary != GivesAhead {
		m.record(now, trace.Dropped, from.ID, 0, 0, 0)
		return
	}
	if m.halted != nil || m.fallen {
		return
	}
	switch msg.kind {
	case kindUpdate:
		m.update(now, from, &msg, out)
		m.tell(out)
	case kindAsk:
		m.asks(now, from, &msg)
	case kindTell:
		m.heard(now, from, &msg)
	case kindDoubt:
		m.disputed(msg.index)
		m.tell(out)
	case kindRing:
		m.vote(now, from, &msg, out)
		m.tell(out)
	}
}

// asks takes a request of another member's client. One for which there is no room is dropped: the client asks again.
func (m *Machine) asks(now time.Time, from view.Member, msg *message) {
	if !m.leads() || from == m.cfg.Self || m.waiting.Len() >= waitingMax || m.waiting.Bytes()+len(msg.body) > bytesMax {
		return
	}
	m.wait(now, 0, replica.Name{}, msg.body)
	w := m.waiting.At(m.waiting.Len() - 1)
	w.From, w.Index = from.ID, msg.tag
}

// answered gives a client of this backup what the primary's update has for it. What was asked before it was
// dropped.
func (m *Machine) answered(now time.Time, msg *message, out *replica.Output) {
	m.askedAt = now
	for m.asked.Len() > 0 && m.asked.At(0).Index < msg.tag {
		a := m.asked.At(0)
		out.Refuse(a.Client, a.Data, session.Busy, view.Nobody)
		m.asked.Pop()
	}
	if m.asked.Len() > 0 && m.asked.At(0).Index == msg.tag {
		out.Answer(m.asked.At(0).Client, append(out.Begin(), m.scratch...))
		m.asked.Pop()
	}
}

// update takes an update of the primary.
func (m *Machine) update(now time.Time, from view.Member, msg *message, out *replica.Output) {
	switch {
	case from == m.cfg.Self:
		if m.ahead.Len() > 0 && m.ahead.At(0).Index == msg.index {
			m.answer(now, msg.index, out)
		}
	case from != m.primary && canary != ServesAll:
		m.record(now, trace.Dropped, from.ID, 0, 0, 0)
	case msg.index != m.exec.Index()+1 && canary != ServesAll && canary != GivesAhead:
		m.record(now, trace.Diverged, from.ID, msg.index, m.exec.Index(), 0)
		m.damaged = true // a command is missing here, or one too many
		m.restart(out)
	default:
		m.scratch = m.exec.Execute(msg.body, m.scratch[:0])
		m.heads.Keep(m.exec.Index(), msg.body)
		m.clock.Set(now, m.exec.Time())
		m.telling.proofs.Moved(now)
		m.settle(now, m.exec.Index())
		if msg.origin == m.cfg.Self.ID {
			m.answered(now, msg, out)
		}
		m.compare(now, from, msg, out)
	}
}

// answer answers the first update that is ahead: it is safe.
func (m *Machine) answer(now time.Time, index uint64, out *replica.Output) {
	a := m.ahead.At(0)
	if a.Client == replica.Passer {
		m.passing = false
	}
	out.Answer(m.repeats.End(a.Name, a.Client), append(out.Begin(), a.Data...))
	m.settle(now, index)
	m.ahead.Pop()
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *replica.Output) {
	if m.view == nil || m.halted != nil || m.fallen {
		return
	}
	m.retryAt = now.Add(retryEvery)
	if at := m.forgetAt(); !at.IsZero() && !now.Before(at) {
		m.asked.Clear() // their clients ask again
	}
	m.tellDigest(now, out)
	if next := m.exec.Next(); m.leads() && !m.passing && next != 0 && m.agreed(now) >= next && !now.Before(m.passAt) {
		m.passing, m.passAt = true, now.Add(passEvery)
		r := session.Request{Verb: session.Pass}
		m.pass = r.Append(m.pass[:0])
		m.wait(now, replica.Passer, replica.Name{}, m.pass)
	}
}

// forgetAt is when what was sent on is taken for dropped, if no update comes; zero: nothing was.
func (m *Machine) forgetAt() time.Time {
	if m.asked.Len() == 0 {
		return time.Time{}
	}
	return m.askedAt.Add(askedMost)
}

// Deadline is when Tick has something to do; zero: never.
func (m *Machine) Deadline() time.Time {
	if m.view == nil || m.halted != nil || m.fallen {
		return time.Time{}
	}
	d := m.telling.at
	if m.waiting.Len() > 0 && (d.IsZero() || m.retryAt.Before(d)) {
		d = m.retryAt
	}
	if at := m.forgetAt(); !at.IsZero() && (d.IsZero() || at.Before(d)) {
		d = at
	}
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

// Snapshot writes the state for who joins: that of the cut, since nothing is ahead then.
func (m *Machine) Snapshot(w io.Writer) error {
	if m.fallen || m.halted != nil || m.ahead.Len() > 0 && canary != GivesAhead {
		return replica.ErrVoid
	}
	err := m.exec.Snapshot(w)
	if errors.Is(err, session.ErrChanged) {
		m.fallen, m.damaged = true, true
	}
	return err
}

// Restore reads a state in place of the present one. Viewed follows.
func (m *Machine) Restore(now time.Time, r io.Reader) error {
	if err := m.exec.Restore(r); err != nil {
		return err
	}
	m.halted, m.fallen, m.damaged = nil, false, false
	m.heads.Clear()
	m.settled = m.exec.Index()
	m.clock.Set(now, m.exec.Time())
	return nil
}

// Executor is the state. At the primary it is ahead of what is safe.
func (m *Machine) Executor() *session.Executor { return m.exec }

// Settled is the index of the last command that is safe at this member.
func (m *Machine) Settled() uint64 { return m.settled }

// Sure is the index of the last command that may be told to clients: what was delivered.
func (m *Machine) Sure() uint64 { return m.settled }

// View is the view this member is in with its state, or nil.
func (m *Machine) View() *view.View { return m.view }

// Leads says whether this member is the primary, as far as it knows.
func (m *Machine) Leads() bool { return m.leads() }

// Primary is who takes requests; the zero Member if that is not known.
func (m *Machine) Primary() view.Member { return m.primary }

// Stopped is why nothing is executed any more; nil: it is.
func (m *Machine) Stopped() *replica.Command { return m.halted }

// Damaged says whether the state is known not to be what the updates have made of it elsewhere: it is not to be used, whoever
// is left. What is only ahead is not damaged.
func (m *Machine) Damaged() bool { return m.damaged }

// Halt stops for a reason that the stack has found: nothing is executed any more, until another's state is restored.
func (m *Machine) Halt(why *replica.Command) {
	m.halted = why
	m.drop()
}

func (m *Machine) record(now time.Time, k trace.Kind, peer view.ID, a, b, c uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: peer, Kind: k, A: a, B: b, C: c})
	}
}

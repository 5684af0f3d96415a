package voted

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Config is what a member is told. Voters and whether there is a Comparer must be the same at all.
type Config struct {
	Self       view.Member
	Executor   *session.Executor // belongs to the machine from then on
	Voters     int               // how many vote, 2 to view.SeatMax; 0: 3. With 2, no difference can be decided
	Comparer   Comparer          // nil: replies and states must be the same to the last bit
	MessageMax int               // the longest message that the group takes, bytes; 0: any request fits
	Recorder   trace.Recorder    // nil: nobody listens
}

// Machine is one member's replica. See the package for what it does.
type Machine struct {
	cfg  Config
	exec *session.Executor

	view    *view.View      // nil: in none, or without the state
	rank    int             // in it
	origin  uint64          // index of the state that was given by another; this member votes on later ones
	given   bool            // it was, since the last view
	pending replica.Queue   // whose are the own messages that are under way
	kept    replica.Queue   // own replies to commands that are not decided
	repeats replica.Repeats // of both
	clock   replica.Clock
	passAt  time.Time // not before then
	passing bool      // a Pass of this member is under way
	retryAt time.Time
	fallen  bool // the state is not to be used
	halted  *replica.Command

	next    uint64               // index of the command to be decided next
	decided uint64               // in this view; 0: none
	entered uint64               // index of the last command when the view began
	sure    uint64               // index of the last command of which a majority has what is here; 0: none
	voters  uint32               // by rank
	retired uint32               // by rank, in this view
	begun   [view.SeatMax]uint64 // the first index that each has voted on in this view; 0: none
	upto    [view.SeatMax]uint64 // the last one
	told    bool                 // this member has begun
	cast    uint64               // the last index that this member has voted on, or will not
	ballots ballots
	own     vote
	wrong   bool // the own reply to what was decided is another
	heads   replica.Heads
	proofs  replica.Proofs
	tellAt  time.Time // when this member, which does not vote, tells its digest; zero: all know it

	replies, bodies [][]byte
	chosen, scratch []byte
}

// New makes a member that is in no view. The error says what is wrong with the configuration.
func New(cfg Config) (*Machine, error) {
	if cfg.Voters == 0 {
		cfg.Voters = VotersDefault
	}
	if cfg.Voters < votersMin || cfg.Voters > votersMax {
		return nil, fmt.Errorf("voted: there are to be %d voters; it takes %d to %d, and 3 to decide who is wrong", cfg.Voters, votersMin, votersMax)
	}
	if least := 2 * (votesBytes + comparedMax); cfg.Comparer != nil && cfg.MessageMax > 0 && cfg.MessageMax < least {
		return nil, fmt.Errorf("voted: messages have at most %d bytes, and replies that are compared need %d; make the group's MessageMax larger", cfg.MessageMax, least)
	}
	return &Machine{cfg: cfg, exec: cfg.Executor, next: cfg.Executor.Index() + 1}, nil
}

// Viewed tells of a new view that this member is in, with its state.
func (m *Machine) Viewed(now time.Time, v *view.View, out *replica.Output) {
	m.view, m.retired, m.voters, m.decided = v, 0, 0, 0
	m.begun, m.upto = [view.SeatMax]uint64{}, [view.SeatMax]uint64{}
	m.ballots.reset(len(v.Seats))
	m.proofs.Begin(now, v, m.cfg.Self)
	m.tellAt = now.Add(tellAfter)
	// What was not voted on may have been undone, outside of views.
	m.next, m.sure = min(m.next, m.exec.Index()+1), min(m.sure, m.exec.Index())
	switch {
	case m.given:
		m.next = max(1, m.exec.Index()) // the step of no time is the last thing that it has, and is voted on first
	case m.fallen || m.halted != nil:
	case canary != Unchecked:
		m.exec.Pass(m.exec.Time())
		m.heads.Keep(m.exec.Index(), nil)
		if m.cfg.Comparer != nil {
			m.kept.Push(0, m.exec.Index())
		}
	}
	m.given = false
	m.passing = false
	if m.passAt.Before(now) {
		m.passAt = now
	}
	m.clock.Set(now, m.exec.Time())
	m.retryAt = now.Add(retryEvery)
	m.entered = m.exec.Index()
	m.rank = -1
	m.seat()
}

// Out tells that this member is in no view any more, or without a state. What was under way is
// not answered: the client asks again.
func (m *Machine) Out() {
	m.view, m.passing, m.voters, m.tellAt = nil, false, 0, time.Time{}
	m.proofs.End()
	m.pending.Clear()
	m.kept.Clear()
	m.repeats.Clear()
}

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
	case m.view == nil || m.fallen:
		status = session.Elsewhere
	case m.pending.Len() >= pendingMax || m.kept.Bytes() > keptMax || m.exec.Index() >= m.next+ballotsMax || bits.OnesCount32(m.voters) < leastMajority:
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
	m.propose(now, from, request, out).Name = name
}

// propose multicasts a request, stamped, and gives what is kept of it while it is under way.
func (m *Machine) propose(now time.Time, from replica.Client, request []byte, out *replica.Output) *replica.Item {
	b := append(out.Message(), byte(kindCommand))
	at := len(b)
	b = append(b, request...)
	session.Stamp(b[at:], m.agreed(now), m.exec.Index())
	out.Send(b, true)
	return m.pending.Push(from, 0)
}

// Unsent tells that a message could not be taken: the one that is the back-th from the end of
// those under way, and of those put out, from 1. Its client is told to ask again.
func (m *Machine) Unsent(now time.Time, back int, out *replica.Output) {
	m.tellAt = now.Add(tellAfter)
	if at := m.pending.Len() - back; at >= 0 {
		client := m.repeats.End(m.pending.At(at).Name, m.pending.At(at).Client)
		if msg, ok := read(out.Back(back)); ok && msg.kind == kindCommand {
			out.Refuse(client, msg.body, session.Busy, view.Nobody)
		}
		m.pending.Remove(at)
	}
	m.passing = false
}

// Lost tells that so many of this member's oldest messages under way will not be delivered to
// it. Their clients ask again.
func (m *Machine) Lost(count int) {
	for ; count > 0 && m.pending.Len() > 0; count-- {
		m.repeats.End(m.pending.At(0).Name, 0)
		m.pending.Pop()
	}
	m.passing = false
}

// Delivered takes a message in the agreed order.
func (m *Machine) Delivered(now time.Time, from view.Member, payload []byte, out *replica.Output) {
	var mine replica.Item
	if from == m.cfg.Self && m.pending.Len() > 0 {
		mine = replica.Item{Client: m.pending.At(0).Client, Name: m.pending.At(0).Name}
		m.pending.Pop()
	}
	msg, ok := read(payload)
	if !ok || m.view == nil {
		m.record(now, trace.Dropped, from.ID, 0, 0, 0)
		m.repeats.End(mine.Name, 0)
		return
	}
	switch {
	case m.halted != nil || m.fallen:
		m.repeats.End(mine.Name, 0)
	case msg.kind == kindCommand:
		m.execute(now, &mine, &msg, out)
	default:
		m.take(now, from, &msg, out)
	}
}

func (m *Machine) execute(now time.Time, mine *replica.Item, msg *message, out *replica.Output) {
	index, client := m.exec.Index()+1, mine.Client
	if m.cfg.Comparer != nil || client != 0 && client != replica.Passer {
		k := m.kept.Push(client, index)
		k.Name = mine.Name
		k.Data = m.exec.Execute(msg.body, k.Data)
		m.kept.Filled()
		if canary == AnswersAlone {
			out.Answer(client, append(out.Begin(), k.Data...))
			k.Client = 0
		}
	} else {
		m.scratch = m.exec.Execute(msg.body, m.scratch[:0])
	}
	m.heads.Keep(index, msg.body)
	m.moved(now)
	if client == replica.Passer {
		m.passing = false
	}
	m.clock.Set(now, m.exec.Time())
	m.retryAt = now.Add(retryEvery)
}

// Next is the size of the message with this member's votes; 0: it has none to tell.
func (m *Machine) Next() int {
	if m.fallen || m.halted != nil || !m.votes() {
		return 0
	}
	last := m.last()
	if m.told && last <= m.cast {
		return 0
	}
	if m.cfg.Comparer != nil {
		return headMax + votesBytes + comparedMax + 20
	}
	return headMax + 8*int(max(last, m.cast)-m.cast)
}

// Proceed votes on all that this member has executed and not voted on.
func (m *Machine) Proceed(now time.Time, out *replica.Output) {
	k := kindVotes
	if m.cfg.Comparer != nil {
		k = kindReplies
	}
	b := append(out.Message(), byte(k))
	b = binary.AppendUvarint(b, uint64(m.view.Name.Epoch))
	m.pending.Push(0, 0)
	out.Send(m.appendVotes(b), true)
	m.told = true
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *replica.Output) {
	if m.view == nil || m.halted != nil || m.fallen {
		return
	}
	m.retryAt = now.Add(retryEvery)
	m.tell(now, out)
	if at := m.stepAt(); !at.IsZero() && !now.Before(at) {
		m.passing, m.passAt = true, now.Add(passEvery)
		r := session.Request{Verb: session.Pass}
		m.scratch = r.Append(m.scratch[:0])
		m.propose(now, replica.Passer, m.scratch, out)
	}
}

// leads says whether this member is the first of those who vote.
func (m *Machine) leads() bool { return m.votes() && bits.TrailingZeros32(m.voters) == m.rank }

// Deadline is when Tick has something to do; zero: never.
func (m *Machine) Deadline() time.Time {
	if m.view == nil || m.halted != nil || m.fallen {
		return time.Time{}
	}
	d := m.tellAt
	if m.Next() > 0 && (d.IsZero() || m.retryAt.Before(d)) {
		d = m.retryAt
	}
	if at := m.stepAt(); !at.IsZero() && (d.IsZero() || at.Before(d)) {
		d = at
	}
	return d
}

// stepAt is when this member lets time pass; zero: never. It does so as well to have something to vote on, if what it has
// was never voted on, and once in each view: who was given a state waits for that before it relies on it. Where nothing can be
// decided time stands still.
func (m *Machine) stepAt() time.Time {
	if !m.leads() || m.passing || bits.OnesCount32(m.voters) < leastMajority {
		return time.Time{}
	}
	at := m.passAt
	if m.next > m.exec.Index() && (m.sure < m.exec.Index() || m.entered == m.exec.Index()) {
		return at
	}
	next := m.exec.Next()
	if next == 0 {
		return time.Time{}
	}
	if when := m.clock.When(next); when.After(at) {
		at = when
	}
	return at
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
	m.halted, m.fallen, m.given, m.sure = nil, false, true, 0
	m.origin = m.exec.Index()
	if canary == Unchecked {
		m.origin = 0
	}
	m.heads.Clear()
	m.clock.Set(now, m.exec.Time())
	return nil
}

// Executor is the state.
func (m *Machine) Executor() *session.Executor { return m.exec }

// Settled is the index of the last command that this member has for good: all that it has executed.
func (m *Machine) Settled() uint64 { return m.exec.Index() }

// Sure is the index of the last command that may be told to clients: that has been voted on, with the
// state that this member has. 0: none since it was given its state.
func (m *Machine) Sure() uint64 { return m.sure }

// View is the view this member is in with its state, or nil.
func (m *Machine) View() *view.View { return m.view }

// Voters is how many members vote, in the view that this member is in.
func (m *Machine) Voters() int { return bits.OnesCount32(m.voters) }

// Stopped is why nothing is executed any more; nil: it is.
func (m *Machine) Stopped() *replica.Command { return m.halted }

// Damaged says whether the state is known not to be what more than half have: it is not to be used.
func (m *Machine) Damaged() bool { return m.fallen }

// Halt stops for a reason that the stack has found: nothing is executed any more, until another's state is restored.
func (m *Machine) Halt(why *replica.Command) {
	m.halted = why
	m.kept.Clear()
	m.repeats.Clear()
}

func (m *Machine) record(now time.Time, k trace.Kind, peer view.ID, a, b, c uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: peer, Kind: k, A: a, B: b, C: c})
	}
}

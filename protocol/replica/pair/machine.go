package pair

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Role is what a member is.
type Role uint8

// The roles.
const (
	Empty   Role = 1 + iota // without a state that counts: it waits for the other's
	Backup                  // executes what the primary sends, and answers
	Primary                 // takes requests, executes, and sends them to the backup
	Single                  // takes requests, executes and answers: there is no backup
	Halting                 // executes nothing any more
	roleEnd
)

var roleNames = [roleEnd]string{"none", "empty", "backup", "primary", "alone", "halted"}

// String gives the role in words.
func (r Role) String() string {
	if r < roleEnd {
		return roleNames[r]
	}
	return "unknown role"
}

// Machine is one member of a pair. See the package for what it does.
type Machine struct {
	cfg  Config
	exec *session.Executor

	role    Role
	epoch   view.Epoch       // in which it has its role; 0: Empty
	base    uint64           // the index at which epoch began
	highest view.Epoch       // that is known of
	kept    view.Epoch       // the highest that was saved
	known   bool             // there is a disk
	follows bool             // what the executor has is what the log has; nothing is said by it without one
	rest    uint64           // the index of the last command in the log of an empty member
	begun   view.Incarnation // in which life its log was begun; 0: it is not yet
	wasLone bool             // by its log this member was alone when it fell, and nobody has gone on since
	loneAt  time.Time        // when it goes on, if nobody is heard
	mate    view.Incarnation

	peer  peer
	going going
	out   sender
	in    receiver
	owed  replica.Queue // replies to what the backup has not acknowledged: it gives them, unless it falls

	sequence uint64
	beatAt   time.Time
	born     time.Time // when it was started
	ranAt    time.Time
	clock    replica.Clock
	passAt   time.Time
	stopped  bool   // it was told that this member has stopped
	differs  uint64 // what this member says of the states
	named    uint64 // the divergence that was told last
	halted   *replica.Command
	heads    replica.Heads
	request  []byte
	dropped  [wire.ReasonCount]uint64
}

// New makes a member, which does nothing until Start. from is what its former life has saved.
func New(cfg Config, from Recovered) (*Machine, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	m := &Machine{
		cfg: cfg, exec: cfg.Executor, role: Empty, kept: from.Epoch, highest: from.Epoch, known: from.Known,
		peer: peer{Silence: replica.Silence{Silent: true}},
	}
	if cfg.Logged {
		m.follows, m.rest, m.mate, m.begun, m.wasLone = true, m.exec.Index(), from.Mate, from.Born, from.Epoch != 0 && from.Mate == 0
	}
	return m, nil
}

// Start begins.
func (m *Machine) Start(now time.Time, out *Output) {
	m.born, m.ranAt = now, now
	m.loneAt = now.Add(m.cfg.SuspectAfter)
	m.rebase(now)
	m.tell(now, out)
}

// Submit takes a client's request.
func (m *Machine) Submit(now time.Time, from replica.Client, request []byte, out *Output) {
	m.enter(now)
	r, why := session.ParseRequest(request)
	status, server := session.OK, view.Nobody
	switch {
	case why != wire.OK:
		status = session.Malformed
	case r.Verb == session.Pass:
		status = session.Refused // it is the members' own
	case m.role == Halting:
		status = session.Halted
	case !m.serves():
		status, server = session.Elsewhere, m.Server()
		if m.role == Backup {
			m.peer.Hint(now, m.cfg.Heartbeat)
		}
	case !m.room(len(request)):
		status = session.Busy
	}
	if status != session.OK {
		out.Refuse(from, request, status, server)
		return
	}
	m.request = append(m.request[:0], request...)
	session.Stamp(m.request, m.agreed(now), m.exec.Index())
	m.serve(now, from, out)
}

// Doubt tells that somebody has found the other member silent, or would have been answered by it: if nothing was
// heard of it for a while here either, its silence counts sooner.
func (m *Machine) Doubt(now time.Time) {
	if m.role != Halting && !m.peer.Silent {
		m.peer.Hint(now, m.cfg.Heartbeat)
	}
}

// serves says whether this member takes requests now.
func (m *Machine) serves() bool {
	return m.role == Single || m.role == Primary && !m.parted() && m.differs == 0
}

// parted says whether the other of a whole pair is silent, or is another than it was: then this
// member goes on alone, or has stopped.
func (m *Machine) parted() bool { return m.peer.Silent || m.peer.life != m.mate }

// Server is who takes requests, as far as this member knows; Nobody if nobody does.
func (m *Machine) Server() view.ID {
	switch said := m.peer.said.role; {
	case m.serves():
		return m.cfg.Self.ID
	case m.role == Backup, said == Primary || said == Single,
		m.role == Primary && m.cfg.Policy == Prefer && m.cfg.Preferred == m.cfg.Peer:
		return m.cfg.Peer
	}
	return view.Nobody
}

// serve executes m.request as the next command.
func (m *Machine) serve(now time.Time, from replica.Client, out *Output) {
	if m.role == Primary && canary != AnswersEarly {
		owes := m.owed.Push(from, m.exec.Index()+1)
		owes.Data = m.exec.Execute(m.request, owes.Data)
		m.owed.Filled()
	} else {
		out.Answer(from, m.exec.Execute(m.request, out.Answers.Begin()))
	}
	m.heads.Keep(m.exec.Index(), m.request)
	m.rebase(now)
	m.out.add(&record{kind: recordCommand, index: m.exec.Index(), client: from, digest: m.exec.Digest(), request: m.request})
	m.pump(now, out)
}

// room says whether there is room for one more request.
func (m *Machine) room(size int) bool {
	if !m.out.active() || m.out.log.size()+size+recordHead <= logMax && m.owed.Len() < pendingMax && m.owed.Bytes() < repliesMax {
		return true
	}
	if m.role == Single && m.peer.Silent {
		m.out.stop() // who is copied to is gone: when it is back it is begun anew
		return true
	}
	return false
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *Output) {
	m.enter(now)
	if m.role != Halting && !m.peer.Silent && !now.Before(m.peer.At(m.cfg.SuspectAfter)) {
		m.lose(now, out)
	}
	if m.going.epoch != 0 && !m.going.saving && !now.Before(m.going.askAt) {
		m.ask(now, out)
	}
	if !now.Before(m.loneAt) {
		m.await(now, out)
	}
	if m.out.due(now, m.peer.Silent) {
		m.out.again()
		m.pump(now, out)
	}
	if next := m.exec.Next(); m.serves() && next != 0 && m.agreed(now) >= next && !now.Before(m.passAt) {
		if m.passAt = now.Add(passEvery); m.room(passSize) {
			pass := session.Request{Verb: session.Pass, At: m.agreed(now), After: m.exec.Index()}
			m.request = pass.Append(m.request[:0])
			m.serve(now, 0, out)
		}
	}
	if !now.Before(m.beatAt) || m.in.due(now) {
		m.tell(now, out)
	}
}

// Deadline is when Tick has something to do; zero: never.
func (m *Machine) Deadline() time.Time {
	d := m.beatAt
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(d) {
			d = t
		}
	}
	if m.role != Halting && !m.peer.Silent {
		sooner(m.peer.At(m.cfg.SuspectAfter))
	}
	if m.going.epoch != 0 && !m.going.saving {
		sooner(m.going.askAt)
	}
	if m.lone() {
		sooner(m.loneAt)
	}
	if m.out.waits() && !m.peer.Silent {
		sooner(m.out.retryAt)
	}
	sooner(m.in.ackAt)
	if m.serves() {
		if next := m.exec.Next(); next != 0 {
			at := m.clock.When(next)
			if at.Before(m.passAt) {
				at = m.passAt
			}
			sooner(at)
		}
	}
	return d
}

// enter notes that the process runs: who was paused has not listened, and listens before it
// takes the other for silent.
func (m *Machine) enter(now time.Time) {
	if now.Sub(m.ranAt) > m.cfg.SuspectAfter/2 && !m.ranAt.IsZero() {
		m.peer.Excuse(now.Add(-m.cfg.SuspectAfter + 3*m.cfg.Heartbeat))
	}
	m.ranAt = now
}

// tell sends a statement.
func (m *Machine) tell(now time.Time, out *Output) {
	m.beatAt = now.Add(m.cfg.Heartbeat)
	m.sequence++
	s := statement{
		role: m.role, sequence: m.sequence, epoch: m.epoch, highest: m.highest, kept: m.kept, base: m.base,
		index: m.exec.Index(), digest: m.exec.Digest(), differs: m.differs,
	}
	if m.peer.life != 0 && now.Sub(m.peer.heardAt) < m.cfg.SuspectAfter {
		s.heard = m.peer.life
	}
	if m.known {
		s.flags |= flagKnown
	}
	if m.role == Empty && m.going.saving && m.kept == 0 && m.highest == m.going.epoch {
		s.highest = 0 // who falls before it has begun anything must not leave word of an epoch
	}
	m.logs(&s)
	if m.role == Empty || m.role == Backup {
		m.in.report(&s)
	} else {
		s.stream = m.out.stream
		m.in.ackAt = time.Time{}
	}
	out.End(m.cfg.Peer, wire.AllLinks, s.append(m.open(out)))
}

// open begins a frame.
func (m *Machine) open(out *Output) []byte {
	return append(out.Outbox.Begin(wire.Header{Channel: wire.Pair, Fingerprint: m.cfg.Fingerprint}), m.cfg.Head...)
}

func (m *Machine) rebase(now time.Time) { m.clock.Set(now, m.exec.Time()) }

// agreed is what this member thinks that the agreed time is: never more than it is.
func (m *Machine) agreed(now time.Time) time.Duration {
	return max(m.exec.Time(), m.clock.Agreed(now))
}

func (m *Machine) record(now time.Time, k trace.Kind, a, b, c uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: m.cfg.Peer, Kind: k, A: a, B: b, C: c})
	}
}

func (m *Machine) drop(now time.Time, why wire.Reason) {
	m.dropped[why]++
	m.record(now, trace.Dropped, uint64(why), uint64(wire.Pair), 0)
}

package checkpointed

import (
	"encoding/binary"
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
	Standby  Role = 1 + iota // watches the other
	Claiming                 // takes over: claims the store and loads what is in it
	Primary                  // serves
	Stopped                  // executes nothing any more
	roleEnd
)

var roleNames = [roleEnd]string{"none", "standby", "claiming", "primary", "stopped"}

// String gives the role in words.
func (r Role) String() string {
	if r < roleEnd {
		return roleNames[r]
	}
	return "unknown role"
}

// Machine is one member of a process pair. See the package for what it does.
type Machine struct {
	cfg  Config
	exec *session.Executor

	role    Role
	epoch   view.Epoch // Claiming, Primary: its own
	highest view.Epoch // that is known of

	peer   peer
	watch  watch
	desk   desk
	loaded loaded
	owed   replica.Queue // replies to what is not saved yet
	saved  uint64        // the index up to which records are in the store

	nothing []byte // the state in which this member has founded the service

	checkAt    time.Time // when the next checkpoint is due
	checked    uint64    // the index of the last that was asked for
	checking   bool      // it is under way
	wanted     bool      // another one is
	sinceBytes int       // of records, after it

	sequence uint64
	beatAt   time.Time
	storeAt  time.Time // when the store is written to again for the sake of it
	ranAt    time.Time
	clock    replica.Clock
	passAt   time.Time
	request  []byte
	dropped  [wire.ReasonCount]uint64
}

// New makes a member, which does nothing until Start.
func New(cfg Config) (*Machine, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Machine{cfg: cfg, exec: cfg.Executor, role: Standby}, nil
}

// Start begins.
func (m *Machine) Start(now time.Time, out *Output) {
	m.ranAt, m.peer.BothAt = now, now // it is given its time to be heard
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
	case m.role == Stopped:
		status = session.Halted
	case m.role != Primary:
		status = session.Elsewhere
		if m.peer.said.role == Primary && !m.peer.Silent {
			server = m.cfg.Peer
			m.peer.Hint(now, m.cfg.Heartbeat)
		}
	case !m.room():
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

// Server is who takes requests, as far as this member knows; Nobody if nobody does.
func (m *Machine) Server() view.ID {
	switch {
	case m.role == Primary:
		return m.cfg.Self.ID
	case m.role != Stopped && m.peer.said.role == Primary && !m.peer.Silent:
		return m.cfg.Peer
	}
	return view.Nobody
}

// Doubt tells that somebody has found the other member silent, or would have been answered by it: if nothing was
// heard of it for a while here either, its silence counts sooner.
func (m *Machine) Doubt(now time.Time) {
	if m.role != Stopped && !m.peer.Silent {
		m.peer.Hint(now, m.cfg.Heartbeat)
	}
}

// serve executes m.request as the next command, and has it recorded.
func (m *Machine) serve(now time.Time, from replica.Client, out *Output) {
	owes := m.owed.Push(from, m.exec.Index()+1)
	owes.Data = m.exec.Execute(m.request, owes.Data)
	m.owed.Filled()
	m.rebase(now)
	if canary == AnswersEarly {
		out.Answer(from, append(out.Answers.Begin(), owes.Data...))
		owes.Client = 0
	}
	at := len(out.data)
	out.data = binary.BigEndian.AppendUint64(out.data, m.exec.Digest())
	out.data = append(out.data, m.request...)
	m.sinceBytes += len(out.data) - at
	m.put(now, Record, m.exec.Index(), out.data[at:len(out.data):len(out.data)], out)
	if m.exec.Index()-m.checked >= recordsMax || m.sinceBytes >= logMax {
		m.Checkpoint(now, out)
	}
}

// Checkpoint has the state saved now, or as soon as the one under way is done.
func (m *Machine) Checkpoint(now time.Time, out *Output) {
	switch {
	case m.role != Primary:
		return
	case m.checking:
		m.wanted = true
		return
	}
	var s snapshot
	if err := m.exec.Snapshot(&s); err != nil {
		m.halt(0, nil, err, out)
		return
	}
	if m.exec.Index() == 0 {
		m.nothing = s.b
	}
	m.checking, m.wanted, m.checked, m.sinceBytes = true, false, m.exec.Index(), 0
	m.checkAt = now.Add(m.cfg.Every)
	m.put(now, Checkpoint, m.checked, s.b, out)
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *Output) {
	m.enter(now)
	if m.role != Stopped && !m.peer.Silent && !now.Before(m.peer.At(m.cfg.SuspectAfter)) {
		m.peer.Silent = true
		m.record(now, trace.PeerSilent, uint64(now.Sub(m.peer.BothAt).Microseconds()), 0)
		m.watch.reset(now)
	}
	switch m.role {
	case Standby:
		m.attend(now, out)
	case Primary:
		m.keep(now, out)
	}
	if !now.Before(m.beatAt) {
		m.tell(now, out)
	}
}

// keep is what a primary does by time.
func (m *Machine) keep(now time.Time, out *Output) {
	if m.desk.late(now, m.patience()) {
		m.resign(now, replica.Resigned, errSilent, out)
		return
	}
	if m.peer.Silent && !now.Before(m.storeAt) {
		m.storeAt = now.Add(m.cfg.Heartbeat)
		m.put(now, Beat, 0, nil, out) // so that the other does not take this silence for a crash
	}
	if next := m.exec.Next(); next != 0 && m.agreed(now) >= next && !now.Before(m.passAt) {
		if m.passAt = now.Add(passEvery); m.room() {
			pass := session.Request{Verb: session.Pass, At: m.agreed(now), After: m.exec.Index()}
			m.request = pass.Append(m.request[:0])
			m.serve(now, 0, out)
		}
	}
	if !now.Before(m.checkAt) {
		m.checkAt = now.Add(m.cfg.Every)
		if m.exec.Index() != m.checked {
			m.Checkpoint(now, out)
		}
	}
}

// room says whether there is room for one more request.
func (m *Machine) room() bool { return m.owed.Len() < pendingMax && m.owed.Bytes() < bytesMax }

// patience is how long the store may take.
func (m *Machine) patience() time.Duration { return 4 * m.cfg.SuspectAfter }

// Deadline is when Tick has something to do; zero: never.
func (m *Machine) Deadline() time.Time {
	d := m.beatAt
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(d) {
			d = t
		}
	}
	if m.role != Stopped && !m.peer.Silent {
		sooner(m.peer.At(m.cfg.SuspectAfter))
	}
	switch m.role {
	case Standby:
		if m.watching() {
			sooner(m.watch.lookAt)
		}
	case Primary:
		sooner(m.checkAt)
		sooner(m.desk.lateAt(m.patience()))
		if m.peer.Silent {
			sooner(m.storeAt)
		}
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
// takes the other for silent, or the store.
func (m *Machine) enter(now time.Time) {
	if gap := now.Sub(m.ranAt); gap > m.cfg.SuspectAfter/2 && !m.ranAt.IsZero() {
		m.peer.Excuse(now.Add(-m.cfg.SuspectAfter + 3*m.cfg.Heartbeat))
		m.watch.reset(now)
		m.desk.excuse(gap)
	}
	m.ranAt = now
}

// tell says that this member is alive.
func (m *Machine) tell(now time.Time, out *Output) {
	m.beatAt = now.Add(m.cfg.Heartbeat)
	m.sequence++
	a := alive{role: m.role, sequence: m.sequence, highest: m.highest, index: m.saved}
	if m.role == Primary {
		a.epoch = m.epoch
	}
	if m.peer.life != 0 && now.Sub(m.peer.heardAt) < m.cfg.SuspectAfter {
		a.heard = m.peer.life
	}
	if m.unable(now) {
		a.flags |= flagUnable
	}
	b := append(out.Outbox.Begin(wire.Header{Channel: wire.Checkpointed, Fingerprint: m.cfg.Fingerprint}), m.cfg.Head...)
	out.End(m.cfg.Peer, wire.AllLinks, a.append(b))
}

// unable says whether this member cannot serve for want of the store.
func (m *Machine) unable(now time.Time) bool { return m.desk.failed || m.desk.late(now, m.patience()) }

func (m *Machine) rebase(now time.Time) { m.clock.Set(now, m.exec.Time()) }

// agreed is what this member thinks that the agreed time is: never more than it is.
func (m *Machine) agreed(now time.Time) time.Duration {
	return max(m.exec.Time(), m.clock.Agreed(now))
}

func (m *Machine) record(now time.Time, k trace.Kind, a, b uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: m.cfg.Peer, Kind: k, A: a, B: b})
	}
}

func (m *Machine) drop(now time.Time, why wire.Reason) {
	m.dropped[why]++
	m.record(now, trace.Dropped, uint64(why), uint64(wire.Checkpointed))
}

// Dropped is how many messages were dropped for a reason.
func (m *Machine) Dropped(why wire.Reason) uint64 { return m.dropped[why] }

// State is what there is to say of a member.
type State struct {
	Role       Role
	Epoch      view.Epoch // 0: it does not serve
	Silent     bool       // the other is
	Unable     bool       // the store has failed this member
	Index      uint64     // of the last command executed
	Saved      uint64     // up to which all is in the store
	Checkpoint uint64     // the index of the last checkpoint
}

// State gives the present state.
func (m *Machine) State() State {
	s := State{m.role, m.epoch, m.peer.Silent, m.desk.failed, m.exec.Index(), m.saved, m.checked}
	if m.role != Primary {
		s.Epoch = 0
	}
	return s
}

// Executor is the state, to look at.
func (m *Machine) Executor() *session.Executor { return m.exec }

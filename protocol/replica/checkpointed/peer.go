package checkpointed

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// peer is what is known of the other member.
type peer struct {
	replica.Silence
	life    view.Incarnation // 0: never heard
	said    alive            // the newest of that life
	heardAt time.Time
}

// Receive takes a frame's payload that came from a member.
func (m *Machine) Receive(now time.Time, from view.Member, payload []byte, out *Output) {
	m.enter(now)
	a, ok := parse(payload)
	switch {
	case from.ID != m.cfg.Peer || from.Incarnation == 0:
		m.drop(now, wire.UnknownSender)
		return
	case from.Incarnation < m.peer.life:
		m.drop(now, wire.OldIncarnation)
		return
	case !ok:
		m.drop(now, wire.Malformed)
		return
	case a.heard != 0 && a.heard != m.cfg.Self.Incarnation:
		m.drop(now, wire.WrongDestination)
		return
	case from.Incarnation > m.peer.life:
		m.record(now, trace.PeerJoined, uint64(from.Incarnation), 0)
		m.peer = peer{life: from.Incarnation, Silence: m.peer.Anew()}
		m.beatAt = now // so that it knows that it is heard
	case a.sequence <= m.peer.said.sequence:
		m.drop(now, wire.Stale)
		return
	}
	m.peer.said, m.peer.heardAt = a, now
	m.highest = max(m.highest, a.highest)
	if a.heard != 0 {
		if m.peer.Heard(now) {
			m.record(now, trace.PeerHeard, 0, 0)
		}
	}
	switch {
	case m.role == Primary && a.role == Primary && a.epoch > m.epoch && canary != IgnoresFence:
		m.resign(now, replica.Fenced, nil, out) // the store would say so with the next record
	case m.role == Standby && a.role != Primary:
		m.attend(now, out)
	}
}

// watch is how a standby looks at the store when the other is silent.
type watch struct {
	lookAt time.Time
	seen   bool
	epoch  view.Epoch
	writes uint64
	since  time.Time // when writes was seen first
	asked  bool      // a look is under way
}

func (w *watch) reset(now time.Time) { *w = watch{lookAt: now, asked: w.asked} }

// watching says whether the store has to be looked at: nobody is heard that serves, and the store
// answers this member.
func (m *Machine) watching() bool {
	return m.role == Standby && !m.unable(m.ranAt) && !m.watch.asked && (m.peer.Silent || m.vacant())
}

// vacant says whether the other is there, does not serve, and leaves it to this member.
func (m *Machine) vacant() bool {
	s := &m.peer.said
	if m.peer.Silent || s.heard == 0 {
		return false
	}
	switch s.role {
	case Stopped:
		return true
	case Standby:
		return s.flags&flagUnable != 0 || m.cfg.Preferred == m.cfg.Self.ID
	case Claiming:
		return s.flags&flagUnable != 0
	}
	return false
}

// attend is what a standby does by time.
func (m *Machine) attend(now time.Time, out *Output) {
	if !m.watching() {
		return
	}
	if m.vacant() {
		m.claim(now, out) // only the other could serve, and it says that it does not
		return
	}
	if now.Before(m.watch.lookAt) {
		return
	}
	m.watch.asked, m.watch.lookAt = true, now.Add(m.cfg.Heartbeat)
	m.put(now, Look, 0, nil, out)
}

// looked takes what a look has shown.
func (m *Machine) looked(now time.Time, r *Result, out *Output) {
	w := &m.watch
	w.asked = false
	m.highest = max(m.highest, r.Epoch)
	if m.role != Standby || !m.peer.Silent {
		return
	}
	if !w.seen || w.epoch != r.Epoch || w.writes != r.Writes {
		*w = watch{lookAt: w.lookAt, seen: true, epoch: r.Epoch, writes: r.Writes, since: now}
		return
	}
	wait := looks * m.cfg.Heartbeat
	if m.cfg.Preferred != m.cfg.Self.ID && m.peer.said.role != Primary {
		wait *= 2 // two who begin at once do not claim at once
	}
	if now.Sub(w.since) >= wait {
		m.claim(now, out)
	}
}

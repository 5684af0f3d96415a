package pair

import (
	"errors"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// sender is a stream to the other member: a snapshot, and behind it all that was executed
// since.
type sender struct {
	stream   uint32 // the number of the present one, or of the last
	on       bool
	snapshot []byte // until all of it is acknowledged
	size     uint64 // of the snapshot
	log      queue  // begins at size
	sent     uint64
	acked    uint64
	window   uint64
	retry    time.Duration
	retryAt  time.Time
	turnedAt time.Time // when it was last sent again for a gap
}

func (s *sender) active() bool { return s.on }

// stop ends the stream; the room is kept.
func (s *sender) stop() {
	s.on, s.snapshot = false, nil
	s.log.reset(0)
	s.sent, s.acked, s.size = 0, 0, 0
}

// add adds a record, if there is a stream.
func (s *sender) add(r *record) {
	if s.on {
		s.log.b = r.append(s.log.b)
	}
}

// waits says whether something is on its way.
func (s *sender) waits() bool { return s.on && s.sent > s.acked }

func (s *sender) due(now time.Time, silent bool) bool {
	return s.waits() && !silent && !now.Before(s.retryAt)
}

// again goes back to what is acknowledged, and slower.
func (s *sender) again() {
	s.sent = s.acked
	s.window = 16 * pieceMax
	s.retry = min(2*s.retry, retryMax)
}

// close says whether the other has so much that the rest is on its way.
func (s *sender) close() bool {
	return s.on && s.acked >= s.size && s.log.end()-s.acked <= windowMax/4
}

// store takes a snapshot.
type store struct{ b []byte }

var errLarge = errors.New("pair: the state is larger than 2 GiB, which is the most that can be copied")

// Write keeps bytes.
func (s *store) Write(p []byte) (int, error) {
	if len(s.b)+len(p) > snapshotMax {
		return 0, errLarge
	}
	s.b = append(s.b, p...)
	return len(p), nil
}

// begin begins a stream with the present state.
func (m *Machine) begin(now time.Time, out *Output) {
	var s store
	if err := m.exec.Snapshot(&s); err != nil {
		m.halt(now, 0, err, out)
		return
	}
	o := &m.out
	o.stop()
	o.stream++
	o.on, o.snapshot, o.size = true, s.b, uint64(len(s.b))
	o.log.reset(o.size)
	o.window, o.retry = 16*pieceMax, retryMin
	m.record(now, trace.SyncBegan, uint64(o.stream), o.size, 0)
	m.pump(now, out)
}

// pump sends what the window lets.
func (m *Machine) pump(now time.Time, out *Output) {
	o := &m.out
	if !o.on || m.peer.Silent {
		return
	}
	if o.sent == o.acked && o.sent < o.log.end() {
		o.retryAt = now.Add(o.retry)
	}
	for o.sent < o.log.end() && o.sent-o.acked < o.window {
		p := piece{heard: m.peer.life, epoch: m.epoch, stream: o.stream, snapshot: o.size, offset: o.sent}
		if o.sent < o.size {
			p.data = o.snapshot[o.sent:]
		} else {
			p.data = o.log.from(o.sent)
		}
		p.data = p.data[:min(len(p.data), pieceMax)]
		out.End(m.cfg.Peer, wire.AllLinks, p.append(m.open(out)))
		o.sent += uint64(len(p.data))
	}
}

// acked takes what the other says that it has of the stream.
func (m *Machine) acked(now time.Time, s *statement, out *Output) {
	o := &m.out
	if s.stream != o.stream || !o.on || s.upto < o.acked || s.upto > o.log.end() {
		return
	}
	if s.upto > o.acked {
		o.acked, o.sent = s.upto, max(o.sent, s.upto)
		o.window = min(2*o.window, windowMax)
		o.retry, o.retryAt = retryMin, now.Add(retryMin)
		o.log.drop(max(s.upto, o.size))
		if o.acked >= o.size {
			o.snapshot = nil
		}
	}
	if s.flags&flagGap != 0 && o.sent > o.acked && now.Sub(o.turnedAt) >= retryMin/2 {
		o.sent, o.turnedAt = o.acked, now
	}
	m.pump(now, out)
}

// Stable is the index up to which commands are executed by both, or by this member if it is alone: what
// was or may be answered. The rest is this member's only.
func (m *Machine) Stable() uint64 {
	switch {
	case m.role == Primary && m.owed.Len() > 0:
		return m.owed.At(0).Index - 1
	case m.role == Empty:
		return 0
	}
	return m.exec.Index()
}

// State is what there is to say of a member.
type State struct {
	Role     Role
	Epoch    view.Epoch
	Silent   bool // the other is
	Going    bool // it was decided that this member goes on alone, and is not done yet
	Index    uint64
	Stable   uint64
	Sent     uint64 // bytes of the stream to the other
	Acked    uint64
	Snapshot uint64
	Stopped  *replica.Command // why nothing is executed any more; nil: it is
}

// State gives the present state.
func (m *Machine) State() State {
	return State{
		m.role, m.epoch, m.peer.Silent, m.going.epoch != 0, m.exec.Index(), m.Stable(),
		m.out.sent, m.out.acked, m.out.size, m.halted,
	}
}

// Dropped is how many messages were dropped for a reason.
func (m *Machine) Dropped(why wire.Reason) uint64 { return m.dropped[why] }

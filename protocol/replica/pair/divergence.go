package pair

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// diverge is what a backup does whose state differs from the primary's as of a command: it answers
// nothing more and asks for the primary's state.
func (m *Machine) diverge(now time.Time, index uint64, out *Output) {
	m.record(now, trace.Diverged, index, m.exec.Digest(), 0)
	out.Do = append(out.Do, replica.Command{Verb: replica.Diverged, Members: []view.Member{m.cfg.Self}, Epoch: m.epoch, Index: index, Sure: true, Request: m.heads.Of(index)})
	m.empty()
	m.differs = index
	m.tell(now, out)
}

// name tells, at the primary, that the backup has diverged. If it does so again soon after it was restored,
// it is the service: both stop, and name gives false.
func (m *Machine) name(now time.Time, index uint64, out *Output) bool {
	if m.named == index {
		return true
	}
	again := m.named != 0 && index-m.named < relapse
	m.named = index
	if again {
		m.halt(now, index, nil, out)
		return false
	}
	out.Do = append(out.Do, replica.Command{Verb: replica.Diverged, Members: []view.Member{{ID: m.cfg.Peer}}, Epoch: m.epoch, Index: index, Sure: true, Request: m.heads.Of(index)})
	return true
}

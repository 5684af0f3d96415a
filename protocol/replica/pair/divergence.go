package pair

import (
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
)

// head is the beginning of a request.
type head struct {
	index uint64
	size  int
	data  [headMax]byte
}

func (m *Machine) remember(index uint64, request []byte) {
	h := &m.heads[index%headsKept]
	h.index, h.size = index, copy(h.data[:], request)
}

// recall gives the beginning of a command's request, if it is known.
func (m *Machine) recall(index uint64) []byte {
	if h := &m.heads[index%headsKept]; index != 0 && h.index == index {
		return slices.Clone(h.data[:h.size])
	}
	return nil
}

// diverge is what a backup does whose state differs from the primary's as of a command: it answers
// nothing more and asks for the primary's state.
func (m *Machine) diverge(now time.Time, index uint64, out *Output) {
	m.record(now, trace.Diverged, index, m.exec.Digest(), 0)
	out.Do = append(out.Do, Command{Verb: Diverged, Epoch: m.epoch, Index: index, Request: m.recall(index)})
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
	out.Do = append(out.Do, Command{Verb: Diverged, Epoch: m.epoch, Index: index, Request: m.recall(index)})
	return true
}

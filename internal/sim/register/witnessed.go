package register

import (
	"encoding/binary"
	"hash/fnv"
	"io"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Witnessed is a register that keeps what each command did, for those who hear later than it is executed which commands are
// in the agreed order. What was answered counts in its digest.
type Witnessed struct {
	Register
	Index func() uint64 // of the command that is executed; nil: nothing is kept

	seen   map[uint64]seen // by index, since the state came
	latest uint64          // the last of them
	first  uint64          // the sum of the state before them
}

// seen is what a command did.
type seen struct {
	what Request
	had  uint64
	sum  uint64 // of the state after it
}

// Apply executes a request, answers what there was before, and keeps both.
func (s *Witnessed) Apply(c session.Command, reply []byte) []byte {
	r, ok := Read(c.Body)
	if !ok {
		return reply
	}
	if s.seen == nil {
		s.seen, s.first = map[uint64]seen{}, s.Sum()
	}
	had := s.Execute(&r)
	if s.Index != nil {
		s.latest = s.Index()
		s.seen[s.latest] = seen{r, had, s.Sum()}
	}
	return binary.BigEndian.AppendUint64(reply, had)
}

// Digest is that of the cells and of all that was answered.
func (s *Witnessed) Digest() uint64 { return s.digest ^ s.past }

// Restore reads what Snapshot has written. What was kept of former commands is forgotten.
func (s *Witnessed) Restore(r io.Reader) error {
	if err := s.Register.Restore(r); err != nil {
		return err
	}
	s.seen, s.latest = nil, 0
	return nil
}

// Fact is what an observer is told of a command that a member has for good: which request was executed by it, or none.
func (s *Witnessed) Fact(node view.Member, index uint64) service.Fact {
	f := service.Fact{Kind: service.Skipped, Node: node, Index: index, State: s.SumAt(index)}
	if e, is := s.seen[index]; is {
		h := fnv.New64a()
		_, _ = h.Write(e.what.Append(nil))
		f.Kind, f.Session, f.Number, f.Sum, f.Value = service.Executed, uint64(e.what.Client), e.what.Call, h.Sum64(), e.had
	}
	return f
}

// SumAt is that of the state after a command, which was the last or was followed by what was kept.
func (s *Witnessed) SumAt(index uint64) uint64 {
	if index >= s.latest {
		return s.Sum()
	}
	for ; index > 0; index-- {
		if e, is := s.seen[index]; is {
			return e.sum
		}
	}
	return s.first
}

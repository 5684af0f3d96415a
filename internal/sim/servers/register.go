package servers

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// cellCount is how many cells the service has: few, so that clients meet.
const cellCount = 4

// register is the service: cells with numbers, and what an observer has seen of it.
type register struct {
	cells   [cellCount]uint64
	digest  uint64
	past    uint64             // of all that was answered, so that who answered otherwise has another state
	index   func() uint64      // of the command that is executed
	applied map[uint64]applied // by index, since the state came
	latest  uint64
	first   uint64 // the sum of the state before those
}

type applied struct {
	what request
	had  uint64
	sum  uint64 // of the state after it
}

// request is what a client asks. Client and call tell the observer whose it is; fill makes it long.
type request struct {
	client int
	call   uint64
	op     service.Op
	key    uint32
	value  uint64
	fill   int
}

const requestSize = 25

func (r *request) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(r.client))
	b = binary.BigEndian.AppendUint64(b, r.call)
	b = append(b, byte(r.op))
	b = binary.BigEndian.AppendUint32(b, r.key)
	b = binary.BigEndian.AppendUint64(b, r.value)
	for i := range r.fill {
		b = append(b, byte(r.value)+byte(i))
	}
	return b
}

// parse reads a request; false if its bytes are not those that a client has sent.
func parse(b []byte) (request, bool) {
	if len(b) < requestSize {
		return request{}, false
	}
	r := request{
		int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint64(b[4:]), service.Op(b[12]),
		binary.BigEndian.Uint32(b[13:]) % cellCount, binary.BigEndian.Uint64(b[17:]), len(b) - requestSize,
	}
	for i, c := range b[requestSize:] {
		if c != byte(r.value)+byte(i) {
			return r, false
		}
	}
	return r, true
}

// Apply executes a request and answers what there was before, and as many bytes as were asked with.
func (s *register) Apply(c session.Command, reply []byte) []byte {
	r, ok := parse(c.Body)
	if !ok {
		panic(fmt.Sprintf("servers: a request of %d bytes was changed on its way", len(c.Body)))
	}
	if s.applied == nil {
		s.applied, s.first = map[uint64]applied{}, s.sum()
	}
	had := s.cells[r.key]
	switch r.op {
	case service.Swap:
		s.set(r.key, r.value)
	case service.Add:
		s.set(r.key, had+r.value)
	}
	s.past = bits.RotateLeft64((s.past^had)*0x9e3779b97f4a7c15, 29)
	s.latest = s.index()
	s.applied[s.latest] = applied{r, had, s.sum()}
	return append(binary.BigEndian.AppendUint64(reply, had), c.Body...)
}

func (s *register) set(key uint32, value uint64) {
	s.digest ^= term(key, s.cells[key]) ^ term(key, value)
	s.cells[key] = value
}

func term(key uint32, value uint64) uint64 {
	return bits.RotateLeft64(value*0x9e3779b97f4a7c15, int(key)*13) * 0xff51afd7ed558ccd
}

func (s *register) Ended(time.Duration, session.ID) {}
func (s *register) Passed(time.Duration)            {}
func (s *register) Next() time.Duration             { return 0 }
func (s *register) Digest() uint64                  { return s.digest ^ s.past }

// Snapshot writes the cells.
func (s *register) Snapshot(w io.Writer) error {
	return binary.Write(w, binary.BigEndian, append(s.cells[:], s.past))
}

// Restore reads them.
func (s *register) Restore(r io.Reader) error {
	var all [cellCount + 1]uint64
	if err := binary.Read(r, binary.BigEndian, all[:]); err != nil {
		return fmt.Errorf("servers: a state has less than %d cells: %w", cellCount, err)
	}
	for key := range s.cells {
		s.set(uint32(key), all[key])
	}
	s.past, s.applied, s.latest = all[cellCount], nil, 0
	return nil
}

// sum is the state as an observer sees it.
func (s *register) sum() uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.BigEndian, append(s.cells[:], s.past))
	return h.Sum64()
}

// fact is what an observer is told of a command that a member has for good.
func (s *register) fact(node view.Member, index uint64) service.Fact {
	f := service.Fact{Kind: service.Skipped, Node: node, Index: index, State: s.sumAt(index)}
	if a, is := s.applied[index]; is {
		h := fnv.New64a()
		_, _ = h.Write(a.what.append(nil))
		f.Kind, f.Session, f.Number, f.Sum, f.Value = service.Executed, uint64(a.what.client), a.what.call, h.Sum64(), a.had
	}
	return f
}

// sumAt is that of the state after a command, the last or one that was followed by what was applied.
func (s *register) sumAt(index uint64) uint64 {
	if index >= s.latest {
		return s.sum()
	}
	for ; index > 0; index-- {
		if a, is := s.applied[index]; is {
			return a.sum
		}
	}
	return s.first
}

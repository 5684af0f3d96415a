package services

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// cellCount is how many cells a service has: few, so that clients meet.
const cellCount = 4

// register is the service that is replicated: cells with numbers. Its digest is kept up to
// date; sum is worked out anew, as an observer sees the state.
type register struct {
	cells  [cellCount]uint64
	digest uint64
	past   uint64  // of all that was answered: who answered wrongly once is not as the others are, whatever its cells
	last   request // the last that was applied
	had    uint64  // what was answered
	fresh  bool    // last was applied since it was looked at
	asked  func()  // tells that the digest is wanted: after each command
}

// request is what a client asks of a register. Client and call tell the observer whose it is.
type request struct {
	client int
	call   uint64
	op     service.Op
	key    uint32
	value  uint64
}

const requestSize = 25

func (r request) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(r.client))
	b = binary.BigEndian.AppendUint64(b, r.call)
	b = append(b, byte(r.op))
	b = binary.BigEndian.AppendUint32(b, r.key)
	return binary.BigEndian.AppendUint64(b, r.value)
}

func parse(b []byte) (request, bool) {
	if len(b) != requestSize {
		return request{}, false
	}
	return request{
		int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint64(b[4:]), service.Op(b[12]),
		binary.BigEndian.Uint32(b[13:]) % cellCount, binary.BigEndian.Uint64(b[17:]),
	}, true
}

// Apply executes a request and answers what there was before.
func (s *register) Apply(c session.Command, reply []byte) []byte {
	r, ok := parse(c.Body)
	if !ok {
		return reply
	}
	had := s.cells[r.key]
	s.had = had
	s.past = term(r.key, s.past+had)
	switch r.op {
	case service.Swap:
		s.set(r.key, r.value)
	case service.Add:
		s.set(r.key, had+r.value)
	}
	s.last, s.fresh = r, true
	return binary.BigEndian.AppendUint64(reply, had)
}

func (s *register) set(key uint32, value uint64) {
	s.digest ^= term(key, s.cells[key]) ^ term(key, value)
	s.cells[key] = value
}

func term(key uint32, value uint64) uint64 {
	return bits.RotateLeft64(value*0x9e3779b97f4a7c15, int(key)*13) * 0xff51afd7ed558ccd
}

func (s *register) watch(asked func()) { s.asked = asked }

// took gives what the last command was, and forgets it.
func (s *register) took() event {
	e := event{fact: service.Fact{Kind: service.Skipped}}
	if s.fresh {
		e.fact = service.Fact{Kind: service.Executed, Session: uint64(s.last.client), Number: s.last.call, Value: s.had}
	}
	s.fresh = false
	return e
}

func (s *register) tell(func(session.ID, []byte)) {}

// flip damages a cell.
func (s *register) flip(r *rand.Rand) { s.set(uint32(r.IntN(cellCount)), r.Uint64()) }

func (s *register) Ended(time.Duration, session.ID) {}
func (s *register) Passed(time.Duration)            {}
func (s *register) Next() time.Duration             { return 0 }

// Digest is asked for after each command: that is when the observer looks.
func (s *register) Digest() uint64 {
	if s.asked != nil {
		s.asked()
	}
	return s.digest
}

// Snapshot writes the cells.
func (s *register) Snapshot(w io.Writer) error {
	return binary.Write(w, binary.BigEndian, append(s.cells[:], s.past))
}

// Restore reads them.
func (s *register) Restore(r io.Reader) error {
	var cells [cellCount + 1]uint64
	if err := binary.Read(r, binary.BigEndian, cells[:]); err != nil {
		return fmt.Errorf("services: a state has less than %d cells: %w", cellCount, err)
	}
	s.past = cells[cellCount]
	for key := range cellCount {
		s.set(uint32(key), cells[key])
	}
	return nil
}

// sum is the state as an observer sees it.
func (s *register) sum() uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.BigEndian, append(s.cells[:], s.past))
	return h.Sum64()
}

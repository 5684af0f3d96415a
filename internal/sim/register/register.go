// Package register is a service to be replicated: a few cells with numbers. It is what the judges of
// check/service know to judge, small enough for them to search all orders. The worlds of the simulator
// and the tests of the styles replicate it; what each of them looks at beside the cells is its own.
package register

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

// CellCount is how many cells there are: few, so that clients meet.
const CellCount = 4

// Register is the cells, and a sum of all that was answered: who answered wrongly once is not as the others are, whatever
// its cells. It is a session.Service. The zero value has executed nothing.
type Register struct {
	Cells  [CellCount]uint64 // to look at; Set changes one
	Extra  int               // bytes of zeros behind the cells in a snapshot
	Chance *rand.Rand        // draws what is added to each value, so that no two members agree; nil: the value is taken as it is

	digest uint64 // of the cells
	past   uint64
}

// Execute executes a request and gives what there was before.
func (s *Register) Execute(r *Request) (had uint64) {
	had = s.Cells[r.Key]
	value := r.Value
	if s.Chance != nil {
		value += s.Chance.Uint64N(1 << 20)
	}
	switch r.Op {
	case service.Swap:
		s.Set(r.Key, value)
	case service.Add:
		s.Set(r.Key, had+value)
	}
	s.past = term(r.Key, s.past+had)
	return had
}

// Apply executes a request and answers what there was before. What is no request changes nothing and is answered with
// nothing.
func (s *Register) Apply(c session.Command, reply []byte) []byte {
	r, ok := Read(c.Body)
	if !ok {
		return reply
	}
	return binary.BigEndian.AppendUint64(reply, s.Execute(&r))
}

// Set changes a cell.
func (s *Register) Set(key uint32, value uint64) {
	s.digest ^= term(key, s.Cells[key]) ^ term(key, value)
	s.Cells[key] = value
}

func term(key uint32, value uint64) uint64 {
	return bits.RotateLeft64(value*0x9e3779b97f4a7c15, int(key)*13) * 0xff51afd7ed558ccd
}

// Ended does nothing: no session has anything here.
func (s *Register) Ended(time.Duration, session.ID) {}

// Passed does nothing: time changes nothing here.
func (s *Register) Passed(time.Duration) {}

// Next is never.
func (s *Register) Next() time.Duration { return 0 }

// Digest is that of the cells alone, kept up to date with each change.
func (s *Register) Digest() uint64 { return s.digest }

// Snapshot writes the state.
func (s *Register) Snapshot(w io.Writer) error {
	if err := binary.Write(w, binary.BigEndian, append(s.Cells[:], s.past)); err != nil {
		return err
	}
	_, err := w.Write(make([]byte, s.Extra))
	return err
}

// Restore reads what Snapshot has written.
func (s *Register) Restore(r io.Reader) error {
	var all [CellCount + 1]uint64
	if err := binary.Read(r, binary.BigEndian, all[:]); err != nil {
		return fmt.Errorf("register: a state has less than %d cells: %w", CellCount, err)
	}
	extra, err := io.Copy(io.Discard, r)
	if s.Extra = int(extra); err != nil {
		return err
	}
	for key := range s.Cells {
		s.Set(uint32(key), all[key])
	}
	s.past = all[CellCount]
	return nil
}

// Sum is the whole state as an observer sees it, worked out anew.
func (s *Register) Sum() uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.BigEndian, append(s.Cells[:], s.past))
	return h.Sum64()
}

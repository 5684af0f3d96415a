package services

import (
	"math/rand/v2"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// cells is the register that is replicated, with an eye on its last command. What was answered does not count in its digest: a
// damage that is overwritten before anybody has looked is none.
type cells struct {
	register.Register
	last  register.Request // the last that was executed
	had   uint64           // what was answered
	fresh bool             // last was executed since it was looked at
	asked func()           // tells that the digest is wanted: after each command
}

// Apply executes a request and answers what there was before.
func (s *cells) Apply(c session.Command, reply []byte) []byte {
	if r, ok := register.Read(c.Body); ok {
		s.last, s.had, s.fresh = r, s.Cells[r.Key], true
	}
	return s.Register.Apply(c, reply)
}

func (s *cells) watch(asked func()) { s.asked = asked }

// took gives what the last command was, and forgets it.
func (s *cells) took() event {
	e := event{fact: service.Fact{Kind: service.Skipped}}
	if s.fresh {
		e.fact = service.Fact{Kind: service.Executed, Session: uint64(s.last.Client), Number: s.last.Call, Value: s.had}
	}
	s.fresh = false
	return e
}

func (s *cells) sum() uint64 { return s.Sum() }

func (s *cells) tell(func(session.ID, []byte)) {}

// flip damages a cell.
func (s *cells) flip(r *rand.Rand) { s.Set(uint32(r.IntN(register.CellCount)), r.Uint64()) }

// Digest is asked for after each command: that is when the observer looks.
func (s *cells) Digest() uint64 {
	if s.asked != nil {
		s.asked()
	}
	return s.Register.Digest()
}

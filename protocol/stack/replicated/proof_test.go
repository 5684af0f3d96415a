package replicated

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/replica"
)

// rest lets time go by in which nobody asks anything, so that members tell what they have.
func (s *story) rest() {
	for range 4 {
		s.now = s.now.Add(100 * time.Millisecond)
		for _, a := range s.actors {
			if a.in {
				a.machine.Tick(s.now, &a.out)
				s.act(a)
			}
		}
		s.deliver(s.actors, false)
	}
}

// proofs are what a member knows of the others.
func (s *story) proofs(rank int) []replica.Proof {
	s.t.Helper()
	known, told := s.actors[rank].machine.Proofs()
	if !told || len(known) != len(s.actors)-1 {
		s.t.Fatalf("it tells of %d members: %v", len(known), told)
	}
	return known
}

// TestEachKnowsWhatTheOthersHave: in every style every member, a spare too, knows after a rest that the others have all that it
// has; and does not say so before they have told it.
func TestEachKnowsWhatTheOthersHave(t *testing.T) {
	for style := range styleCount {
		t.Run(style.String(), func(t *testing.T) {
			s := &story{t: t, lines: &scenario.Transcript{}, now: time.Unix(1000, 0)}
			s.do("group members=4 style=" + style.String())
			for _, line := range []string{"open m1", "call m1 number=1 add=5", "call m2 number=2 add=6"} {
				s.do(line)
				s.deliver(s.actors[:1], false)
				for _, p := range s.proofs(0) {
					if p.Told && p.Index >= s.actors[0].machine.Executor().Index() {
						t.Errorf("%s: %v is shown as proven, and has not had it", line, p.Member)
					}
				}
				s.deliver(s.actors, false)
				s.rest()
				for rank, a := range s.actors {
					for _, p := range s.proofs(rank) {
						if !p.Told || p.Diverged || p.Index != a.machine.Executor().Index() || !p.Since.IsZero() {
							t.Errorf("%s: at %v it is known of %v: %+v", line, a.self, p.Member, p)
						}
					}
				}
			}
			messages := len(s.messages)
			for range 5 {
				s.rest()
			}
			if more := len(s.messages) - messages; more > 0 {
				t.Errorf("%d messages were sent at rest", more)
			}
		})
	}
}

// TestADigestOfWhatIsNotHereYetIsKept: between members of style passive there is no order; what one tells of an update counts at
// another when that has the update.
func TestADigestOfWhatIsNotHereYetIsKept(t *testing.T) {
	s := begun(t, Passive)
	last := s.actors[2]
	s.do("call m1 number=2 add=7")
	s.deliver(s.actors[:2], false)
	index := s.actors[1].machine.Executor().Index()
	for range 3 {
		s.now = s.now.Add(100 * time.Millisecond)
		s.actors[1].machine.Tick(s.now, &s.actors[1].out)
		s.act(s.actors[1])
	}
	tell := s.messages[len(s.messages)-1]
	last.machine.Delivered(s.now, tell.from, tell.data, &last.out)
	if p := s.proofs(2)[1]; p.Member != s.actors[1].self || p.Told && p.Index >= index {
		t.Errorf("it is said of what is not here: %+v", p)
	}
	s.deliver(s.actors[2:], false)
	if p := s.proofs(2)[1]; !p.Told || p.Index != index || p.Diverged {
		t.Errorf("what was told is forgotten: %+v", p)
	}
	if p := s.proofs(2)[0]; p.Told {
		t.Errorf("an update is no proof of its primary, which may take it back: %+v", p)
	}
}

// TestRepliesThatAreComparedProveNothing: states may differ by right, and nobody tells a digest.
func TestRepliesThatAreComparedProveNothing(t *testing.T) {
	s := &story{t: t, lines: &scenario.Transcript{}, now: time.Unix(1000, 0)}
	s.do("group style=voted members=4 tolerance=2")
	s.do("open m1")
	s.deliver(s.actors, false)
	s.rest()
	if known, told := s.actors[0].machine.Proofs(); told {
		t.Errorf("it tells of %v", known)
	}
}

package pair

import (
	"fmt"
	"testing"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/trace"
)

// TestScenarios plays the text files: each line of a step is an instruction, and what is expected is the transcript
// (milliseconds, who, what). -rewrite writes it anew. The judges hear each story, and at its end.
func TestScenarios(t *testing.T) {
	scenario.Play(t, func(t *testing.T, lines *scenario.Transcript) func(string) {
		s := &play{t: t, lines: lines}
		t.Cleanup(s.judge)
		return s.do
	})
}

// play is one file being played.
type play struct {
	t     *testing.T
	c     *cluster
	lines *scenario.Transcript
}

func (s *play) say(who, what string) { s.lines.Say(s.c.Past(), who, what) }

func (s *play) judge() {
	if s.c == nil {
		return
	}
	s.c.Hear(&service.Fact{Kind: service.Ended})
	if v := s.c.Court.Violation(); v != nil {
		s.t.Errorf("%s at %v: %s", v.Promise, v.At, v.Text)
	}
}

func (s *play) create(options map[string]string) {
	s.c = newCluster(s.t, 2, service.All(service.Setting{})...)
	for o := range options {
		switch o {
		case "freeze":
			s.c.policy = Freeze
		case "arbitrate":
			s.c.policy = Arbitrate
		case "diskless":
			s.c.known = false
		case "logged":
			s.c.logged = true
		case "random":
			s.c.random = true
			s.c.Court = service.NewCourt(service.Without(service.All(service.Setting{}), "linearizability")...)
		case "volatile": // all crash at once
			s.c.Court = service.NewCourt(service.All(service.Setting{Volatile: true})...)
		case "unjudged": // what clients see is wrong, and known to be
			s.c.Court = service.NewCourt()
		default:
			s.t.Fatalf("unknown word %q", o)
		}
	}
	s.c.Tell = s.say
	s.c.Record = func(e trace.Event) {
		switch e.Kind {
		case trace.PeerSilent, trace.PeerHeard, trace.SyncBegan, trace.StateDone, trace.StateFailed:
			s.say(e.Node.String(), e.Kind.String())
		}
	}
}

func (s *play) do(line string) {
	in := scenario.Parse(line)
	if in.Verb == "pair" {
		s.create(in.Options)
		return
	}
	s.say(">", line)
	switch {
	case s.c.Instruct(line):
	case in.Verb == "status":
		s.status()
	case len(in.Members) == 0:
		s.t.Fatalf("unknown instruction %q", line)
	default:
		for _, id := range in.Members {
			s.act(&in, s.c.nodes[id-1])
		}
	}
}

// act does something to a member.
func (s *play) act(in *scenario.Instruction, n *node) {
	c := s.c
	switch in.Verb {
	case "start":
		c.start(n)
	case "crash":
		c.Crash(&n.Host)
	case "trap":
		for point := range in.Options {
			n.Trap, n.TrapAt = point, 1
		}
	case "pause":
		for d := range in.Options {
			c.Pause(&n.Host, scenario.Duration(s.t, d))
		}
	case "proceed":
		c.step(n, func(out *Output) {
			if err := n.m.Proceed(c.Now, out); err != nil {
				s.say(n.ID.String(), "refuses: "+err.Error())
			}
		})
	case "flip":
		n.state.Set(0, 1<<40)
	case "fill": // so many bytes behind one another in the state are one snapshot of some pieces
		n.state.Extra = 100 * pieceMax
	case "replace": // the disk, with a new one
		n.book = book{}
	case "break":
		n.broken = true
	default:
		s.t.Fatalf("unknown instruction %q", in.Verb)
	}
}

func (s *play) status() {
	for _, n := range s.c.nodes {
		if !n.Up {
			s.say(n.ID.String(), "= down")
			continue
		}
		st := n.m.State()
		what := fmt.Sprintf("= %v, epoch %d, command %d, cells %v", st.Role, st.Epoch, st.Index, n.state.Cells)
		if st.Silent {
			what += ", the other is silent"
		}
		s.say(n.ID.String(), what)
	}
}

package pair

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
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

func (s *play) say(who, what string) { s.lines.Say(s.c.now.Sub(s.c.begin), who, what) }

func (s *play) judge() {
	if s.c == nil {
		return
	}
	s.c.hear(&service.Fact{Kind: service.Ended})
	if v := s.c.court.Violation(); v != nil {
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
		case "random":
			s.c.random = true
			s.c.court = service.NewCourt(without("linearizability", service.All(service.Setting{}))...)
		case "volatile": // all crash at once
			s.c.court = service.NewCourt(service.All(service.Setting{Volatile: true})...)
		case "unjudged": // what clients see is wrong, and known to be
			s.c.court = service.NewCourt()
		default:
			s.t.Fatalf("unknown word %q", o)
		}
	}
	s.c.tell = s.say
	s.c.record = func(e trace.Event) {
		switch e.Kind {
		case trace.PeerSilent, trace.PeerHeard, trace.SyncBegan, trace.StateDone, trace.StateFailed:
			s.say(e.Node.String(), e.Kind.String())
		}
	}
}

// end is a member's or a client's place in the network: m1, c1.
func (s *play) end(word string) int {
	i, err := strconv.Atoi(word[1:])
	switch {
	case err == nil && word[0] == 'm' && i >= 1 && i <= 2:
		return i
	case err == nil && word[0] == 'c' && i >= 1 && i <= len(s.c.clients):
		return 2 + i
	}
	s.t.Fatalf("%q is neither m1 or m2 nor a client, as c1 is", word)
	return 0
}

func (s *play) do(line string) {
	in := scenario.Parse(line)
	if in.Verb == "pair" {
		s.create(in.Options)
		return
	}
	s.say(">", line)
	switch rest := strings.Fields(line)[1:]; in.Verb {
	case "cut", "mend": // both ways; with oneway from the first to the second
		a, b := s.end(rest[0]), s.end(rest[1])
		s.c.cut[[2]int{a, b}] = in.Verb == "cut"
		s.c.cut[[2]int{b, a}] = in.Verb == "cut" && !in.Has("oneway")
	case "call": // call c1 add 1 5, or: call c1 m2 add 1 5
		s.call(rest)
	case "run":
		s.c.run(scenario.Duration(s.t, rest[0]))
	case "status":
		s.status()
	default:
		for _, id := range in.Members {
			s.act(&in, s.c.nodes[id-1])
		}
		if len(in.Members) == 0 {
			s.t.Fatalf("unknown instruction %q", line)
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
		c.crash(n)
	case "trap":
		for point := range in.Options {
			n.trap, n.trapAt = point, 1
		}
	case "pause":
		for d := range in.Options {
			c.pause(n, scenario.Duration(s.t, d))
		}
	case "proceed":
		c.step(n, func(out *Output) {
			if err := n.m.Proceed(c.now, out); err != nil {
				s.say(n.id.String(), "refuses: "+err.Error())
			}
		})
	case "flip":
		n.state.set(0, 1<<40)
	case "fill": // so many bytes behind one another in the state are one snapshot of some pieces
		n.state.fill = 100 * pieceMax
	case "break":
		n.broken = true
	default:
		s.t.Fatalf("unknown instruction %q", in.Verb)
	}
}

func (s *play) call(rest []string) {
	x := s.c.clients[s.end(rest[0])-3]
	if x.fixed = rest[1][0] == 'm'; x.fixed {
		x.server, rest = view.ID(s.end(rest[1])), rest[1:]
	}
	op := map[string]service.Op{"read": service.Read, "swap": service.Swap, "add": service.Add}[rest[1]]
	key, _ := strconv.Atoi(rest[2])
	value := 0
	if len(rest) > 3 {
		value, _ = strconv.Atoi(rest[3])
	}
	x.call(op, uint32(key), uint64(value))
}

func (s *play) status() {
	for _, n := range s.c.nodes {
		if !n.up {
			s.say(n.id.String(), "= down")
			continue
		}
		st := n.m.State()
		what := fmt.Sprintf("= %v, epoch %d, command %d, cells %v", st.Role, st.Epoch, st.Index, n.state.cells)
		if st.Silent {
			what += ", the other is silent"
		}
		s.say(n.id.String(), what)
	}
}

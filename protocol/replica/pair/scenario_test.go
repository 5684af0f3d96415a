package pair

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/trace"
)

// TestScenarios plays the text files: each line of a step is an instruction, and what is expected is the transcript
// (milliseconds, who, what). -rewrite writes it anew.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.HasPrefix(path, "testdata/fuzz/") {
			return
		}
		s := &scenario{t: t}
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
			s.lines.Reset()
			for line := range strings.SplitSeq(d.Input, "\n") {
				if line = strings.TrimSpace(line); line != "" {
					s.do(line)
				}
			}
			return s.lines.String()
		})
		if v := s.c.court.Violation(); v != nil {
			t.Errorf("%s at %v: %s", v.Promise, v.At, v.Text)
		}
	})
}

type scenario struct {
	t     *testing.T
	c     *cluster
	lines strings.Builder
}

func (s *scenario) say(who, what string) {
	fmt.Fprintf(&s.lines, "%9.1f %-2s %s\n", float64(s.c.now.Sub(s.c.begin).Microseconds())/1000, who, what)
}

func (s *scenario) create(options []string) {
	s.c = newCluster(s.t, 2, service.Once(), service.Agreement(), service.Linearizability())
	for _, o := range options {
		switch o {
		case "freeze":
			s.c.policy = Freeze
		case "arbitrate":
			s.c.policy = Arbitrate
		case "diskless":
			s.c.known = false
		case "random":
			s.c.random = true
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

func (s *scenario) node(word string) *node {
	i, err := strconv.Atoi(strings.TrimPrefix(word, "m"))
	if err != nil || i < 1 || i > 2 {
		s.t.Fatalf("%q is no member", word)
	}
	return s.c.nodes[i-1]
}

// end is a member's or a client's place in the network.
func (s *scenario) end(word string) int {
	if i, err := strconv.Atoi(strings.TrimPrefix(word, "c")); err == nil {
		return 2 + i
	}
	return int(s.node(word).id)
}

func (s *scenario) do(line string) {
	words := strings.Fields(line)
	verb, rest := words[0], words[1:]
	if verb == "pair" {
		s.create(rest)
		return
	}
	c := s.c
	s.say(">", line)
	switch verb {
	case "run":
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			s.t.Fatal(err)
		}
		c.run(d)
	case "start":
		for _, w := range rest {
			c.start(s.node(w))
		}
	case "crash":
		c.crash(s.node(rest[0]))
	case "trap":
		n := s.node(rest[0])
		n.trap, n.trapAt = rest[1], 1
	case "cut", "mend":
		a, b := s.end(rest[0]), s.end(rest[1])
		c.cut[[2]int{a, b}], c.cut[[2]int{b, a}] = verb == "cut", verb == "cut" && len(rest) == 2
	case "call": // call c1 add 1 5, or: call c1 m2 add 1 5
		s.call(rest)
	case "pause":
		d, _ := time.ParseDuration(rest[1])
		c.pause(s.node(rest[0]), d)
	case "proceed":
		n := s.node(rest[0])
		c.step(n, func(out *Output) {
			if err := n.m.Proceed(c.now, out); err != nil {
				s.say(rest[0], "refuses: "+err.Error())
			}
		})
	case "flip":
		s.node(rest[0]).state.set(0, 1<<40)
	case "fill": // so many bytes behind one another in the state are one snapshot of some pieces
		s.node(rest[0]).state.fill = 100 * pieceMax
	case "break":
		s.node(rest[0]).broken = true
	case "status":
		s.status()
	default:
		s.t.Fatalf("unknown instruction %q", line)
	}
}

func (s *scenario) call(rest []string) {
	i, _ := strconv.Atoi(strings.TrimPrefix(rest[0], "c"))
	x := s.c.clients[i-1]
	if x.fixed = rest[1][0] == 'm'; x.fixed {
		x.server, rest = s.node(rest[1]).id, rest[1:]
	}
	op := map[string]service.Op{"read": service.Read, "swap": service.Swap, "add": service.Add}[rest[1]]
	key, _ := strconv.Atoi(rest[2])
	value := 0
	if len(rest) > 3 {
		value, _ = strconv.Atoi(rest[3])
	}
	x.call(op, uint32(key), uint64(value))
}

func (s *scenario) status() {
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

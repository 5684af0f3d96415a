package detect

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// TestScenarios runs the text files: each line of a scenario is an instruction, and
// the expectation is the transcript (milliseconds, who, what). -rewrite writes it anew.
// The heartbeat is 100 ms, SuspectAfter 500 ms.
func TestScenarios(t *testing.T) {
	scenario.Play(t, func(t *testing.T, lines *scenario.Transcript) func(string) {
		return (&play{t: t, lines: lines}).do
	})
}

// play is one file being played.
type play struct {
	t     *testing.T
	c     *cluster
	lines *scenario.Transcript
}

func (s *play) say(who, what string) { s.lines.Say(s.c.now.Sub(s.c.begin), who, what) }

// create makes the cluster that the options describe.
func (s *play) create(in *scenario.Instruction) {
	s.c = newCluster(s.t, in.Number(s.t, "members", 2), in.Number(s.t, "links", 1))
	s.c.perfect = in.Has("perfect")
	s.c.record = func(e trace.Event) { s.say(e.Node.String(), scenario.Sentence(e, nil)) }
	s.c.change = func(n *node, c Change) {
		s.say(n.id.String(), fmt.Sprintf("-> %v is %s", c.Peer, map[bool]string{true: "suspected", false: "trusted"}[c.Suspected]))
	}
}

func (s *play) do(line string) {
	in := scenario.Parse(line)
	if in.Verb == "cluster" {
		s.create(&in)
		return
	}
	var who []*node
	for _, id := range in.Members {
		who = append(who, s.c.nodes[id-1])
	}
	s.say(">", line)
	s.act(&in, who)
}

func (s *play) act(in *scenario.Instruction, who []*node) {
	c := s.c
	switch in.Verb {
	case "run":
		for d := range in.Options {
			c.run(scenario.Duration(s.t, d))
		}
	case "start":
		for _, n := range who {
			c.start(n)
		}
	case "crash":
		for _, n := range who {
			n.up = false
		}
	case "pause":
		for _, n := range who {
			c.pause(n, scenario.Duration(s.t, in.Options["for"]))
		}
	case "jump":
		who[0].skew += scenario.Duration(s.t, in.Options["by"])
	case "jitter":
		who[0].jitter = scenario.Duration(s.t, in.Options["of"])
	case "cut", "mend":
		link := in.Number(s.t, "link", 0)
		c.cut[[3]int{int(who[0].id), int(who[1].id), link}] = in.Verb == "cut"
		if !in.Has("oneway") {
			c.cut[[3]int{int(who[1].id), int(who[0].id), link}] = in.Verb == "cut"
		}
	case "verdict":
		c.step(who[0], func(now time.Time, out *Output) { who[0].m.Suspect(now, who[1].id, in.Has("suspected"), out) })
	case "frame":
		from := view.Member{ID: who[1].id, Incarnation: view.Incarnation(in.Number(s.t, "life", 0))}
		c.step(who[0], func(now time.Time, out *Output) { who[0].m.Heard(now, from, 1, out) })
	case "status":
		s.status()
	default:
		s.t.Fatalf("unknown instruction %q", in.Verb)
	}
}

func (s *play) status() {
	for _, n := range s.c.nodes {
		if !n.up {
			s.say(n.id.String(), "= dead")
			continue
		}
		now := s.c.now.Add(n.skew)
		for _, p := range s.c.nodes {
			if p == n {
				continue
			}
			life, suspected := n.m.Life(p.id)
			what := fmt.Sprintf("= %v#%d, suspected %v, silent %v of %v, level %.1f, flaps %.2f", p.id, life, suspected,
				n.m.Silence(now, p.id).Round(time.Millisecond), n.m.Patience(p.id).Round(time.Millisecond), n.m.Level(now, p.id), n.m.Flaps(p.id))
			for k := 1; k <= s.c.links; k++ {
				what += fmt.Sprintf(", link %d heard %v hears %v", k, n.m.LinkHeard(p.id, uint8(k)), n.m.LinkHears(p.id, uint8(k)))
			}
			s.say(n.id.String(), what)
		}
	}
}

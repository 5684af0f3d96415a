package detect

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// TestScenarios runs the text files: each line of a scenario is an instruction, and
// the expectation is the transcript (milliseconds, who, what). -rewrite writes it anew.
// The heartbeat is 100 ms, SuspectAfter 500 ms.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") {
			return
		}
		s := &scenario{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.lines.Reset()
			for _, line := range strings.Split(d.Input, "\n") {
				if line = strings.TrimSpace(line); line != "" {
					s.do(line)
				}
			}
			return s.lines.String()
		})
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

func (s *scenario) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("%q is not a duration", text)
	}
	return d
}

// create makes the cluster that the options describe.
func (s *scenario) create(options map[string]string) {
	members, links := 2, 1
	if text := options["members"]; text != "" {
		members, _ = strconv.Atoi(text)
	}
	if text := options["links"]; text != "" {
		links, _ = strconv.Atoi(text)
	}
	s.c = newCluster(s.t, members, links)
	_, s.c.perfect = options["perfect"]
	s.c.record = func(e trace.Event) { s.say(e.Node.String(), sentence(e)) }
	s.c.change = func(n *node, c Change) {
		s.say(n.id.String(), fmt.Sprintf("-> %v is %s", c.Peer, map[bool]string{true: "suspected", false: "trusted"}[c.Suspected]))
	}
}

func (s *scenario) do(line string) {
	var who []*node
	options := map[string]string{}
	words := strings.Fields(line)
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		if id, err := strconv.Atoi(strings.TrimPrefix(w, "m")); s.c != nil && w[0] == 'm' && err == nil {
			who = append(who, s.c.nodes[id-1])
		} else {
			options[name] = value
		}
	}
	if words[0] == "cluster" {
		s.create(options)
		return
	}
	s.say(">", line)
	s.act(words[0], who, options)
}

func (s *scenario) act(verb string, who []*node, options map[string]string) {
	c := s.c
	switch verb {
	case "run":
		for d := range options {
			c.run(s.duration(d))
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
			c.pause(n, s.duration(options["for"]))
		}
	case "jump":
		who[0].skew += s.duration(options["by"])
	case "jitter":
		who[0].jitter = s.duration(options["of"])
	case "cut", "mend":
		link, _ := strconv.Atoi(options["link"])
		c.cut[[3]int{int(who[0].id), int(who[1].id), link}] = verb == "cut"
		if _, one := options["oneway"]; !one {
			c.cut[[3]int{int(who[1].id), int(who[0].id), link}] = verb == "cut"
		}
	case "verdict":
		_, suspected := options["suspected"]
		c.step(who[0], func(now time.Time, out *Output) { who[0].m.Suspect(now, who[1].id, suspected, out) })
	case "frame":
		life, _ := strconv.ParseUint(options["life"], 10, 64)
		from := view.Member{ID: who[1].id, Incarnation: view.Incarnation(life)}
		c.step(who[0], func(now time.Time, out *Output) { who[0].m.Heard(now, from, 1, out) })
	case "status":
		s.status()
	default:
		s.t.Fatalf("unknown instruction %q", verb)
	}
}

func (s *scenario) status() {
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

package takeover

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
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
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
	fmt.Fprintf(&s.lines, "%s %-2s %s\n", s.c.stamp(), who, what)
}

// words splits an instruction into members, and what is written name=value or bare.
func (s *scenario) words(line string) (verb string, who []*node, options map[string]string) {
	options = map[string]string{}
	for i, w := range strings.Fields(line) {
		name, value, _ := strings.Cut(w, "=")
		id, err := strconv.Atoi(strings.TrimPrefix(w, "m"))
		switch {
		case i == 0:
			verb = w
		case s.c != nil && w[0] == 'm' && err == nil:
			who = append(who, s.c.nodes[id-1])
		default:
			options[name] = value
		}
	}
	return verb, who, options
}

func (s *scenario) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("%q is not a duration", text)
	}
	return d
}

func (s *scenario) create(options map[string]string) {
	priorities := []uint8{150, 100, 50}
	if text := options["members"]; text != "" {
		n, _ := strconv.Atoi(text)
		priorities = priorities[:n]
	} else {
		priorities = priorities[:2]
	}
	s.c = newCluster(s.t, priorities...)
	if text := options["links"]; text != "" {
		s.c.links, _ = strconv.Atoi(text)
	}
	_, s.c.preempt = options["preempt"]
	_, s.c.remember = options["remember"]
	s.c.record = func(e trace.Event) { s.say(e.Node.String(), sentence(e)) }
	s.c.tell = func(n *node, what string) { s.say(n.id.String(), what) }
}

func (s *scenario) do(line string) {
	verb, who, options := s.words(line)
	if verb == "cluster" {
		s.create(options)
		return
	}
	c := s.c
	s.say(">", line)
	switch verb {
	case "run":
		for d := range options {
			c.run(s.duration(d))
		}
	case "start", "crash", "stop", "down", "up", "synced", "unsynced", "proven", "unproven":
		for _, n := range who {
			s.each(verb, n)
		}
	case "pause":
		c.pause(who[0], s.duration(options["for"]))
	case "switch":
		s.handOver(who)
	case "cut", "mend":
		s.wire(verb == "cut", who, options)
	case "service":
		for v, name := range verbNames {
			if text, there := options[name]; there && text == "never" {
				who[0].service[Verb(v)] = -1
			} else if there {
				who[0].service[Verb(v)] = s.duration(text)
			}
		}
	case "record":
		who[0].recording, who[0].tape = true, nil
	case "replay":
		who[0].recording = false
		for _, p := range who[0].tape {
			c.deliver(who[0], p)
		}
	case "status":
		s.status()
	default:
		s.t.Fatalf("unknown instruction %q", line)
	}
}

func (s *scenario) each(verb string, n *node) {
	c := s.c
	step := func(call func(*Output)) {
		if n.up {
			c.step(n, call)
		}
	}
	switch verb {
	case "start":
		c.start(n)
	case "crash":
		c.crash(n)
	case "stop":
		step(func(out *Output) { n.m.Stop(c.now, out) })
	case "down", "up":
		n.down = map[string]int{"down": 1, "up": 0}[verb]
		step(func(out *Output) { n.m.Health(c.now, n.down, out) })
	case "synced", "unsynced":
		n.unsynced = verb == "unsynced"
		step(func(out *Output) { n.m.Synced(c.now, !n.unsynced, out) })
	case "proven", "unproven":
		n.unproven = verb == "unproven"
		for _, p := range c.nodes {
			step(func(out *Output) { n.m.Proven(c.now, p.id, !n.unproven, out) })
		}
	}
}

// handOver asks the first member to hand over to the second, or to the best.
func (s *scenario) handOver(who []*node) {
	to := view.Nobody
	if len(who) > 1 {
		to = who[1].id
	}
	s.c.step(who[0], func(out *Output) {
		if err := who[0].m.Switch(s.c.now, to, out); err != nil {
			s.say(who[0].id.String(), "refused: "+err.Error())
		}
	})
}

// wire cuts or mends the way from the first member to the second; both ways unless
// oneway, on all links unless link= is given.
func (s *scenario) wire(cut bool, who []*node, options map[string]string) {
	link, _ := strconv.Atoi(options["link"])
	s.c.cut[[3]int{int(who[0].id), int(who[1].id), link}] = cut
	if _, one := options["oneway"]; !one {
		s.c.cut[[3]int{int(who[1].id), int(who[0].id), link}] = cut
	}
}

func (s *scenario) status() {
	for _, n := range s.c.nodes {
		if !n.up {
			s.say(n.id.String(), "= dead")
			continue
		}
		st := n.m.Status()
		what := fmt.Sprintf("= %v, epoch %d, active %v (%v)", st.Role, st.Epoch, st.Active.ID, st.Reason)
		for _, p := range st.Peers {
			what += fmt.Sprintf("; %v", p.Member)
			for _, flag := range []struct {
				set  bool
				name string
			}{{p.Alive, "alive"}, {p.Healthy, "healthy"}, {p.Synced, "synced"}, {p.HearsUs, "hears us"}, {p.Ready, "ready"}} {
				if flag.set {
					what += " " + flag.name
				}
			}
			for _, l := range p.Links {
				what += fmt.Sprintf(", link %d %s", l.Link, map[bool]string{true: "heard", false: "silent"}[l.Heard])
			}
		}
		s.say(n.id.String(), what)
	}
}

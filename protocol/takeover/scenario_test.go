package takeover

import (
	"fmt"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// TestScenarios runs the text files: each line of a scenario is an instruction, and
// the expectation is the transcript (milliseconds, who, what). -rewrite writes it anew.
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

// sentence tells a trace event in words.
func sentence(e trace.Event) string {
	return scenario.Sentence(e, func(v uint64) fmt.Stringer { return Reason(v) })
}

func (s *play) create(in *scenario.Instruction) {
	s.c = newCluster(s.t, []uint8{150, 100, 50}[:in.Number(s.t, "members", 2)]...)
	s.c.links = in.Number(s.t, "links", 1)
	s.c.preempt, s.c.remember = in.Has("preempt"), in.Has("remember")
	s.c.record = func(e trace.Event) { s.say(e.Node.String(), sentence(e)) }
	s.c.tell = func(n *node, what string) { s.say(n.id.String(), what) }
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
	case "start", "crash", "stop", "down", "up", "synced", "unsynced", "proven", "unproven":
		for _, n := range who {
			s.each(in.Verb, n)
		}
	case "pause":
		c.pause(who[0], scenario.Duration(s.t, in.Options["for"]))
	case "switch":
		s.handOver(who)
	case "cut", "mend":
		s.wire(in, who)
	case "service":
		for v, name := range verbNames {
			if text, there := in.Options[name]; there && text == "never" {
				who[0].service[Verb(v)] = -1
			} else if there {
				who[0].service[Verb(v)] = scenario.Duration(s.t, text)
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
		s.t.Fatalf("unknown instruction %q", in.Verb)
	}
}

func (s *play) each(verb string, n *node) {
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
func (s *play) handOver(who []*node) {
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
func (s *play) wire(in *scenario.Instruction, who []*node) {
	cut, link := in.Verb == "cut", in.Number(s.t, "link", 0)
	s.c.cut[[3]int{int(who[0].id), int(who[1].id), link}] = cut
	if !in.Has("oneway") {
		s.c.cut[[3]int{int(who[1].id), int(who[0].id), link}] = cut
	}
}

func (s *play) status() {
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

package cohort

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestScenarios plays the text files. A file is a story in steps: instructions, and after
// the line what they print, with times in milliseconds from the beginning of the step,
// rounded to ten. -rewrite writes that anew. Every story is judged by all judges of
// check/group, too.
//
//	group a b c w [witness=w] [votes=a:2,b:1] [partition=all] [engine=lamport] [state]
//	      [durable] [ballast=BYTES] [queue=BYTES] [held=BYTES] [window=PACKETS] [message_max=BYTES]
//	start a [cluster=other] [group=other] [engine=isis]      begins a life, which joins
//	multicast a causal total uniform "text"                  or BYTES instead of the text
//	flood a total count=1000 size=100 [every=1ms]            as fast as it is taken
//	crash a | pause a | resume a | throttle a | release a | leave a
//	wipe a | restart a                                       a's disk is lost; what a has in memory is not good
//	cut a b | oneway a b [cast|transfer|group|detect]        what a sends b, or both, is lost
//	split a b | c                                            who are on other sides cannot hear each other
//	heal
//	loss 20                                                  of a hundred frames so many are lost; 0: none
//	when a sends prepare 2 INSTRUCTION                       right after the second Prepare has left a
//	when a gets report 1 INSTRUCTION                         before a takes the first Report
//	record a | replay a                                      what a sends, again
//	garbage a b                                              senseless frames from b
//	run 500ms
//	show sequencer moved                                     tells events of this kind, too
//	log                                                      what was told since the last log
//	status | drops
//	calm                                                     no faults any more: at the end all must be well
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &scenario{t: t}
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string { return s.play(d.Input) })
		if broken := s.judged(); broken != "" {
			t.Error(broken)
		}
	})
}

// play carries out a step and gives what it prints.
func (s *scenario) play(step string) string {
	s.out.Reset()
	if s.story != nil {
		s.since = s.mesh.now
	}
	for _, line := range strings.Split(step, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			s.do(line)
		}
	}
	return s.out.String()
}

// judged ends the story and gives what a judge has found.
func (s *scenario) judged() string {
	if s.calm {
		s.hear(group.Fact{Kind: group.Ended})
	}
	if v := s.court.Verdict(); v != nil {
		return fmt.Sprintf("a promise is broken: %s, after %v: %s", v.Promise, v.At, v.Text)
	}
	return ""
}

type scenario struct {
	*story
	durable bool // every group is
	t       *testing.T
	out     strings.Builder
	calm    bool
}

var engines = map[string]order.Engine{"sequencer": order.Sequencer, "lamport": order.Lamport, "isis": order.ISIS}

// verbs are the frames that a story can wait for, by the channel and the number of
// docs/rfc.
var verbs = map[string]struct {
	channel wire.Channel
	number  byte
}{
	"pulse": {wire.Group, 1}, "prepare": {wire.Group, 2}, "report": {wire.Group, 3}, "fill": {wire.Group, 4}, "filled": {wire.Group, 5},
	"propose": {wire.Group, 6}, "accepted": {wire.Group, 7}, "commit": {wire.Group, 8},
	"packet": {wire.Cast, 1}, "ack": {wire.Cast, 2}, "nack": {wire.Cast, 3},
	"want": {wire.Transfer, 1}, "piece": {wire.Transfer, 2}, "sum": {wire.Transfer, 3},
}

// instruction is a line in its parts.
type instruction struct {
	line    string
	verb    string
	who     []*station
	rest    []string // words that are neither members nor options
	options map[string]string
}

func (s *scenario) parse(line string) *instruction {
	in := &instruction{line: line, options: map[string]string{}}
	if head, text, quoted := strings.Cut(line, `"`); quoted {
		line, in.options["text"] = head, strings.TrimSuffix(text, `"`)
	}
	for i, w := range strings.Fields(line) {
		name, value, option := strings.Cut(w, "=")
		member := -1
		if s.story != nil {
			member = slices.IndexFunc(s.mesh.names, func(c Candidate) bool { return c.Name == w })
		}
		switch {
		case i == 0:
			in.verb = w
		case option:
			in.options[name] = value
		case member >= 0:
			in.who = append(in.who, s.mesh.nodes[member])
		default:
			in.rest = append(in.rest, w)
		}
	}
	return in
}

// number reads an option that is a number, or gives what it is otherwise.
func (s *scenario) number(in *instruction, name string, otherwise int) int {
	if text := in.options[name]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			s.t.Fatalf("%s: %v", in.line, err)
		}
		return n
	}
	return otherwise
}

func (s *scenario) percent(in *instruction) int {
	n, err := strconv.Atoi(in.rest[0])
	if err != nil {
		s.t.Fatalf("%s: %v", in.line, err)
	}
	return n
}

func (s *scenario) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("%q is not a duration", text)
	}
	return d
}

func (s *scenario) do(line string) {
	in := s.parse(line)
	switch in.verb {
	case "group":
		s.create(in)
	case "run":
		s.mesh.run(s.duration(in.rest[0]))
	case "split":
		s.split(line)
	case "heal":
		clear(s.cut)
	case "loss":
		s.loss = s.percent(in)
	case "when":
		s.when(in)
	case "show":
		s.show(strings.Join(in.rest, " "))
	case "log":
		s.log()
	case "status":
		s.status()
	case "drops":
		s.dropped()
	case "calm":
		s.calm = true
		s.hear(group.Fact{Kind: group.Calmed})
	case "multicast", "flood":
		s.send(in)
	case "cut", "oneway":
		s.sever(in)
	case "garbage":
		s.garbage(in.who[0], in.who[1])
	default:
		for _, n := range in.who {
			s.each(in, n)
		}
	}
}

func (s *scenario) create(in *instruction) {
	var names []Candidate
	for i, name := range in.rest {
		if name == "state" || name == "durable" {
			continue
		}
		names = append(names, Candidate{ID: view.ID(i + 1), Name: name, Votes: 1, Witness: name == in.options["witness"]})
	}
	for _, pair := range strings.Split(in.options["votes"], ",") {
		name, votes, _ := strings.Cut(pair, ":")
		for i := range names {
			if n, err := strconv.Atoi(votes); names[i].Name == name && err == nil {
				names[i].Votes = uint8(n)
			}
		}
	}
	s.story = newStory(s.t, names, GroupConfig{
		Name: "g", All: in.options["partition"] == "all", Engine: engines[in.options["engine"]], Stateful: slices.Contains(in.rest, "state") || s.lasts(in), Durable: s.lasts(in),
		QueueMax: s.number(in, "queue", 0), HeldMax: s.number(in, "held", 0), Window: s.number(in, "window", 0), MessageMax: s.number(in, "message_max", 1<<20),
	})
	s.story.again = s.do
	for _, a := range s.apps {
		if a.disk != nil && s.durable {
			a.disk.has.Promise = 1
		}
		a.ballast = s.number(in, "ballast", 0)
	}
}

// each carries out what concerns one member.
func (s *scenario) each(in *instruction, n *station) {
	m, a := s.mesh, s.apps[n.id-1]
	switch in.verb {
	case "start":
		a.differs = in.options
		m.boot(int(n.id) - 1)
	case "crash":
		s.story.crash(n)
	case "restart":
		a.spoiled = true
		n.step(func(out *Output) { n.group.Restart(m.now, true, out) })
	case "wipe":
		*a.disk = disk{}
	case "pause":
		n.asleep = true
	case "resume":
		s.wake(n)
	case "throttle", "release":
		n.step(func(*Output) { n.group.Throttle(in.verb == "throttle") })
	case "leave":
		s.hear(group.Fact{Kind: group.Left, Node: n.life})
		n.step(func(out *Output) { n.group.Leave(m.now, out) })
	case "record":
		s.tapes[n.id] = []taped{}
	case "replay":
		tape := s.tapes[n.id]
		delete(s.tapes, n.id)
		for _, f := range tape {
			if to := m.nodes[f.to-1]; to.up {
				to.step(func(out *Output) { to.node.Receive(m.now, f.from, 1, f.frame, out) })
			}
		}
	default:
		s.t.Fatalf("unknown instruction %q", in.line)
	}
}

func (s *scenario) send(in *instruction) {
	var o order.Order
	payload := []byte(in.options["text"])
	for _, w := range in.rest {
		switch w {
		case "fifo":
			o |= order.FIFO
		case "causal":
			o |= order.Causal
		case "total":
			o |= order.Total
		case "uniform":
			o |= order.Uniform
		case "unordered":
		default:
			size, err := strconv.Atoi(w)
			if err != nil {
				s.t.Fatalf("%s: what is %q?", in.line, w)
			}
			payload = append([]byte(floods), make([]byte, size-len(floods))...)
		}
	}
	for _, n := range in.who {
		a := s.apps[n.id-1]
		if in.verb == "flood" {
			every, _ := time.ParseDuration(in.options["every"])
			a.flood(o, s.number(in, "count", 1000), s.number(in, "size", 100), every)
		} else if !a.multicast(o, payload) {
			a.tell("its message is not taken")
		}
	}
}

func (s *scenario) sever(in *instruction) {
	channel := wire.Channel(0)
	if len(in.rest) > 0 {
		channel = map[string]wire.Channel{"detect": wire.Detect, "group": wire.Group, "cast": wire.Cast, "transfer": wire.Transfer}[in.rest[0]]
	}
	s.cut[way{in.who[0].id, in.who[1].id, channel}] = true
	if in.verb == "cut" {
		s.cut[way{in.who[1].id, in.who[0].id, channel}] = true
	}
}

// split cuts members on different sides of a bar from each other.
func (s *scenario) split(line string) {
	var sides [][]*station
	for _, side := range strings.Split(strings.TrimPrefix(line, "split"), "|") {
		sides = append(sides, s.parse("split "+side).who)
	}
	for i := range sides {
		for k := range sides {
			for _, x := range sides[i] {
				for _, y := range sides[k] {
					s.cut[way{x.id, y.id, 0}] = s.cut[way{x.id, y.id, 0}] || i != k
				}
			}
		}
	}
}

func (s *scenario) when(in *instruction) {
	words := strings.Fields(in.line)
	verb, known := verbs[words[3]]
	count, err := strconv.Atoi(words[4])
	if !known || err != nil {
		s.t.Fatalf("%s: what is waited for?", in.line)
	}
	s.watches = append(s.watches, &watch{
		who: in.who[0].id, gets: words[2] == "gets", channel: verb.channel, verb: verb.number, left: count, do: strings.Join(words[5:], " "),
	})
}

func (s *scenario) show(name string) {
	for k := range trace.KindCount {
		if kind := trace.Kind(k); kind.String() == name || name == "all" {
			s.shown[kind] = true
		}
	}
}

// garbage are frames of every channel that a member might be sent by one that has gone mad,
// or by another program.
func (s *scenario) garbage(to, from *station) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 2000 {
		b := wire.Begin(nil, wire.Header{Channel: wire.Channel(3 + i%5), Fingerprint: 1})
		for range rng.IntN(60) {
			b = append(b, byte(rng.Uint32()))
		}
		wire.Finish(b)
		if i%7 == 0 {
			b = b[wire.HeaderSize:]
		}
		to.step(func(out *Output) { to.node.Receive(s.mesh.now, from.life, 1, b, out) })
	}
}

// log prints what was told, member by member.
func (s *scenario) log() {
	slices.SortStableFunc(s.told, func(a, b telling) int { return int(a.who) - int(b.who) })
	for _, l := range s.told {
		text := l.text
		if l.first != 0 {
			text = fmt.Sprintf("messages %d to %d from %s, %s", l.first, l.last, s.name(l.from), l.order)
			if l.first == l.last {
				text = fmt.Sprintf("message %d from %s, %s", l.first, s.name(l.from), l.order)
			}
		}
		fmt.Fprintf(&s.out, "%s %5d  %s\n", s.mesh.names[l.who-1].Name, l.at.Sub(s.since).Round(10*time.Millisecond).Milliseconds(), text)
	}
	if len(s.told) == 0 {
		s.out.WriteString("nothing\n")
	}
	s.told = nil
}

func (s *scenario) status() {
	for _, n := range s.mesh.nodes {
		name := s.mesh.names[n.id-1].Name
		if !n.up {
			fmt.Fprintf(&s.out, "%s is down\n", name)
			continue
		}
		st := n.group.members.Status(s.mesh.now)
		where := "in no view"
		if st.View != nil {
			where = fmt.Sprintf("in view %d", st.View.Name.Epoch)
		}
		fmt.Fprintf(&s.out, "%s %s", name, where)
		for _, word := range []struct {
			on   bool
			text string
		}{{st.Frozen, ", changing"}, {st.Blocked, ", blocked"}} {
			if word.on {
				s.out.WriteString(word.text)
			}
		}
		fmt.Fprintf(&s.out, ", hears %d votes and needs %d\n", st.Votes, st.Needed)
	}
}

// dropped prints what was dropped, and why.
func (s *scenario) dropped() {
	var lines []string
	for k := range s.drops {
		lines = append(lines, fmt.Sprintf("%s has dropped frames: %s\n", k[0], k[1]))
	}
	slices.Sort(lines)
	s.out.WriteString(strings.Join(lines, ""))
	clear(s.drops)
}

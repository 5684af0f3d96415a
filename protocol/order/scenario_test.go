package order

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestScenarios runs the text files. Each line is an instruction, the expectation is what the members then do.
// Every record is one packet, so packet n of a stream is its n-th record. -rewrite writes it anew.
//
//	group members=3 engine=sequencer witness=2 span=4
//	send m1 causal total [times=3]   m1 multicasts
//	carry m1 m2 [3 | all]            the next records of m1's stream reach m2
//	early m1 m2 3                    the third record of m1's stream reaches m2, beyond a gap
//	calm m1 m2                       everything among these members reaches them
//	agree m1 m2 3                    m1 learns that enough members hold m2's stream up to packet 3
//	held m1, released m1, close m1, stall m1, stall m1 off
func TestScenarios(t *testing.T) {
	scenario.Play(t, func(t *testing.T, lines *scenario.Transcript) func(string) {
		p := &play{t: t, lines: lines}
		return func(line string) { p.do(strings.Fields(line)) }
	})
}

// play is one file being played.
type play struct {
	t     *testing.T
	c     *mesh
	lines *scenario.Transcript
}

func (s *play) say(format string, args ...any) { fmt.Fprintf(s.lines, format+"\n", args...) }

func (s *play) group(options []string) {
	value := map[string]string{}
	for _, o := range options {
		name, v, _ := strings.Cut(o, "=")
		value[name] = v
	}
	members, _ := strconv.Atoi(value["members"])
	var engine Engine
	for engine.String() != value["engine"] {
		engine++
	}
	s.c = newMesh(s.t, rand.New(rand.NewPCG(1, 1)), engine, members, 0)
	if w, _ := strconv.Atoi(value["witness"]); w > 0 {
		s.c.view.Seats[w-1].Witness = true
	}
	for _, n := range s.c.nodes {
		n.witness = s.c.view.Seats[n.rank].Witness
		n.m.Install(s.c.now, s.c.view)
		if n.m.span = moveSpan; value["span"] != "" {
			n.m.span, _ = strconv.Atoi(value["span"])
		}
	}
}

func (s *play) do(words []string) {
	if words[0] == "group" {
		s.group(words[1:])
		return
	}
	var who []*node
	var rest []string
	for _, w := range words[1:] {
		if id, err := strconv.Atoi(strings.TrimPrefix(w, "m")); err == nil && w[0] == 'm' {
			who = append(who, s.c.nodes[id-1])
		} else {
			rest = append(rest, w)
		}
	}
	number := 1
	if len(rest) > 0 {
		number, _ = strconv.Atoi(strings.TrimPrefix(rest[len(rest)-1], "times="))
	}
	n := who[0]
	switch words[0] {
	case "send":
		s.send(n, rest)
	case "carry":
		for ; (number > 0 || rest != nil && rest[0] == "all") && who[1].have[n.rank] < len(n.sent); number-- {
			s.hand(who[1], n, who[1].have[n.rank], false)
		}
		s.step(who[1])
	case "early":
		s.hand(who[1], n, number-1, true)
		s.step(who[1])
	case "calm":
		s.calm(who)
	case "agree":
		n.m.Agreed(who[1].rank, uint64(number))
		s.step(n)
	case "held":
		s.held(n)
	case "released":
		for rank := range s.c.nodes {
			s.say("m%d has released m%d's up to packet %d", n.rank+1, rank+1, n.m.Released(rank))
		}
	case "stall":
		n.m.Stall(rest == nil)
		s.step(n)
	case "close":
		n.m.Close(s.c.now, &n.out)
		s.tell(n)
	default:
		s.t.Fatalf("unknown instruction %q", words)
	}
}

func (s *play) send(n *node, rest []string) {
	o, times := Order(0), 1
	for _, w := range rest {
		switch {
		case strings.HasPrefix(w, "times="):
			times, _ = strconv.Atoi(w[len("times="):])
		default:
			o |= map[string]Order{"fifo": FIFO, "causal": Causal, "total": Total, "uniform": Uniform}[w]
		}
	}
	for range times {
		n.casts = append(n.casts, cast{})
		number := uint64(len(n.casts))
		s.submit(n, n.m.Encode(nil, o, number, nil))
	}
	s.step(n)
}

func (s *play) submit(n *node, data []byte) {
	at := uint64(len(n.sent) + 1)
	n.sent = append(n.sent, record{first: at, last: at, data: append([]byte(nil), data...)})
	s.hand(n, n, len(n.sent)-1, false)
	s.say("m%d: packet %d is %s", n.rank+1, at, s.describe(n.sent[at-1].data))
}

func (s *play) hand(n, from *node, at int, early bool) {
	if !early {
		n.have[from.rank]++
	}
	if r := from.sent[at]; !n.early[from.rank][at] {
		n.early[from.rank][at] = early
		n.m.Receive(s.c.now, from.rank, r.first, r.last, early, r.data, nil, &n.out)
		s.tell(n)
	}
}

func (s *play) step(n *node) {
	for {
		n.m.Step(s.c.now, &n.out)
		records := make([][]byte, len(n.out.Submit))
		for i, r := range n.out.Submit {
			records[i] = append([]byte(nil), r...)
		}
		s.tell(n)
		if len(records) == 0 {
			return
		}
		for _, r := range records {
			s.submit(n, r)
		}
	}
}

func (s *play) tell(n *node) {
	for _, d := range n.out.Deliver {
		s.say("m%d delivers m%d/%d (%v)", n.rank+1, d.Rank+1, d.Number, d.Order)
	}
	n.out.Reset()
}

func (s *play) calm(who []*node) {
	for busy := true; busy; {
		busy = false
		for _, n := range who {
			for _, from := range who {
				for ; n.have[from.rank] < len(from.sent); busy = true {
					s.hand(n, from, n.have[from.rank], false)
				}
			}
			s.step(n)
		}
	}
}

func (s *play) held(n *node) {
	count := 0
	n.m.Held(func(h Held) bool {
		count++
		text := fmt.Sprintf("m%d holds %v/%d (%v): %v, waits for %v", n.rank+1, h.From.ID, h.Number, h.Order, h.Reason, h.For)
		if h.Message > 0 {
			text += fmt.Sprintf("/%d", h.Message)
		}
		s.say("%s", text)
		return true
	})
	if count == 0 {
		s.say("m%d holds nothing", n.rank+1)
	}
}

// describe gives a record in words.
func (s *play) describe(data []byte) string {
	r := wire.NewReader(data)
	head := r.U8()
	text := ""
	switch kind(head >> 4) {
	case message:
		text = fmt.Sprintf("message %d (%v)", r.Uvarint(), Order(head&0x0f))
		if o := Order(head & 0x0f); o&Total != 0 && s.c.nodes[0].m.cfg.Engine == Lamport {
			text += fmt.Sprintf(" with stamp %d", r.Uvarint())
		}
		if head&byte(causal) != 0 {
			for range r.U8() {
				text += fmt.Sprintf(" after %[2]d more of m%[1]d", r.U8()+1, r.Uvarint())
			}
		}
	case numbers:
		for text = "numbers:"; r.Len() > 0; {
			text += fmt.Sprintf(" next %[2]d of m%[1]d", r.U8()+1, r.Uvarint())
		}
	case handover:
		text = fmt.Sprintf("handover: m%d numbers from here on", r.U8()+1)
	case stamp:
		text = fmt.Sprintf("clock: %d", r.Uvarint())
	case proposals:
		for text = "proposals:"; r.Len() > 0; {
			text += fmt.Sprintf(" for the next %[2]d of m%[1]d from %[3]d", r.U8()+1, r.Uvarint(), r.Uvarint())
		}
	}
	return text
}

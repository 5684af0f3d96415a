package replicated

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestStories runs the text files: members of one style on a group that is a list of messages, of
// which each member has come to some place; what a view change does is done by hand.
func TestStories(t *testing.T) {
	scenario.Play(t, func(t *testing.T, lines *scenario.Transcript) func(string) {
		return (&story{t: t, lines: lines, now: time.Unix(1000, 0)}).do
	})
}

// counter is a service: a number that is added to.
type counter struct{ value uint64 }

func (c *counter) Apply(cmd session.Command, reply []byte) []byte {
	if len(cmd.Body) == 8 {
		c.value += binary.BigEndian.Uint64(cmd.Body)
	}
	return binary.BigEndian.AppendUint64(reply, c.value)
}
func (c *counter) Ended(time.Duration, session.ID) {}
func (c *counter) Passed(time.Duration)            {}
func (c *counter) Next() time.Duration             { return 0 }
func (c *counter) Digest() uint64                  { return c.value }
func (c *counter) Snapshot(w io.Writer) error      { return binary.Write(w, binary.BigEndian, c.value) }
func (c *counter) Restore(r io.Reader) error       { return binary.Read(r, binary.BigEndian, &c.value) }

// tolerance takes numbers as the same that are apart by so much, and the middle one of them.
type tolerance uint64

func (n tolerance) Same(a, b []byte) bool {
	x, y := binary.BigEndian.Uint64(a), binary.BigEndian.Uint64(b)
	return max(x, y)-min(x, y) <= uint64(n)
}

func (n tolerance) Choose(dst []byte, bodies [][]byte) []byte {
	all := slices.Clone(bodies)
	slices.SortFunc(all, bytes.Compare)
	return append(dst, all[len(all)/2]...)
}

type sent struct {
	from view.Member
	data []byte
}

type actor struct {
	self    view.Member
	service *counter
	machine Machine
	out     replica.Output
	at      int // of the messages of the view
	live    bool
	in      bool // the view
	full    bool // nothing leaves at once

	refuse func(message []byte) bool // by the group; nil: it takes all
}

type story struct {
	t        testing.TB
	lines    *scenario.Transcript
	now      time.Time
	cfg      Config
	actors   []*actor
	view     *view.View
	messages []sent
	sessions map[int]session.ID
}

func (s *story) say(who view.ID, format string, args ...any) {
	fmt.Fprintf(s.lines, "%-3v %s\n", who, fmt.Sprintf(format, args...))
}

func (s *story) do(line string) {
	in := scenario.Parse(line)
	if in.Verb == "group" {
		s.create(&in)
		return
	}
	fmt.Fprintf(s.lines, "> %s\n", line)
	who := s.actors
	if len(in.Members) > 0 {
		who = nil
		for _, id := range in.Members {
			who = append(who, s.actors[id-1])
		}
	}
	switch in.Verb {
	case "view":
		s.change(in.Members)
	case "open":
		s.submit(who[0], session.Request{Verb: session.Open, Nonce: uint64(in.Number(s.t, "client", 1)), Lease: time.Minute}, &in)
	case "call":
		c := in.Number(s.t, "client", 1)
		s.submit(who[0], session.Request{
			Verb: session.Call, How: session.ExactlyOnce, Session: s.sessions[c], Nonce: uint64(c), Number: uint64(in.Number(s.t, "number", 1)),
			Body: binary.BigEndian.AppendUint64(nil, uint64(in.Number(s.t, "add", 1))),
		}, &in)
	case "deliver":
		s.deliver(who, in.Has("once"))
	default:
		for _, a := range who {
			s.each(in.Verb, a, &in)
		}
	}
}

func (s *story) each(verb string, a *actor, in *scenario.Instruction) {
	switch verb {
	case "crash":
		a.live, a.in = false, false
	case "expel":
		a.in = false
		a.machine.Out()
	case "flip":
		a.service.value += uint64(in.Number(s.t, "by", 1000))
	case "full", "room":
		a.full = verb == "full"
		s.act(a)
	case "state":
		if a.live {
			s.say(a.self.ID, "has %d, and %d commands, %d for good", a.service.value, a.machine.Executor().Index(), a.machine.Settled())
		}
	default:
		s.t.Fatalf("there is no verb %q", verb)
	}
}

func (s *story) create(in *scenario.Instruction) {
	for style := range styleCount {
		if in.Has("style") && in.Options["style"] == style.String() {
			s.cfg.Style = style
		}
	}
	s.cfg.Voters = in.Number(s.t, "voters", 0)
	if in.Has("tolerance") {
		s.cfg.Comparer = tolerance(in.Number(s.t, "tolerance", 0))
	}
	s.sessions = map[int]session.ID{}
	var all []view.ID
	for i := range in.Number(s.t, "members", 3) {
		s.actors = append(s.actors, &actor{self: view.Member{ID: view.ID(i + 1)}})
		all = append(all, view.ID(i+1))
	}
	s.change(all)
}

func (s *story) boot(a *actor) {
	a.self.Incarnation++
	a.service = &counter{}
	cfg := s.cfg
	cfg.Self, cfg.Executor = a.self, session.NewExecutor(a.service)
	var err error
	if a.machine, err = cfg.machine(0); err != nil {
		s.t.Fatal(err)
	}
	a.live, a.out = true, replica.Output{}
}

// change ends the view as view synchrony wants it and begins another; who was not in it is given the
// state by the first.
func (s *story) change(ids []view.ID) {
	end := 0
	for _, a := range s.actors {
		if a.in && slices.Contains(ids, a.self.ID) {
			end = max(end, a.at)
			for i, m := range s.messages {
				if m.from == a.self {
					end = max(end, i+1)
				}
			}
		}
	}
	stays := map[*actor]bool{}
	for _, a := range s.actors {
		if stays[a] = a.in && slices.Contains(ids, a.self.ID); !stays[a] {
			if a.in {
				a.in = false
				a.machine.Out()
			}
			continue
		}
		full := a.full
		for a.full = true; a.at < end; { // nothing new leaves
			s.one(a)
		}
		a.full = full
	}
	s.messages = nil
	epoch := view.Epoch(1)
	if s.view != nil {
		epoch = s.view.Name.Epoch + 1
	}
	s.view = &view.View{Name: view.Name{Epoch: epoch}}
	for _, id := range ids {
		a := s.actors[id-1]
		if !a.live {
			s.boot(a)
		}
		s.view.Seats = append(s.view.Seats, view.Seat{Member: a.self, Votes: 1})
	}
	var state bytes.Buffer
	for i, id := range ids {
		a := s.actors[id-1]
		if i > 0 && !stays[a] {
			if state.Len() == 0 {
				s.say(id, "is given no state")
				continue
			}
			if err := a.machine.Restore(s.now, bytes.NewReader(state.Bytes())); err != nil {
				s.t.Fatal(err)
			}
		}
		a.in, a.at = true, 0
		a.machine.Viewed(s.now, s.view, &a.out)
		if i == 0 {
			if err := a.machine.Snapshot(&state); err != nil {
				s.say(id, "gives no state: %v", err)
			}
		}
	}
	for _, id := range ids {
		s.act(s.actors[id-1])
	}
}

func (s *story) submit(a *actor, r session.Request, in *scenario.Instruction) {
	connection := in.Number(s.t, "over", in.Number(s.t, "client", 1))
	a.machine.Submit(s.now, replica.Client(connection), r.Append(nil), &a.out)
	if a.out.Repeats > 0 {
		s.say(a.self.ID, "has it under way")
	}
	s.act(a)
}

// one delivers one message to a member.
func (s *story) one(a *actor) {
	m := s.messages[a.at]
	a.at++
	a.machine.Delivered(s.now, m.from, m.data, &a.out)
	s.act(a)
}

// deliver delivers to some members all that there is, and what that leads to unless once.
func (s *story) deliver(who []*actor, once bool) {
	end := len(s.messages)
	for more := true; more; {
		more = false
		for _, a := range who {
			for a.in && a.at < len(s.messages) && (!once || a.at < end) {
				s.one(a)
				more = true
			}
		}
	}
}

// act carries out what a member has put out.
func (s *story) act(a *actor) {
	for {
		for i, m := range a.out.Multicast {
			if a.refuse != nil && a.refuse(m.Data) {
				a.machine.Unsent(s.now, len(a.out.Multicast)-i, &a.out)
				continue
			}
			s.messages = append(s.messages, sent{a.self, bytes.Clone(m.Data)})
		}
		a.out.Sent()
		if a.full || !a.in || a.machine.Next() == 0 {
			break
		}
		a.machine.Proceed(s.now, &a.out)
	}
	for _, r := range a.out.Replies {
		s.answered(a, r)
	}
	for _, c := range a.out.Do {
		switch c.Verb {
		case replica.Restart:
			s.say(a.self.ID, "begins anew")
			a.machine.Out()
			a.in = false
		case replica.Diverged:
			s.say(a.self.ID, "says that %v diverged at command %d, certain: %v", c.Members, c.Index, c.Sure)
		case replica.Halted:
			s.say(a.self.ID, "stops: %v differ at command %d", c.Members, c.Index)
		}
	}
	a.out.Reset()
}

func (s *story) answered(a *actor, r replica.Reply) {
	p, why := session.ParseReply(r.Data)
	if why != wire.OK {
		s.t.Fatalf("%v answers nonsense: %v", a.self, why)
	}
	text := p.Status.String()
	switch {
	case p.Status == session.OK && len(p.Body) == 8:
		text += " " + strconv.FormatUint(binary.BigEndian.Uint64(p.Body), 10)
	case p.Status == session.OK:
		s.sessions[int(p.Nonce)] = p.Session
	case p.Server != view.Nobody:
		text += fmt.Sprintf(", ask %v", p.Server)
	}
	s.say(a.self.ID, "answers client %d: %s", r.To, text)
}

// TestStyleIsAgreed: what a group's members must agree on has the style in it.
func TestStyleIsAgreed(t *testing.T) {
	cfg := cohort.NodeConfig{
		Self: view.Member{ID: 1, Incarnation: 1}, Links: 1, Heartbeat: time.Second, SuspectAfter: 5 * time.Second,
		Candidates: []cohort.Candidate{{ID: 1, Name: "a", Votes: 1}, {ID: 2, Name: "b", Votes: 1}},
	}
	terms := map[string]bool{}
	for style := range styleCount {
		node, err := cohort.New(cfg, newRand())
		if err != nil {
			t.Fatal(err)
		}
		r, err := Join(time.Unix(1000, 0), node, Config{
			Self: cfg.Self, Group: cohort.GroupConfig{Name: "s"}, Executor: session.NewExecutor(&counter{}), Style: style,
		}, &cohort.Output{})
		if err != nil {
			t.Fatal(err)
		}
		terms[r.Group().Terms()] = true
	}
	if len(terms) != int(styleCount) {
		t.Errorf("styles are not told apart: %v", terms)
	}
	node, _ := cohort.New(cfg, newRand())
	if _, err := Join(time.Unix(1000, 0), node, Config{Self: cfg.Self, Group: cohort.GroupConfig{Name: "s"}, Style: 9}, &cohort.Output{}); err == nil {
		t.Error("style 9 is taken")
	}
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

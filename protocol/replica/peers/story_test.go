package peers

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// TestStories runs the text files: members of a group that is a list of messages, of which each member has come to some
// place; what a view change does is done by hand. Tokens and sessions are told as what they are above the first founding's number.
func TestStories(t *testing.T) {
	scenario.Play(t, func(t *testing.T, lines *scenario.Transcript) func(string) {
		return (&story{t: t, lines: lines, begun: start, now: start}).do
	})
}

var start = time.Unix(1000, 0)

type sent struct {
	from view.Member
	data []byte
}

type actor struct {
	self    view.Member
	machine *Machine
	out     Output
	at      int // of the messages of the view
	in      bool
	asked   map[uint64]string
	calls   uint64
}

type story struct {
	t          testing.TB
	lines      *scenario.Transcript
	begun, now time.Time
	lease      time.Duration
	actors     []*actor
	epoch      view.Epoch
	messages   []sent
	base       uint64
}

func (s *story) say(a *actor, format string, args ...any) {
	s.lines.Say(s.now.Sub(s.begun), a.self.ID.String(), fmt.Sprintf(format, args...))
}

func (s *story) do(line string) {
	in := scenario.Parse(line)
	if in.Verb == "group" {
		s.lease = time.Duration(in.Number(s.t, "lease", 1000)) * time.Millisecond
		for i := range in.Number(s.t, "members", 3) {
			s.actors = append(s.actors, &actor{self: view.Member{ID: view.ID(i + 1)}})
		}
		for _, a := range s.actors {
			s.boot(a, s.lease)
		}
		return
	}
	fmt.Fprintf(s.lines, "> %s\n", line)
	var who []*actor
	for _, id := range in.Members {
		who = append(who, s.actors[id-1])
	}
	name := in.Options["lock"]
	for _, a := range who {
		switch in.Verb {
		case "boot":
			s.boot(a, time.Duration(in.Number(s.t, "lease", int(s.lease.Milliseconds())))*time.Millisecond)
		case "expel":
			a.in = false
			a.machine.Out(s.now, &a.out)
		case "enter":
			q := lock.Request{Kind: lock.Enter, Name: name, Order: lock.Strict}
			if in.Has("shared") {
				q.Mode = lock.Shared
			}
			s.ask(a, &q)
		case "leave":
			s.ask(a, &lock.Request{Kind: lock.Leave, Name: name, Number: s.base + uint64(in.Number(s.t, "token", 0))})
		case "close":
			a.machine.Close(s.now, &a.out)
		}
		s.tell(a)
	}
	switch in.Verb {
	case "view":
		s.change(in.Members, view.Epoch(in.Number(s.t, "epoch", int(s.epoch)+1)))
	case "deliver":
		s.deliver(who)
	case "pass":
		s.pass(time.Duration(in.Number(s.t, "ms", 0)) * time.Millisecond)
	}
}

func (s *story) boot(a *actor, lease time.Duration) {
	var seats []view.Seat
	for i := range s.actors {
		seats = append(seats, view.Seat{Member: view.Member{ID: view.ID(i + 1)}, Votes: 1})
	}
	a.self.Incarnation = view.Incarnation(s.now.UnixNano()) + view.Incarnation(a.self.ID)
	var err error
	a.machine, err = New(s.now, Config{Self: a.self, Seats: seats, Lease: lease, New: func(floor uint64, window time.Duration) Service {
		l, err := lock.New(lock.Config{Floor: floor, Window: window})
		if err != nil {
			s.t.Fatal(err)
		}
		return l
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	a.in, a.out, a.asked = false, Output{}, map[uint64]string{}
}

func (s *story) ask(a *actor, q *lock.Request) {
	a.calls++
	a.asked[a.calls] = q.Name
	a.machine.Submit(s.now, a.calls, q.Append(nil), &a.out)
}

// change begins a view. What was multicast in the one before is delivered to those who stay; who was not in it is given the
// state by the first.
func (s *story) change(ids []view.ID, epoch view.Epoch) {
	var former []view.Member
	var stay []*actor
	for _, id := range ids {
		if a := s.actors[id-1]; a.in {
			former, stay = append(former, a.self), append(stay, a)
		}
	}
	s.deliver(stay)
	s.epoch, s.messages = epoch, nil
	v := &view.View{Name: view.Name{Epoch: epoch}}
	for _, id := range ids {
		v.Seats = append(v.Seats, view.Seat{Member: s.actors[id-1].self, Votes: 1})
	}
	for i, id := range ids {
		a := s.actors[id-1]
		if !a.in && i > 0 && len(stay) > 0 {
			var state bytes.Buffer
			if err := s.actors[ids[0]-1].machine.Snapshot(&state); err != nil {
				s.t.Fatal(err)
			}
			if err := a.machine.Restore(s.now, &state, &a.out); err != nil {
				s.t.Fatal(err)
			}
		}
		mates := former
		if len(stay) > 0 && !a.in {
			mates = nil
		}
		a.at = 0
		a.machine.Viewed(s.now, v, mates, &a.out)
	}
	for _, a := range s.actors {
		a.in = false // who is not told is cut off
	}
	for _, id := range ids {
		s.actors[id-1].in = true
		s.tell(s.actors[id-1])
	}
}

// deliver delivers what was multicast to these members, or to all in the view.
func (s *story) deliver(who []*actor) {
	if len(who) == 0 {
		who = s.actors
	}
	for more := true; more; {
		more = false
		for _, a := range who {
			for a.in && a.at < len(s.messages) {
				m := s.messages[a.at]
				a.at++
				more = true
				a.machine.Delivered(s.now, m.from, m.data, &a.out)
				s.tell(a)
			}
		}
	}
}

// pass lets time pass, and delivers at once what is multicast meanwhile.
func (s *story) pass(d time.Duration) {
	for end := s.now.Add(d); ; {
		next := end
		for _, a := range s.actors {
			if d := a.machine.Deadline(); !d.IsZero() && d.Before(next) {
				next = d
			}
		}
		if next.After(s.now) {
			s.now = next
		}
		for _, a := range s.actors {
			a.machine.Tick(s.now, &a.out)
			s.tell(a)
		}
		s.deliver(nil)
		if !s.now.Before(end) {
			return
		}
	}
}

// above is a number above that of the first founding.
func (s *story) above(n uint64) string {
	if n > s.base+1e6 {
		return "of a later founding"
	}
	return fmt.Sprint(n - s.base)
}

// tell says what a machine has put out.
func (s *story) tell(a *actor) {
	if s.base == 0 && a.machine.Floor() != 0 {
		s.base = a.machine.Floor()
	}
	for _, m := range a.out.Multicast {
		if a.in {
			s.messages = append(s.messages, sent{a.self, slices.Clone(m)})
		}
	}
	for _, e := range a.out.Events {
		s.say(a, "%s", [...]string{SessionBegan: "has a session", SessionEnded: "believes in nothing of its session any more", Shut: "is out"}[e])
	}
	for i := range a.out.Results {
		r := &a.out.Results[i]
		s.say(a, "%s: %s", a.asked[r.Call], s.result(r))
	}
	for _, b := range a.out.Notices {
		n, err := lock.ParseNotice(b)
		if err != nil {
			s.t.Fatal(err)
		}
		s.say(a, "%s: is told that it has it, with token %s", n.Name, s.above(n.Number))
	}
	a.out.Reset()
}

func (s *story) result(r *Result) string {
	switch r.Cause {
	case Ended:
		return "its session is over"
	case OtherLease:
		return fmt.Sprintf("the others have a lease of %v", r.Lease)
	case Closed:
		return "it is closed"
	}
	p, err := lock.ParseReply(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	switch p.Status {
	case lock.Granted:
		return "has it, with token " + s.above(p.Number)
	case lock.Queued:
		return fmt.Sprintf("waits, place %d", p.Place)
	}
	return p.Status.String()
}

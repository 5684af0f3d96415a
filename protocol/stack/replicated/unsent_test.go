package replicated

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// TestWhatIsNotTakenIsSaidLater: members whose group has no room for what they have to say of states that differ
// find out all the same who has diverged.
func TestWhatIsNotTakenIsSaidLater(t *testing.T) {
	for _, style := range []Style{Active, Passive} {
		for kind := byte(2); kind <= 4; kind++ { // all that are not commands, of either
			s := begun(t, style)
			refused := 0
			for _, a := range s.actors {
				some := 0
				a.refuse = func(message []byte) bool {
					if message[0] != kind || some == 2 {
						return false
					}
					some, refused = some+1, refused+1
					return true
				}
			}
			s.do("flip m3")
			for n := range 10 {
				r := session.Request{
					Verb: session.Call, How: session.ExactlyOnce, Session: s.sessions[1], Nonce: 1, Number: uint64(n + 2),
					Body: binary.BigEndian.AppendUint64(nil, 1),
				}
				s.actors[0].machine.Submit(s.now, 1, r.Append(nil), &s.actors[0].out)
				s.act(s.actors[0])
				s.deliver(s.actors, false)
				s.now = s.now.Add(time.Second)
				for _, a := range s.actors {
					if a.in {
						a.machine.Tick(s.now, &a.out)
						s.act(a)
					}
				}
				s.deliver(s.actors, false)
			}
			if said := s.lines.String(); !strings.Contains(said, "[m3#1] diverged") || !strings.Contains(said, "m3  begins anew") {
				t.Errorf("%v, messages of kind %d, of which %d were refused: nobody says that m3 has diverged:\n%s", style, kind, refused, said)
			}
		}
	}
}

// TestAClientIsToldWhatIsNotTaken: at once, and by a primary that has executed it already it is not answered.
func TestAClientIsToldWhatIsNotTaken(t *testing.T) {
	for style, want := range map[Style]string{Active: "answers client 1: busy", Voted: "answers client 1: busy", Passive: "begins anew"} {
		s := begun(t, style)
		s.actors[0].refuse = func([]byte) bool { return true }
		s.do("call m1 number=2")
		if said := s.lines.String(); !strings.Contains(said, want) {
			t.Errorf("%v: %q is not said:\n%s", style, want, said)
		}
	}
}

// TestAGroupOfShortMessagesIsRefused: in which members that differ could not tell each other how.
func TestAGroupOfShortMessagesIsRefused(t *testing.T) {
	node, err := cohort.New(cohort.NodeConfig{
		Self: view.Member{ID: 1, Incarnation: 1}, Links: 1, Heartbeat: time.Second, SuspectAfter: 5 * time.Second,
		Candidates: []cohort.Candidate{{ID: 1, Name: "a", Votes: 1}, {ID: 2, Name: "b", Votes: 1}},
	}, newRand())
	if err != nil {
		t.Fatal(err)
	}
	for most, fits := range map[int]bool{1: false, replica.MessageMin - 1: false, replica.MessageMin: true} {
		_, err := Join(time.Unix(1000, 0), node, Config{
			Self: view.Member{ID: 1, Incarnation: 1}, Group: cohort.GroupConfig{Name: "short", MessageMax: most}, Executor: session.NewExecutor(&counter{}),
		}, &cohort.Output{})
		if fits != (err == nil) {
			t.Errorf("messages of %d bytes: %v", most, err)
		}
	}
}

// TestALongRequestIsRefused: one that no member could multicast is told so, and is not asked for again and again.
func TestALongRequestIsRefused(t *testing.T) {
	for style := range styleCount {
		r := joined(t, Config{Executor: session.NewExecutor(&counter{}), Style: style, Group: cohort.GroupConfig{MessageMax: replica.MessageMin}})
		request := session.Request{Verb: session.Call, How: session.Maybe, Body: make([]byte, replica.MessageMin)}
		r.Submit(time.Unix(1000, 0), 1, request.Append(nil))
		if out := r.Output(); len(out.Replies) != 1 || session.Status(out.Replies[0].Data[1]) != session.Refused {
			t.Errorf("%v: %+v", style, out.Replies)
		}
	}
}

// joined is a replica of the second of three members.
func joined(t *testing.T, cfg Config) *Replica {
	t.Helper()
	self := view.Member{ID: 2, Incarnation: 1}
	node, err := cohort.New(cohort.NodeConfig{
		Self: self, Links: 1, Heartbeat: time.Second, SuspectAfter: 5 * time.Second,
		Candidates: []cohort.Candidate{{ID: 1, Name: "a", Votes: 1}, {ID: 2, Name: "b", Votes: 1}, {ID: 3, Name: "c", Votes: 1}},
	}, newRand())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Self, cfg.Group.Name = self, "s"
	var out cohort.Output
	node.Start(time.Unix(1000, 0), &out)
	r, err := Join(time.Unix(1000, 0), node, cfg, &out)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

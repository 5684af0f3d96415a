package group

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// answers gives what a member sends to another at once because of a payload, by verb, and
// whether it dropped it.
func answers(n *net, x *node, from view.Member, payload []byte) (said []verb, dropped bool) {
	x.m.cfg.Recorder = trace.RecorderFunc(func(e trace.Event) { dropped = dropped || e.Kind == trace.Dropped })
	var out Output
	x.m.Receive(n.now, from, payload, &out)
	for _, e := range out.Send {
		if _, p, _ := wire.Open(e.Frame); verb(p[4]) != verbPulse && e.To == from.ID {
			said = append(said, verb(p[4]))
		}
	}
	for _, c := range out.Do {
		if c.Verb == Freeze {
			said = append(said, verbReport) // what Frozen will send
		}
	}
	return said, dropped
}

// What a member of a view answers to frames that are late, early, or not for it. It has been
// in a view before, and takes part in no change.
func TestAnswers(t *testing.T) {
	var old, now view.Name
	ballot := func(v verb, of view.Name, round uint32, by view.ID) []byte {
		return appendBallot(appendName([]byte{byte(v)}, of), Ballot{round, by})
	}
	for _, c := range []struct {
		name    string
		payload func() []byte
		says    verb // 0: nothing
		dropped bool
	}{
		{"a Prepare is taken part in", func() []byte { return ballot(verbPrepare, now, 7, 2) }, verbReport, false},
		{"a Prepare for the view before is answered with how that ended", func() []byte { return ballot(verbPrepare, old, 7, 2) }, verbCommit, false},
		{"so is one for a view long before", func() []byte { return ballot(verbPrepare, view.Name{Epoch: 9, Round: 9, By: 9}, 7, 2) }, verbCommit, false},
		{"a Prepare for a later view that is not known is not", func() []byte { return ballot(verbPrepare, view.Name{Epoch: 1 << 62}, 7, 2) }, 0, false},
		{"a Prepare in the name of another is malformed", func() []byte { return ballot(verbPrepare, now, 7, 3) }, 0, true},
		{"a Prepare with something behind it is malformed", func() []byte { return append(ballot(verbPrepare, now, 7, 2), 0) }, 0, true},
		{"a Report that nobody asked for is ignored", func() []byte { return append(ballot(verbReport, now, 7, 1), 0, 0, 0, 0, 0, 0, 0) }, 0, false},
		{"a Fill outside a change is ignored", func() []byte { return append(ballot(verbFill, now, 7, 2), 0) }, 0, false},
		{"a Filled outside a change is ignored", func() []byte { return ballot(verbFilled, now, 7, 1) }, 0, false},
		{"an Accepted outside a change is ignored", func() []byte { return ballot(verbAccepted, now, 7, 1) }, 0, false},
		{"a Reject outside a change is ignored", func() []byte { return ballot(verbReject, now, 7, 1) }, 0, false},
		{"a proposal of an earlier view is answered with how that ended", func() []byte {
			return appendOutcome(appendBallot([]byte{byte(verbPropose)}, Ballot{9, 2}), &Outcome{Of: old})
		}, verbCommit, false},
		{"a proposal in the name of another is malformed", func() []byte {
			return appendOutcome(appendBallot([]byte{byte(verbPropose)}, Ballot{9, 3}), &Outcome{Of: now})
		}, 0, true},
		{"a proposal with a seat of nobody who is configured is malformed", func() []byte {
			o := &Outcome{Of: now, Next: view.View{Seats: []view.Seat{{Member: view.Member{ID: 77, Incarnation: 1}}}}}
			return appendOutcome(appendBallot([]byte{byte(verbPropose)}, Ballot{9, 2}), o)
		}, 0, true},
		{"a commit of an earlier view takes nobody out", func() []byte {
			return appendOutcome([]byte{byte(verbCommit)}, &Outcome{Next: view.View{Name: old}})
		}, 0, false},
		{"nothing is malformed", func() []byte { return nil }, 0, true},
		{"an unknown verb is malformed", func() []byte { return []byte{99} }, 0, true},
	} {
		n := newNet(t, 1, 3, false)
		n.boot(0)
		n.boot(1)
		n.run(time.Second)
		old = n.nodes[0].view.Name
		n.boot(2)
		n.run(time.Second)
		x := n.nodes[0]
		now = x.view.Name
		if old == now {
			t.Fatal("the third is not let in")
		}
		was := *x.m
		said, dropped := answers(n, x, n.nodes[1].life, c.payload())
		switch {
		case dropped != c.dropped:
			t.Errorf("%s: dropped: %v", c.name, dropped)
		case c.says == 0 && len(said) > 0, c.says != 0 && (len(said) != 1 || said[0] != c.says):
			t.Errorf("%s: it says %v, not %v", c.name, said, c.says)
		case c.says != verbReport && (x.m.frozen != was.frozen || x.m.promised != was.promised || x.m.current.Name != now):
			t.Errorf("%s: it changes something", c.name)
		}
	}
}

// A member that has promised a ballot takes no part in a lower one, and says so; it repeats
// its report in the same one.
func TestPromises(t *testing.T) {
	n := newNet(t, 1, 3, false)
	for i := range 3 {
		n.boot(i)
	}
	n.run(time.Second)
	x, of := n.nodes[2], n.nodes[2].view.Name
	prepare := func(round uint32, by view.ID) []byte {
		return appendBallot(appendName([]byte{byte(verbPrepare)}, of), Ballot{round, by})
	}
	for _, c := range []struct {
		from    view.ID
		payload []byte
		says    verb
	}{
		{2, prepare(5, 2), verbReport},
		{2, prepare(5, 2), verbReport},
		{1, prepare(5, 1), verbReject},
		{1, prepare(4, 1), verbReject},
		{2, appendOutcome(appendBallot([]byte{byte(verbPropose)}, Ballot{4, 2}), &Outcome{Of: of}), verbReject},
		{1, prepare(6, 1), verbReport},
		{2, appendOutcome(appendBallot([]byte{byte(verbPropose)}, Ballot{5, 2}), &Outcome{Of: of}), verbReject},
		{1, appendOutcome(appendBallot([]byte{byte(verbPropose)}, Ballot{6, 1}), &Outcome{Of: of}), verbAccepted},
	} {
		said, _ := answers(n, x, n.nodes[c.from-1].life, c.payload)
		if len(said) != 1 || said[0] != c.says {
			t.Errorf("to verb %d of %v it says %v, not %d", c.payload[0], c.from, said, c.says)
		}
	}
	if x.m.accepted.ballot != (Ballot{6, 1}) {
		t.Errorf("it has accepted %v", x.m.accepted.ballot)
	}
}

// A later view is followed, wherever it comes from: whom it lets in anew comes in; for whom it
// seats as one who stays, or not at all, it is over.
func TestLaterViews(t *testing.T) {
	for _, c := range []struct {
		name  string
		seats bool
		stay  uint32
		verbs []Verb
	}{
		{"without it", false, 0, []Verb{Dismiss}},
		{"anew", true, 0, []Verb{Dismiss, Install}},
		{"as one who stays", true, 1, []Verb{Dismiss}},
	} {
		n := newNet(t, 1, 3, false)
		for i := range 3 {
			n.boot(i)
		}
		n.run(time.Second)
		x := n.nodes[0]
		e := x.view.Name.Epoch
		o := &Outcome{Of: view.Name{Epoch: e + 8}, Stay: c.stay, Next: view.View{Name: view.Name{Epoch: e + 9, Round: 1, By: 2}}}
		if c.seats {
			o.Next.Seats = []view.Seat{{Member: x.life, Votes: 1}}
		}
		var out Output
		x.m.Receive(n.now, n.nodes[1].life, appendOutcome([]byte{byte(verbCommit)}, o), &out)
		var verbs []Verb
		for _, d := range out.Do {
			verbs = append(verbs, d.Verb)
		}
		if !slices.Equal(verbs, c.verbs) || x.m.Past().Floor != o.Next.Name {
			t.Errorf("%s: it does %v, not %v, and knows of %v", c.name, verbs, c.verbs, x.m.Past().Floor)
		}
	}
}

// One that is in no group and asks for none says nothing, whomever it hears: its pulse would be
// a goodbye, which comes late to who has let it in meanwhile and then does not count on it.
func TestWhoWantsNothingSaysNothing(t *testing.T) {
	n := newNet(t, 1, 3, false)
	n.boot(1)
	self := view.Member{ID: 1, Incarnation: 7}
	m, err := New(Config{Self: self, Candidates: n.seats, Terms: "t", Pulse: 40 * time.Millisecond, Patience: 100 * time.Millisecond}, n.rng)
	if err != nil {
		t.Fatal(err)
	}
	var out Output
	m.Suspect(n.now, n.nodes[1].life, false, &out)
	m.Suspect(n.now, n.nodes[1].life, true, &out)
	if len(out.Send) > 0 {
		t.Errorf("before it asks it sends %d frames", len(out.Send))
	}
	if m.Join(n.now, &out); len(out.Send) != 1 || m.serial != 1 {
		t.Errorf("when it asks it sends %d frames, and its pulse is number %d", len(out.Send), m.serial)
	}
}

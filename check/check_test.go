package check

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

var (
	a  = view.Member{ID: 1, Incarnation: 1}
	a2 = view.Member{ID: 1, Incarnation: 2}
	b  = view.Member{ID: 2, Incarnation: 1}
)

const second = time.Second

func key(s string) []byte { return []byte(s) }

func list(pairs ...string) []Object {
	var objects []Object
	for i := 0; i < len(pairs); i += 2 {
		objects = append(objects, Object{key(pairs[i]), key(pairs[i+1])})
	}
	return objects
}

// both begins a history: two nodes live.
func both(more ...Fact) []Fact {
	return append([]Fact{{Kind: Booted, Node: a}, {Kind: Booted, Node: b}}, more...)
}

func stored(k, v string) Fact { return Fact{Kind: Stored, Node: a, Key: key(k), State: key(v)} }
func copiedTo(k, v string) Fact {
	return Fact{Kind: Copied, Node: b, Peer: a, Key: key(k), State: key(v)}
}
func dropped(k string) Fact { return Fact{Kind: Dropped, Node: b, Peer: a, Key: key(k)} }
func heard() Fact           { return Fact{Kind: Heard, Node: a, Peer: b} }
func claimed() Fact         { return Fact{Kind: Claimed, Node: a, Peer: b} }
func at(t time.Duration, f Fact) Fact {
	f.At = t
	return f
}

// TestJudges tells each judge histories that keep its promise and some that break it. The
// ones that break it differ from one that keeps it in one fact.
func TestJudges(t *testing.T) {
	for _, c := range []struct {
		name    string
		history []Fact
		broken  string // the promise, or "" if none is
	}{
		{"proof of an equal copy", both(stored("x", "1"), copiedTo("x", "1"), heard(), claimed()), ""},
		{"proof of an empty copy", both(stored("x", "1"), heard(), claimed()), "proof"},
		{"proof of an old copy", both(stored("x", "1"), copiedTo("x", "1"), stored("x", "2"), heard(), claimed()), "proof"},
		{"proof of a copy with more", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Removed, Node: a, Key: key("x")}, heard(), claimed()), "proof"},
		{"proof after clearing", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Cleared, Node: a}, heard(), claimed()), "proof"},
		{"proof of a stranger", both(claimed()), "proof"},
		{"proof of a dead peer, at once", both(stored("x", "1"), copiedTo("x", "1"), heard(), Fact{Kind: Crashed, Node: b}, at(second/2, claimed())), ""},
		{"proof of a dead peer, later", both(stored("x", "1"), copiedTo("x", "1"), heard(), Fact{Kind: Crashed, Node: b}, at(2*second, claimed())), "proof"},

		{"divergence without a cause", both(Fact{Kind: Traced, Node: a, Event: trace.Event{Node: 1, Peer: 2, Kind: trace.Diverged}}), "divergence"},
		{"divergence of a full copy", both(
			Fact{Kind: Traced, Node: b, Event: trace.Event{Node: 2, Peer: 1, Kind: trace.Overflow, A: 2}},
			Fact{Kind: Traced, Node: a, Event: trace.Event{Node: 1, Peer: 2, Kind: trace.Diverged}}), ""},
		{"divergence with another bound", both(
			Fact{Kind: Traced, Node: b, Event: trace.Event{Node: 2, Peer: 1, Kind: trace.Overflow, A: 3}},
			Fact{Kind: Traced, Node: a, Event: trace.Event{Node: 1, Peer: 2, Kind: trace.Diverged}}), "divergence"},

		{"delivery that is the copy", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Listed, Node: b, Peer: a, Objects: list("x", "1")}), ""},
		{"delivery of too little", both(Fact{Kind: Listed, Node: b, Peer: a, Objects: list("x", "1")}), "delivery"},
		{"delivery of too much", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Listed, Node: b, Peer: a}), "delivery"},
		{"delivery of another state", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Listed, Node: b, Peer: a, Objects: list("x", "2")}), "delivery"},
		{"delivery of own objects", both(stored("x", "1"), Fact{Kind: Listed, Node: a, Peer: a}), "delivery"},

		{"order of states", both(stored("x", "1"), stored("x", "2"), copiedTo("x", "1"), copiedTo("x", "2")), ""},
		{"order of states, one left out", both(stored("x", "1"), stored("x", "2"), copiedTo("x", "2")), ""},
		{"order of states reversed", both(stored("x", "1"), stored("x", "2"), copiedTo("x", "2"), copiedTo("x", "1")), "order"},
		{"order of states that repeat", both(stored("x", "1"), stored("x", "2"), copiedTo("x", "2"), stored("x", "1"), copiedTo("x", "1")), ""},
		{"order of a state that never was", both(stored("x", "1"), copiedTo("x", "3")), "order"},

		{"retention of a young object", both(stored("x", "1"), copiedTo("x", "1"), at(second, dropped("x"))), ""},
		{"retention of an old object", both(stored("x", "1"), copiedTo("x", "1"), at(20*second, dropped("x"))), "retention"},
		{"retention of what is gone", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Removed, Node: a, Key: key("x")}, at(20*second, dropped("x"))), ""},

		{"bounds kept", both(Fact{Kind: Used, Node: a, Name: "things", Value: 5, Limit: 5}), ""},
		{"bounds passed", both(Fact{Kind: Used, Node: a, Name: "things", Value: 6, Limit: 5}), "bounds"},
		{"bounds that refuse in silence", both(Fact{Kind: Turned, Node: a, Key: key("x")}), "bounds"},
		{"bounds that refuse by name", both(Fact{Kind: Traced, Node: a, Event: trace.Event{Node: 1, Kind: trace.Refused}}, Fact{Kind: Turned, Node: a, Key: key("x")}), ""},

		{"convergence", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Ended, Value: 1}), ""},
		{"convergence of unequal copies", both(stored("x", "1"), Fact{Kind: Ended, Value: 1}), "convergence"},
		{"convergence that is not shown", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Ended}), "convergence"},
		{"convergence with a former life's objects", both(stored("x", "1"), copiedTo("x", "1"), Fact{Kind: Crashed, Node: a}, Fact{Kind: Booted, Node: a2}, Fact{Kind: Ended, Value: 1}), "convergence"},
	} {
		l := NewLedger(2)
		court := NewCourt(l, Proof(l, second, true), Divergence(2, 2), Delivery(l), Order(2),
			Retention(l, 10*second), Bounds(2), Convergence(l))
		verdict(t, c.name, court, c.history, c.broken)
	}
}

func verdict(t *testing.T, name string, court *Court, history []Fact, broken string) {
	t.Helper()
	for i := range history {
		court.Hear(&history[i])
	}
	switch v := court.Verdict(); {
	case v == nil && broken != "":
		t.Errorf("%s: nothing is found; %s is broken", name, broken)
	case v != nil && v.Promise != broken:
		t.Errorf("%s: %v; want %q", name, v, broken)
	case v != nil && (!strings.HasPrefix(v.Error(), broken+": broken at ") || v.Text == ""):
		t.Errorf("%s: the violation says %q", name, v.Error())
	}
}

func asked(n view.Member, what string, epoch uint64) Fact {
	return Fact{Kind: Asked, Node: n, Name: what, Value: epoch}
}
func answered(n view.Member, what string, epoch uint64) Fact {
	return Fact{Kind: Answered, Node: n, Name: what, Value: epoch}
}
func addressed(n view.Member, value uint64) Fact {
	return Fact{Kind: Addressed, Node: n, Value: value}
}
func flow(k, v string) Fact { return Fact{Kind: Opened, Node: a, Key: key(k), State: key(v)} }

// TestJudgesOfAddresses does the same for those of whole nodes.
func TestJudgesOfAddresses(t *testing.T) {
	calmed := Fact{Kind: Calmed}
	stood := func(n, active view.Member, holds uint64) Fact {
		return Fact{Kind: Stood, Node: n, Peer: active, Value: holds, Name: "role"}
	}
	pledged := func(name string, objects ...string) Fact {
		return Fact{Kind: Pledged, Name: name, Node: a, Peer: b, Objects: list(objects...)}
	}
	took := func(name string, objects ...string) Fact {
		return Fact{Kind: Took, Name: name, Node: b, Objects: list(objects...)}
	}
	for _, c := range []struct {
		name    string
		history []Fact
		broken  string
	}{
		{"commit, then raise", both(asked(a, "commit", 3), answered(a, "commit", 3), asked(a, "raise", 3)), ""},
		{"raise without commit", both(asked(a, "commit", 3), asked(a, "raise", 3)), "address"},
		{"raise after another epoch's commit", both(asked(a, "commit", 3), answered(a, "commit", 3), asked(a, "raise", 5)), "address"},
		{"raise after a former life's commit", both(answered(a, "commit", 3), Fact{Kind: Booted, Node: a2}, asked(a2, "raise", 3)), "address"},
		{"one epoch for two", both(answered(a, "commit", 3), asked(a, "raise", 3), answered(b, "commit", 3), asked(b, "raise", 3)), "address"},
		{"back to an earlier epoch", both(asked(a, "lower", 5), asked(a, "commit", 3)), "address"},
		{"two holders while cut", both(addressed(a, 1), addressed(b, 1)), ""},
		{"two holders after calm", both(calmed, addressed(a, 1), addressed(b, 1)), "address"},
		{"one after the other", both(calmed, addressed(a, 1), addressed(a, 0), addressed(b, 1)), ""},

		{"a pledge is kept", both(pledged(ByCrash, "x", "1"), took(ByCrash, "x", "1", "y", "2")), ""},
		{"a flow is lost", both(pledged(ByCrash, "x", "1"), took(ByCrash)), "survival"},
		{"a flow is older", both(pledged(ByCrash, "x", "2"), took(ByCrash, "x", "1")), "survival"},
		{"a flow went on elsewhere", both(pledged(ByCrash, "x", "2"), flow("x", "3"), took(ByCrash, "x", "1")), ""},
		{"who pledged has died", both(pledged(ByCrash, "x", "1"), Fact{Kind: Crashed, Node: b}, took(ByCrash)), ""},

		{"a handover keeps all", both(flow("x", "1"), pledged(ByHandover, "x", "1"), took(ByHandover, "x", "1")), ""},
		{"a handover loses one", both(flow("x", "1"), pledged(ByHandover, "x", "1"), took(ByHandover)), "handover"},
		{"a handover loses one that began meanwhile", both(pledged(ByHandover), flow("x", "1"), took(ByHandover)), "handover"},
		{"a handover of a flow that ended", both(flow("x", "1"), Fact{Kind: Closed, Node: a, Key: key("x")}, took(ByHandover)), ""},
		{"a handover changes one", both(flow("x", "1"), pledged(ByHandover, "x", "1"), took(ByHandover, "x", "0")), "handover"},

		{"all agree", both(stood(a, a, 1), stood(b, a, 0), Fact{Kind: Ended}), ""},
		{"nobody holds", both(stood(a, a, 0), stood(b, a, 0), Fact{Kind: Ended}), "agreement"},
		{"both hold", both(stood(a, a, 1), stood(b, b, 1), Fact{Kind: Ended}), "agreement"},
		{"one does not follow", both(stood(a, a, 1), stood(b, view.Member{}, 0), Fact{Kind: Ended}), "agreement"},
	} {
		court := NewCourt(Address(2), Survival(2), Handover(2), Agreement())
		verdict(t, c.name, court, c.history, c.broken)
	}
}

func TestTheFirstViolationStays(t *testing.T) {
	court := NewCourt(Bounds(1))
	for _, v := range []uint64{1, 7, 9} {
		court.Hear(&Fact{Kind: Used, Node: a, Name: "things", Value: v, Limit: 5, At: time.Duration(v)})
	}
	if v := court.Verdict(); v == nil || v.At != 7 {
		t.Errorf("the verdict is %v, want the violation at 7ns", v)
	}
}

package group

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// The lives of the histories below.
var (
	a  = view.Member{ID: 1, Incarnation: 1}
	b  = view.Member{ID: 2, Incarnation: 1}
	c  = view.Member{ID: 3, Incarnation: 1}
	a2 = view.Member{ID: 1, Incarnation: 2}
)

var patience = Patience{Detect: time.Second, Hasty: time.Second / 4, Settle: time.Second, Refuse: time.Second, Name: time.Second}

// viewOf makes the view of an epoch; witnesses have IDs above 9.
func viewOf(epoch view.Epoch, members ...view.Member) *view.View {
	v := &view.View{Name: view.Name{Epoch: epoch, Round: 1, By: members[0].ID}}
	for _, m := range members {
		v.Seats = append(v.Seats, view.Seat{Member: m, Votes: 1, Witness: m.ID > 9})
	}
	return v
}

func boot(n view.Member) Fact          { return Fact{Kind: Booted, Node: n} }
func join(n view.Member) Fact          { return Fact{Kind: Joined, Node: n} }
func crash(n view.Member) Fact         { return Fact{Kind: Crashed, Node: n} }
func expel(n view.Member) Fact         { return Fact{Kind: Expelled, Node: n} }
func simple(k Kind) Fact               { return Fact{Kind: k} }
func about(k Kind, n view.Member) Fact { return Fact{Kind: k, Node: n} }
func pair(k Kind, n, peer view.Member) Fact {
	return Fact{Kind: k, Node: n, Peer: peer}
}
func later(t time.Duration, f Fact) Fact {
	f.At = t
	return f
}
func since(t time.Duration, f Fact) Fact {
	f.Since = t
	return f
}

// tell tells a member a view, and who came along.
func tell(n view.Member, v *view.View, along ...view.Member) Fact {
	return Fact{Kind: Viewed, Node: n, View: v, Members: along}
}

// send multicasts a message whose sum is 100 times its number.
func send(n view.Member, number uint64, o Order) Fact {
	return Fact{Kind: Multicast, Node: n, Number: number, Order: o, Sum: 100 * number, Size: 1}
}

func deliver(n, from view.Member, number uint64, o Order) Fact {
	return Fact{Kind: Delivered, Node: n, Peer: from, Number: number, Order: o, Sum: 100 * number, Size: 1}
}

func lost(n view.Member, from, to uint64) Fact {
	return Fact{Kind: Lost, Node: n, Number: from, Last: to}
}

func restore(n view.Member, entries ...Entry) Fact {
	return Fact{Kind: Restored, Node: n, Entries: entries}
}

// all begins a history: a, b and c live, want to be in the group, and are in view 1.
func all(more ...Fact) []Fact {
	v := viewOf(1, a, b, c)
	return append([]Fact{boot(a), boot(b), boot(c), join(a), join(b), join(c), tell(a, v), tell(b, v), tell(c, v)}, more...)
}

// history is one history, and the promise that it breaks, or "".
type history struct {
	name   string
	facts  []Fact
	broken string
}

// run tells every judge every history.
func run(t *testing.T, histories []history) {
	t.Helper()
	for _, h := range histories {
		court := NewCourt(All(true, true, patience)...)
		for i := range h.facts {
			court.Hear(&h.facts[i])
		}
		switch v := court.Verdict(); {
		case v == nil && h.broken != "":
			t.Errorf("%s: nothing is found; %s is broken", h.name, h.broken)
		case v != nil && v.Promise != h.broken:
			t.Errorf("%s: %v; want %q", h.name, v, h.broken)
		case v != nil && (!strings.HasPrefix(v.Error(), h.broken+": broken at ") || v.Text == ""):
			t.Errorf("%s: the violation says %q", h.name, v.Error())
		}
	}
}

func TestJudgesOfViews(t *testing.T) {
	ab2, ca2, ab3 := viewOf(2, a, b), viewOf(2, c, a), viewOf(3, a, b)
	reordered := viewOf(1, a, c, b)
	reordered.Name = viewOf(1, a).Name
	run(t, []history{
		{"three in a view", all(), ""},
		{"other seats", []Fact{boot(a), boot(b), boot(c), tell(a, viewOf(1, a, b, c)), tell(b, reordered)}, "view agreement"},
		{"the same view twice", all(tell(a, viewOf(1, a, b, c))), "view agreement"},
		{"back to an earlier epoch", []Fact{boot(a), tell(a, viewOf(2, a)), tell(a, viewOf(1, a))}, "view agreement"},
		{"two go on", all(crash(c), tell(a, ab2, a, b), tell(b, ab2, a, b)), ""},
		{"one comes along and is not named", all(crash(c), tell(a, ab2, a, b), tell(b, ab2)), "view agreement"},
		{"one is named that comes from elsewhere", all(crash(c), tell(a, ab2, b), tell(a, ab3, b), tell(b, ab3, a)), "view agreement"},
		{"one is named that is not in the view", all(tell(a, ab2, a, b, c)), "view agreement"},
		{"one is named by a newcomer", []Fact{boot(a), boot(b), tell(b, viewOf(1, b)), tell(b, viewOf(2, a, b), b), tell(a, viewOf(2, a, b), b)}, "view agreement"},
		{"founders name each other", []Fact{boot(a), boot(b), tell(a, viewOf(1, a, b), b), tell(b, viewOf(1, a, b), a)}, ""},

		{"not in the own view", []Fact{boot(c), tell(c, viewOf(1, a, b))}, "self-inclusion"},
		{"another life in the own view", []Fact{boot(a), crash(a), boot(a2), tell(a2, viewOf(1, a, b))}, "self-inclusion"},
		{"a delivery in no view", all(send(a, 1, 0), expel(b), deliver(b, a, 1, 0)), "self-inclusion"},

		{"two views of one epoch", all(tell(a, ab2, a, b), expel(c), tell(c, ca2)), "primary"},
		{"two views after one", all(tell(a, ab2, a, b), tell(b, ab3, b)), "primary"},
		{"each goes on alone", all(tell(a, viewOf(2, a)), tell(b, viewOf(2, b))), "primary"},
		{"founded anew", all(crash(a), crash(b), crash(c), simple(Perished), boot(a2), tell(a2, viewOf(1, a2))), ""},
		{"founded twice", all(crash(a), boot(a2), tell(a2, viewOf(1, a2, b))), "view agreement"},
		{"gone, and one lives", all(crash(a), crash(b), simple(Perished)), "history"},
		{"dead, and told", all(crash(a), tell(a, ab2)), "history"},
	})
}

func TestJudgesOfDeliveries(t *testing.T) {
	ab2 := viewOf(2, a, b)
	witness := view.Member{ID: 10, Incarnation: 1}
	with := viewOf(1, a, witness)
	run(t, []history{
		{"the same before the next view", all(send(c, 1, 0), deliver(a, c, 1, 0), deliver(b, c, 1, 0), crash(c), tell(a, ab2, b), tell(b, ab2, a)), ""},
		{"one less before the next view", all(send(c, 1, 0), deliver(a, c, 1, 0), crash(c), tell(a, ab2, b), tell(b, ab2, a)), "view synchrony"},
		{"one more before the next view", all(send(c, 1, 0), deliver(b, c, 1, 0), crash(c), tell(a, ab2, b), tell(b, ab2, a)), "view synchrony"},
		{"who dies may have one more", all(send(c, 1, 0), deliver(c, c, 1, 0), crash(c), tell(a, ab2, b), tell(b, ab2, a)), ""},

		{"one in this view, one in the next", all(send(a, 1, 0), deliver(a, a, 1, 0), crash(c), tell(b, ab2, a), deliver(b, a, 1, 0)), "sending view"},
		{"waited for the next view", all(send(a, 1, 0), crash(c), tell(a, ab2, b), tell(b, ab2, a), deliver(b, a, 1, 0), deliver(a, a, 1, 0)), ""},
		{"its sender is not in the view", all(send(c, 1, 0), crash(c), tell(a, ab2, b), deliver(a, c, 1, 0)), "sending view"},

		{"twice", all(send(a, 1, 0), deliver(b, a, 1, 0), deliver(b, a, 1, 0)), "integrity"},
		{"never multicast", all(deliver(b, a, 1, 0)), "integrity"},
		{"changed", all(send(a, 1, 0), Fact{Kind: Delivered, Node: b, Peer: a, Number: 1, Sum: 7, Size: 1}), "integrity"},
		{"in another order", all(send(a, 1, 0), deliver(b, a, 1, FIFO)), "integrity"},
		{"lost and delivered", all(send(a, 1, 0), lost(a, 1, 1), deliver(a, a, 1, 0)), "integrity"},
		{"delivered and lost", all(send(a, 1, 0), deliver(a, a, 1, 0), lost(a, 1, 1)), "integrity"},
		{"lost, and never sent", all(lost(a, 1, 1)), "integrity"},
		{"expelled and told", all(send(a, 1, 0), expel(a), lost(a, 1, 1), tell(b, viewOf(2, b, c), c), tell(a, viewOf(3, b, c, a))), ""},
		{"expelled and not told", all(send(a, 1, 0), expel(a), about(Left, a), tell(b, viewOf(2, b, c), c), tell(c, viewOf(2, b, c), b), simple(Ended)), "integrity"},
		{"expelled, and in the state", all(send(a, 1, 0), deliver(b, a, 1, 0), deliver(c, a, 1, 0), expel(a), tell(b, viewOf(2, b, c, a), c),
			restore(a, Entry{From: a, Number: 1}), tell(a, viewOf(2, b, c, a))), ""},
		{"to a witness", []Fact{boot(a), boot(witness), tell(a, with), tell(witness, with), send(a, 1, 0), deliver(witness, a, 1, 0)}, "self-inclusion"},
	})
}

func TestJudgesOfOrders(t *testing.T) {
	ab2, ut := viewOf(2, a, b), Uniform|Total
	both := func(o1, o2 Order, more ...Fact) []Fact { // two messages, of a and of b
		return all(append([]Fact{send(a, 1, o1), send(b, 1, o2)}, more...)...)
	}
	crossed := []Fact{deliver(a, a, 1, Total), deliver(a, b, 1, Total), deliver(b, b, 1, Total), deliver(b, a, 1, Total)}
	go2 := []Fact{deliver(a, a, 1, Total), deliver(a, b, 1, Total), deliver(c, b, 1, Total), deliver(c, a, 1, Total)}
	run(t, []history{
		{"in succession", all(send(a, 1, FIFO), send(a, 2, Causal), deliver(b, a, 1, FIFO), deliver(b, a, 2, Causal)), ""},
		{"perhaps out of succession", all(send(a, 1, FIFO), send(a, 2, Causal), deliver(b, a, 2, Causal)), ""},
		{"out of succession, as another tells", all(send(a, 1, FIFO), send(a, 2, Causal), deliver(b, a, 2, Causal), deliver(c, a, 1, FIFO)), "fifo"},
		{"out of succession, as another has told", all(send(a, 1, FIFO), send(a, 2, Causal), deliver(c, a, 1, FIFO), deliver(b, a, 2, Causal)), "fifo"},
		{"unordered overtakes", all(send(a, 1, FIFO), send(a, 2, 0), deliver(b, a, 2, 0), deliver(b, a, 1, FIFO)), ""},
		{"after one of a former view", []Fact{boot(a), boot(b), tell(a, viewOf(1, a)), send(a, 1, FIFO), deliver(a, a, 1, FIFO), send(a, 2, FIFO),
			restore(b, Entry{From: a, Number: 1}), tell(b, viewOf(2, a, b)), tell(a, viewOf(2, a, b), a), deliver(b, a, 2, FIFO)}, ""},

		{"what happened before", both(Causal, 0, deliver(b, a, 1, Causal), send(b, 2, Causal), deliver(c, a, 1, Causal), deliver(c, b, 2, Causal)), ""},
		{"what happened before is missing", both(Causal, 0, deliver(b, a, 1, Causal), send(b, 2, Causal), deliver(c, b, 2, Causal)), "causal"},
		{"what happened long before is missing", all(send(a, 1, Causal), deliver(b, a, 1, Causal), send(b, 1, Causal), deliver(c, a, 1, Causal), deliver(c, b, 1, Causal),
			send(c, 1, Causal), deliver(a, b, 1, Causal)), "causal"},
		{"what did not happen before", all(send(a, 1, Causal), send(b, 1, Causal), deliver(c, b, 1, Causal), deliver(c, a, 1, Causal)), ""},
		{"what is not causal", all(send(a, 1, FIFO), deliver(b, a, 1, FIFO), send(b, 1, Causal), deliver(c, b, 1, Causal)), ""},

		{"total, crossed, and they go on", both(Total, Total, append(crossed, crash(c), tell(a, ab2, b), tell(b, ab2, a))...), "total"},
		{"total, crossed, to the end", both(Total, Total, append(crossed, deliver(c, a, 1, Total), deliver(c, b, 1, Total), simple(Ended))...), "total"},
		{"total, crossed, and one dies", both(Total, Total, append(go2, deliver(b, a, 1, Total), deliver(b, b, 1, Total), crash(c), tell(a, ab2, b), tell(b, ab2, a))...), ""},
		{"not total, crossed", both(Total, FIFO, deliver(a, a, 1, Total), deliver(a, b, 1, FIFO), deliver(b, b, 1, FIFO), deliver(b, a, 1, Total), crash(c), tell(a, ab2, b), tell(b, ab2, a)), ""},

		{"uniform, and one does not", all(send(c, 1, Uniform), deliver(c, c, 1, Uniform), crash(c), tell(a, ab2, b), tell(b, ab2, a)), "uniform"},
		{"uniform, and the dead one is late", all(send(c, 1, Uniform), tell(a, ab2, b), deliver(c, c, 1, Uniform), expel(c)), "uniform"},
		{"uniform, and one that leaves is alone with it", all(send(c, 1, Uniform), deliver(c, c, 1, Uniform), about(Departed, c), tell(a, ab2, b), tell(b, ab2, a)), "uniform"},
		{"uniform, and one that leaves is late", all(send(c, 1, Uniform), tell(a, ab2, b), deliver(c, c, 1, Uniform), about(Departed, c)), "uniform"},
		{"uniform, and all do", all(send(c, 1, Uniform), deliver(c, c, 1, Uniform), deliver(a, c, 1, Uniform), crash(c), tell(a, ab2, b)), ""},
		{"uniform and total, a beginning", both(ut, ut, deliver(c, a, 1, ut), crash(c), deliver(b, a, 1, ut), deliver(b, b, 1, ut), tell(b, ab2, a)), ""},
		{"uniform and total, no beginning", both(ut, ut, deliver(c, b, 1, ut), crash(c), deliver(b, a, 1, ut), deliver(b, b, 1, ut), tell(b, ab2, a)), "uniform"},
		{"uniform, at the end", append([]Fact{boot(a2)}, append(all(send(c, 1, Uniform), deliver(c, c, 1, Uniform), crash(c)), Fact{Kind: Ended, Value: 1})...), "liveness"},
	})
}

func TestJudgesOfStates(t *testing.T) {
	// a is alone and delivers two messages; b joins.
	joined := func(entries []Entry, more ...Fact) []Fact {
		v := viewOf(2, a, b)
		return append([]Fact{boot(a), boot(b), tell(a, viewOf(1, a)), send(a, 1, Total), send(a, 2, Total), deliver(a, a, 1, Total), deliver(a, a, 2, Total),
			tell(a, v), pair(Emptied, b, view.Member{}), restore(b, entries...), tell(b, v)}, more...)
	}
	one, two := Entry{From: a, Number: 1, Sum: 100}, Entry{From: a, Number: 2, Sum: 200}
	run(t, []history{
		{"the state", joined([]Entry{one, two}), ""},
		{"too little", joined([]Entry{one}), "state transfer"},
		{"nothing", joined(nil), "state transfer"},
		{"too much", joined([]Entry{one, two, {From: a, Number: 3}}), "state transfer"},
		{"one twice", joined([]Entry{one, two, two}), "state transfer"},
		{"in another order", joined([]Entry{two, one}), "state transfer"},
		{"a message before the state", all(send(a, 1, 0), about(Emptied, b), deliver(b, a, 1, 0)), "state transfer"},
	})
}

func TestJudgesOfTheRest(t *testing.T) {
	silent := func(t time.Duration) Fact { return since(t, pair(Quiet, a, b)) }
	refused := since(2*time.Second, later(5*time.Second, about(Refused, a)))
	calm := later(time.Second, simple(Calmed))
	ended := later(time.Minute, simple(Ended))
	run(t, []history{
		{"all are in one view", all(ended), ""},
		{"one is in none", append([]Fact{boot(a2)}, all(about(Left, a), about(Departed, a), join(a2), ended)...), "liveness"},
		{"one is in another", all(tell(a, viewOf(2, a, b, c), b, c), tell(b, viewOf(2, a, b, c), a, c), ended), "liveness"},
		{"one that is dead", all(crash(c), ended), "liveness"},
		{"one that wants to leave", all(about(Left, a), ended), "liveness"},
		{"one that has left", all(about(Left, c), about(Departed, c), tell(a, viewOf(2, a, b), b), tell(b, viewOf(2, a, b), a), ended), ""},
		{"one that is blocked", all(about(Blocked, a), ended), "liveness"},
		{"one that was blocked", all(about(Blocked, a), about(Unblocked, a), ended), ""},
		{"a message to nobody", all(send(a, 1, 0), ended), "liveness"},
		{"a message not to all", all(send(a, 1, 0), deliver(a, a, 1, 0), deliver(b, a, 1, 0), ended), "liveness"},
		{"a message to all", all(send(a, 1, 0), deliver(a, a, 1, 0), deliver(b, a, 1, 0), deliver(c, a, 1, 0), ended), ""},

		{"within a bound", all(Fact{Kind: Used, Node: a, Value: 5, Limit: 5}), ""},
		{"over a bound", all(Fact{Kind: Used, Node: a, Value: 6, Limit: 5}), "flow"},
		{"refused without a word", all(refused), "flow"},
		{"refused because of another", all(pair(Slowed, a, c), since(2*time.Second, pair(Refused, a, b))), "flow"},
		{"refused because of the one that was named", all(pair(Slowed, a, b), since(2*time.Second, pair(Refused, a, b))), ""},
		{"refused for a moment", all(since(time.Millisecond, about(Refused, a))), ""},
		{"refused, and who holds it up is named", all(pair(Slowed, a, b), refused), ""},
		{"refused, and nobody holds it up any more", all(pair(Slowed, a, b), pair(Slowed, a, view.Member{}), refused), "flow"},
		{"refused in a group that does not go on", all(about(Blocked, a), refused), ""},
		{"refused during a view change", all(later(4500*time.Millisecond, about(Flushed, a)), refused), ""},
		{"refused long after a view change", all(later(time.Second, about(Flushed, a)), refused), "flow"},
		{"refused outside", all(expel(a), refused), ""},

		{"silent for a moment", all(pair(Heard, a, b), silent(second/2)), ""},
		{"silent, and not suspected", all(pair(Heard, a, b), silent(2*second)), "detector"},
		{"silent, and suspected", all(pair(Heard, a, b), pair(Suspected, a, b), silent(2*second)), ""},
		{"silent, and never heard", all(silent(2 * second)), ""},
		{"silent again, and trusted", all(pair(Heard, a, b), pair(Suspected, a, b), pair(Trusted, a, b), silent(2*second)), "detector"},
		{"suspected, and just heard", all(pair(Heard, a, b), since(time.Millisecond, pair(Suspected, a, b))), "detector"},
		{"suspected after calm", all(pair(Heard, a, b), calm, later(3*second, pair(Suspected, a, b))), "detector"},
		{"suspected at calm, and dead", all(pair(Heard, a, b), crash(b), calm, later(3*second, pair(Suspected, a, b))), ""},
		{"suspected to the end", all(pair(Heard, a, b), pair(Suspected, a, b), calm, ended), "detector"},
	})
}

const second = time.Second

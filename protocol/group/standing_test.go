package group

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// lastingMachine is the first of some members of a durable group, with these votes; 0: a witness.
func lastingMachine(t *testing.T, votes ...uint8) *Machine {
	t.Helper()
	cfg := Config{Self: view.Member{ID: 1, Incarnation: 1}, Terms: "t", Durable: true, Pulse: 40 * time.Millisecond, Patience: 100 * time.Millisecond}
	for i, v := range votes {
		s := view.Seat{Member: view.Member{ID: view.ID(i + 1)}, Votes: v}
		if v == 0 {
			s.Witness, s.Votes = true, 1
		}
		cfg.Candidates = append(cfg.Candidates, s)
	}
	m, err := New(cfg, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestStatesAreComparedByEraFirst: the longer log of an earlier era is the older state.
func TestStatesAreComparedByEraFirst(t *testing.T) {
	for _, c := range []struct {
		a, b Standing
		less bool
	}{
		{Standing{}, Standing{}, false},
		{Standing{Era: 1, Index: 12}, Standing{Era: 2, Index: 9}, true},
		{Standing{Era: 2, Index: 9}, Standing{Era: 1, Index: 12}, false},
		{Standing{Era: 2, Index: 8}, Standing{Era: 2, Index: 9}, true},
		{Standing{Promise: 9, Era: 2, Index: 8}, Standing{Promise: 3, Era: 2, Index: 8}, false},
		{Standing{Promise: 9}, Standing{Era: 1}, true},
	} {
		if got := c.a.Less(c.b); got != c.less {
			t.Errorf("%+v is less than %+v: %v", c.a, c.b, got)
		}
	}
}

// TestWhoSufficesForAFounding: more than half of the configured votes among the disks that remember; or all, when
// nobody has anything.
func TestWhoSufficesForAFounding(t *testing.T) {
	lost, new := Standing{}, Standing{}
	old, kept := Standing{Promise: 5}, Standing{Promise: 5, Era: 5, Index: 3}
	absent := (*Standing)(nil)
	for _, c := range []struct {
		what   string
		votes  []uint8
		told   []*Standing
		enough bool
	}{
		{"all, and all are new", []uint8{1, 1, 1}, []*Standing{&new, &new, &new}, true},
		{"two that are new, and one is missing", []uint8{1, 1, 1}, []*Standing{&new, &new, absent}, false},
		{"two that remember", []uint8{1, 1, 1}, []*Standing{&kept, &kept, absent}, true},
		{"two that remember, of which one has nothing", []uint8{1, 1, 1}, []*Standing{&kept, &old, absent}, true},
		{"one that remembers and one that was lost", []uint8{1, 1, 1}, []*Standing{&kept, &lost, absent}, false},
		{"one that remembers, and all are there", []uint8{1, 1, 1}, []*Standing{&kept, &lost, &lost}, false},
		{"all, and nobody has anything but a promise", []uint8{1, 1, 1}, []*Standing{&old, &lost, &lost}, true},
		{"half of the votes", []uint8{1, 1, 1, 1}, []*Standing{&kept, &kept, absent, absent}, false},
		{"one with most of the votes", []uint8{3, 1, 1}, []*Standing{&kept, absent, absent}, true},
		{"two with the fewer votes", []uint8{3, 1, 1}, []*Standing{absent, &kept, &kept}, false},
		{"one of two and the witness, which has no disk", []uint8{1, 1, 0}, []*Standing{&kept, absent, &new}, false},
		{"two and no witness", []uint8{1, 1, 0}, []*Standing{&kept, &kept, absent}, true},
		{"two that are new and no witness", []uint8{1, 1, 0}, []*Standing{&new, &new, absent}, true},
	} {
		m := lastingMachine(t, c.votes...)
		got := m.enough(func(i int) (Standing, bool) {
			if c.told[i] == nil {
				return Standing{}, false
			}
			return *c.told[i], true
		})
		if got != c.enough {
			t.Errorf("%s: enough: %v", c.what, got)
		}
	}
}

// TestWhoDecidesAFounding: more than half of the configured votes, witnesses not counted; everybody at first.
func TestWhoDecidesAFounding(t *testing.T) {
	for _, c := range []struct {
		votes    []uint8
		accepted uint32
		first    bool
		decided  bool
	}{
		{[]uint8{1, 1, 1}, 0b011, false, true},
		{[]uint8{1, 1, 1}, 0b011, true, false},
		{[]uint8{1, 1, 1}, 0b111, true, true},
		{[]uint8{1, 1, 1}, 0b100, false, false},
		{[]uint8{1, 1, 1, 1}, 0b0011, false, false},
		{[]uint8{3, 1, 1}, 0b001, false, true},
		{[]uint8{1, 1, 0}, 0b101, false, false},
		{[]uint8{1, 1, 0}, 0b011, false, true},
		{[]uint8{1, 1, 0}, 0b011, true, true},
	} {
		m := lastingMachine(t, c.votes...)
		m.change.accepted, m.change.outcome = c.accepted, &Outcome{First: c.first}
		if got := m.pledgedBy(); got != c.decided {
			t.Errorf("votes %v, accepted %03b, first %v: decided: %v", c.votes, c.accepted, c.first, got)
		}
	}
}

// TestWhatAMemberPromises: no founding that begins with less than it has, none of an era before one that it has
// promised, and none at all before it has told what it has.
func TestWhatAMemberPromises(t *testing.T) {
	now, b := time.Unix(1000, 0), Ballot{1, 2}
	founding := func(era view.Epoch, base Standing, first bool) *Outcome {
		o := &Outcome{Era: era, Base: base, First: first}
		o.Next.Name = view.Name{Epoch: era}
		return o
	}
	has := Standing{Promise: 5, Era: 4, Index: 7}
	for _, c := range []struct {
		what    string
		stands  bool
		has     Standing
		outcome *Outcome
		pledges bool
	}{
		{"what begins with the same", true, has, founding(6, Standing{Era: 4, Index: 7}, false), true},
		{"what begins with more", true, has, founding(6, Standing{Era: 4, Index: 8}, false), true},
		{"what begins with a later era's", true, has, founding(6, Standing{Era: 5, Index: 1}, false), true},
		{"what begins with less", true, has, founding(6, Standing{Era: 4, Index: 6}, false), false},
		{"what begins with an earlier era's", true, has, founding(6, Standing{Era: 3, Index: 99}, false), false},
		{"an era that it has promised already", true, has, founding(5, Standing{Era: 4, Index: 9}, false), false},
		{"an earlier era", true, has, founding(4, Standing{Era: 4, Index: 9}, false), false},
		{"anything before it has told what it has", false, has, founding(6, Standing{Era: 4, Index: 9}, false), false},
		{"a later era, with a new disk", true, Standing{}, founding(6, Standing{Era: 4, Index: 9}, false), false},
		{"the first era, with a new disk", true, Standing{}, founding(6, Standing{}, true), true},
	} {
		m := lastingMachine(t, 1, 1, 1)
		m.standing, m.stands, m.promised, m.state = c.has, c.stands, b, Asking
		var out Output
		m.pledge(now, b, c.outcome, &out)
		if pledges := len(out.Do) == 1 && out.Do[0].Verb == Pledge && out.Do[0].Era == c.outcome.Era; pledges != c.pledges {
			t.Errorf("%s: promised: %v", c.what, pledges)
		}
		if len(out.Send) > 0 {
			t.Errorf("%s: something is told before the promise is on the disk", c.what)
		}
		if !c.pledges {
			continue
		}
		m.pledge(now, Ballot{2, 2}, c.outcome, &out) // the same again, by a later ballot
		if m.promised = (Ballot{2, 2}); len(out.Do) != 1 || len(out.Send) > 0 {
			t.Errorf("%s: it is promised twice", c.what)
		}
		if m.Pledged(now, c.outcome.Era+1, &out); len(out.Send) > 0 {
			t.Errorf("%s: another era's promise is taken for this one's", c.what)
		}
		if m.Pledged(now, c.outcome.Era, &out); len(out.Send) == 0 {
			t.Errorf("%s: the promise is on the disk, and nothing tells it", c.what)
		}
	}
}

// TestAPromiseThatComesTooLateIsNotTold: after a greater ballot was told that nothing is accepted, the era may be
// another's.
func TestAPromiseThatComesTooLateIsNotTold(t *testing.T) {
	now, b := time.Unix(1000, 0), Ballot{1, 2}
	m := lastingMachine(t, 1, 1, 1)
	m.standing, m.stands, m.promised, m.state = Standing{Promise: 1}, true, b, Asking
	o := &Outcome{Era: 6, Next: view.View{Name: view.Name{Epoch: 6}}}
	var out Output
	m.pledge(now, b, o, &out)
	m.promised = Ballot{2, 3}
	if m.Pledged(now, 6, &out); len(out.Send) > 0 || m.accepted.outcome != nil {
		t.Error("it accepts by a ballot that it has promised to take nothing of")
	}
	if m.standing.Promise != 6 {
		t.Error("a promise that is on the disk is forgotten")
	}
}

// TestAFoundingBeginsWithTheLatestState: whose it is comes first, and the era is later than all that anybody has
// promised.
func TestAFoundingBeginsWithTheLatestState(t *testing.T) {
	m := lastingMachine(t, 1, 1, 1)
	o := &Outcome{}
	for i, has := range []Standing{{Promise: 90, Era: 2, Index: 50}, {Promise: 4, Era: 3, Index: 9}, {Promise: 7, Era: 3, Index: 11}} {
		m.change.reports[i] = report{have: true, standing: has}
		o.Next.Seats = append(o.Next.Seats, m.void.Seats[i])
	}
	m.foundLasting(o)
	if o.Next.Seats[0].ID != 3 || o.Base != (Standing{Era: 3, Index: 11}) || len(o.Next.Seats) != 3 {
		t.Errorf("%v begins, with %+v", o.Next.Seats, o.Base)
	}
	if o.Era != o.Next.Name.Epoch || o.Era < 90+eraGap || o.First {
		t.Errorf("the era is %d, the view is %v, first: %v", o.Era, o.Next.Name, o.First)
	}
}

// TestWhoGaveItsStateUpGivesNoneAtAFounding: all are out of the same view, and the state of some is not to be used: because
// they were told so there, or later, outside.
func TestWhoGaveItsStateUpGivesNoneAtAFounding(t *testing.T) {
	for _, c := range []struct {
		void  []bool
		later bool
		first view.ID
	}{
		{[]bool{false, false, false}, false, 1},
		{[]bool{true, false, false}, false, 2},
		{[]bool{true, false, false}, true, 2},
		{[]bool{true, true, false}, false, 3},
	} {
		n := newNet(t, 1, 3, false)
		for i := range n.nodes {
			n.boot(i)
		}
		n.settle(2 * time.Second)
		for i, x := range n.nodes {
			n.step(x, func(out *Output) { x.m.Restart(n.now, c.void[i] && !c.later, out) })
		}
		for i, x := range n.nodes {
			if c.void[i] && c.later {
				n.step(x, func(out *Output) { x.m.Restart(n.now, true, out) })
			}
		}
		n.settle(5 * time.Second)
		if v := n.nodes[0].view; v.Seats[0].ID != c.first {
			t.Errorf("void %v, later %v: %v begins with the state of %d, and should with that of %d", c.void, c.later, v, v.Seats[0].ID, c.first)
		}
	}
}

// TestDurableChaos: lives end and begin, all at once too, the network loses and is cut; nobody founds a group with
// less than what more than half of the disks had been given, and in the end all are together.
func TestDurableChaos(t *testing.T) {
	for seed := range uint64(40) {
		members := 3 + int(seed%3)
		n := newNet(t, seed, members, false)
		n.disks = map[view.ID]Standing{}
		n.loss = []float64{0, 0.02, 0.2}[seed%3]
		for i := range n.nodes {
			n.boot(i)
		}
		n.run(time.Second)
		for range 15 {
			n.grow()
			n.durableFault()
			n.run(time.Duration(n.rng.IntN(600)) * time.Millisecond)
		}
		clear(n.cut)
		n.loss = 0
		for i, x := range n.nodes {
			if !x.up {
				n.boot(i)
			}
		}
		n.settle(15 * time.Second)
	}
}

// grow lets the members of a view execute a command, and have it on their disks: it is answered then, if
// they are more than half.
func (n *net) grow() {
	for _, x := range n.nodes {
		var there []view.ID
		index := uint64(0)
		for _, y := range n.nodes {
			if x.view != nil && y.up && y.view != nil && y.view.Name == x.view.Name {
				there, index = append(there, y.id), max(index, n.disks[y.id].Index+1)
			}
		}
		if 2*len(there) <= len(n.nodes) {
			continue
		}
		for _, id := range there {
			d := n.disks[id]
			d.Index = index
			n.disks[id], n.answered = d, Standing{Era: d.Era, Index: index}
		}
		return
	}
}

// durableFault does one thing that may go wrong.
func (n *net) durableFault() {
	switch n.rng.IntN(4) {
	case 0: // the power
		for _, x := range n.nodes {
			x.up = false
		}
	case 1:
		n.nodes[n.rng.IntN(len(n.nodes))].up = false
	case 2:
		for i, x := range n.nodes {
			if !x.up && n.rng.IntN(2) == 0 {
				n.boot(i)
			}
		}
	default:
		n.fault()
	}
}

package stack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Each test here is a mistake that the simulator found (internal/sim/pair), as small as
// it can be told.

// A standby that reads its table when the active dies must not take the flows that it
// finds for leftovers: nobody's state is not "no state".
func TestAReadingDoesNotEmptyTheTableOfASuccessor(t *testing.T) {
	for _, inject := range []Inject{Continuously, AtTakeover} {
		c := newCluster(t, inject)
		c.run(time.Second)
		c.flow(0, "f", "1")
		c.run(time.Second)
		n := c.nodes[1]
		n.stack.Lost()
		n.stack.Tick(c.now, &n.out) // asks for the reading, which takes its time
		n.out.Reset()
		if !n.stack.mirror.reading {
			t.Fatal("the standby does not read its table")
		}
		c.kill(0)
		for range 100 {
			c.now = c.now.Add(time.Millisecond)
			n.stack.Tick(c.now, &n.out)
			if !n.stack.Active().Known() {
				n.stack.Found(c.now, []byte("f"), []byte("1"), &n.out)
			}
		}
		committing := false
		for _, command := range n.out.Do {
			committing = committing || command.Verb == Commit
			if command.Verb == Remove {
				t.Fatalf("inject %d: the successor is asked to remove %q", inject, command.Key)
			}
		}
		if !committing {
			t.Fatal("nobody takes over")
		}
	}
}

// What came into the table while it was being read, at a place that had been read
// already, is not missing from it.
func TestAFlowThatBeginsDuringAReadingIsNotForgotten(t *testing.T) {
	c := newCluster(t, Continuously)
	c.run(time.Second)
	n := c.nodes[0]
	for range 2 { // two readings in a row that do not show it
		n.stack.Lost()
		n.stack.Tick(c.now, &n.out)
		n.out.Reset()
		n.stack.Changed(c.now, []byte("f"), []byte("1"))
		n.stack.Dumped(true)
		n.stack.Tick(c.now, &n.out)
		n.out.Reset()
	}
	if _, ok := n.stack.State([]byte("f")); !ok {
		t.Error("a flow was forgotten because two readings had passed its place before it began")
	}
}

// A node that is told to raise and loses the contest in the same step has seen the other
// active before it became a source itself. It must give that up all the same.
func TestALoserOfAContestIsNoSource(t *testing.T) {
	c := newCluster(t, Continuously)
	c.run(time.Second)
	c.flow(0, "f", "1")
	c.nodes[1].stack.own(c.now)
	c.run(time.Second)
	if c.nodes[1].stack.Owning() {
		t.Error("a standby that follows an active is still a source")
	}
	c.flow(0, "f", "2")
	c.run(time.Second)
	c.wantTable(1, map[string]string{"f": "2"})
}

// What a former active of former times told must not overwrite what the last one told.
func TestTheLastActiveHasTheLastWord(t *testing.T) {
	s, err := New(Config{
		Self: view.Member{ID: 2, Incarnation: 1}, Cluster: "test", Links: 1, Inject: AtTakeover,
		Members:   []Member{{1, "a", 150}, {2, "b", 100}, {3, "c", 50}, {4, "d", 50}},
		Heartbeat: 10 * time.Millisecond, SuspectAfter: 50 * time.Millisecond,
	}, Recovered{}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for last, want := range [][]view.ID{view.Nobody: {1, 3, 4}, 1: {3, 4, 1}, 3: {1, 4, 3}, 4: {1, 3, 4}} {
		var got []view.ID
		for n := range s.peers {
			if last != 2 {
				got = append(got, s.inTurn(n, view.ID(last)).id)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %v the order is %v, want %v", view.ID(last), got, want)
		}
	}
}

// A former active takes nothing into its table while it goes on as a source. What its
// successor told it meanwhile comes there with the next comparison; if the successor dies
// before that has ended, then with the Commit.
func TestAFormerActiveThatIsStillComparingTakesOverWithAllState(t *testing.T) {
	for _, inject := range []Inject{Continuously, AtTakeover} {
		c := newCluster(t, inject)
		c.run(time.Second)
		c.flow(0, "old", "1")
		c.run(time.Second)
		if err := c.nodes[0].stack.Switch(c.now, view.Nobody, &c.nodes[0].out); err != nil {
			t.Fatal(err)
		}
		c.do(0)
		c.run(linger / 2)
		c.wantRoles(takeover.Standby, takeover.Active)
		c.nodes[0].slow = true
		c.flow(1, "old", "2")
		c.flow(1, "new", "1")
		c.run(linger)
		if n := c.nodes[0]; n.stack.Owning() || !n.stack.mirror.reading {
			t.Fatal("the former active does not compare its table yet, or not any more")
		}
		if p := c.nodes[1].stack.Status(c.now).Peers[0].Proof; p.State != stateproxy.Proven {
			t.Fatalf("the former active is %v", p.State)
		}
		c.kill(1)
		c.run(time.Second)
		if !c.nodes[0].holds {
			t.Fatal("nobody took over")
		}
		c.wantTable(0, map[string]string{"old": "2", "new": "1"})
	}
}

// A comparison that the end of the active has broken off has compared nothing.
func TestAComparisonThatWasBrokenOffDoesNotCount(t *testing.T) {
	c := newCluster(t, Continuously)
	c.run(time.Second)
	want := map[string]string{}
	for i := range 3 * chunk {
		want[fmt.Sprint(i)] = "1"
		c.flow(0, fmt.Sprint(i), "1")
	}
	c.run(time.Second)
	n := c.nodes[1]
	clear(n.table) // unseen
	n.stack.Lost()
	n.stack.Tick(c.now, &n.out)
	n.out.Reset()
	n.stack.Dumped(true)
	n.stack.Tick(c.now, &n.out) // a first part of what is missing
	c.do(1)
	if !n.stack.mirror.walking || len(n.table) == 0 {
		t.Fatal("the comparison has not begun, or has ended")
	}
	c.kill(0)
	for n.stack.Active().Known() { // it gets no further until then
		c.now = c.now.Add(time.Millisecond)
		n.stack.takeover.Tick(c.now, &n.out.takeover)
		n.stack.settle(c.now, &n.out)
	}
	c.run(time.Second)
	c.wantTable(1, want)
}

// While nobody is active the last active's state is the state: what a third one clears,
// because it is no source any more, stays in the table that is about to be the only one.
func TestWithoutAnActiveTheLastOneCounts(t *testing.T) {
	for _, inject := range []Inject{Continuously, AtTakeover} {
		s, err := New(Config{
			Self: view.Member{ID: 2, Incarnation: 1}, Cluster: "test", Links: 1, Inject: inject,
			Members:   []Member{{1, "a", 150}, {2, "b", 100}, {3, "c", 50}},
			Heartbeat: 10 * time.Millisecond, SuspectAfter: 50 * time.Millisecond,
		}, Recovered{}, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1000, 0)
		for _, last := range []view.ID{view.Nobody, 1, 3} {
			var out Output
			s.predecessor = view.Member{ID: last, Incarnation: 1}
			s.commit = commit{epoch: 7} // whoever begins to take over takes what still comes
			for _, from := range []view.ID{1, 3} {
				for _, verb := range []stateproxy.Verb{stateproxy.Put, stateproxy.Change, stateproxy.Delete} {
					out.proxy.Deliver = append(out.proxy.Deliver, stateproxy.Delivery{From: from, Verb: verb, Key: []byte("f")})
				}
			}
			s.take(now, &out)
			want := 3
			if last == view.Nobody {
				want = 6 // of all that were told nobody knows which counts
			}
			if len(out.Do) != want {
				t.Errorf("inject %d: after %v there are %d commands, want %d", inject, last, len(out.Do), want)
			}
		}
	}
}

// What expires here while nobody is active is put back as well.
func TestWhatExpiresWithoutAnActiveIsPutBack(t *testing.T) {
	c := newCluster(t, Continuously)
	c.run(time.Second)
	c.flow(0, "f", "1")
	c.run(time.Second)
	n := c.nodes[1]
	for range 100 {
		c.now = c.now.Add(time.Millisecond)
		n.stack.takeover.Tick(c.now, &n.out.takeover)
		n.stack.settle(c.now, &n.out)
	}
	if n.stack.Active().Known() || n.stack.Owning() {
		t.Fatal("the standby does not miss its active, or has taken over already")
	}
	c.kill(0)
	c.close(1, "f")
	c.run(time.Second)
	c.wantTable(1, map[string]string{"f": "1"})
}

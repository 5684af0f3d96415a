package stack

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// node is a stack with a table and an address, as a service would give it.
type node struct {
	stack *Stack
	life  view.Incarnation
	table map[string]string
	holds bool
	up    bool
	slow  bool // a reading of the table takes longer than the test
	out   Output
	inbox []arrival
}

type arrival struct {
	from  view.Member
	link  uint8
	frame []byte
}

// cluster is two nodes in virtual time on a perfect network.
type cluster struct {
	t       *testing.T
	now     time.Time
	inject  Inject
	nodes   [2]*node
	cut     bool
	foreign bool // node 2 boots as a member of another cluster
	seen    []trace.Event
}

func newCluster(t *testing.T, inject Inject) *cluster {
	c := &cluster{t: t, now: time.Unix(1000, 0), inject: inject}
	for i := range c.nodes {
		c.nodes[i] = &node{table: map[string]string{}}
	}
	for i := range c.nodes {
		c.boot(i)
	}
	return c
}

// boot starts a life of node i; its table is what it was.
func (c *cluster) boot(i int) {
	n := c.nodes[i]
	n.life++
	name, fingerprint := "test", uint32(7)
	if c.foreign && i == 1 {
		name, fingerprint = "other", 8
	}
	s, err := New(Config{
		Self: view.Member{ID: view.ID(i + 1), Incarnation: n.life}, Cluster: name,
		Members: []Member{{1, "a", 150}, {2, "b", 100}}, Fingerprint: fingerprint, Links: 2,
		Heartbeat: 10 * time.Millisecond, SuspectAfter: 50 * time.Millisecond,
		Inject: c.inject, Coalesce: 2 * time.Millisecond,
		Recorder: trace.RecorderFunc(func(e trace.Event) { c.seen = append(c.seen, e) }),
	}, Recovered{}, rand.New(rand.NewPCG(uint64(i), uint64(n.life))))
	if err != nil {
		c.t.Fatal(err)
	}
	n.stack, n.up, n.inbox = s, true, nil
	n.stack.Start(c.now, &n.out)
	c.do(i)
}

func (c *cluster) kill(i int) { c.nodes[i].up, c.nodes[i].holds = false, false }

// do carries out what node i asks, as a service that needs no time.
func (c *cluster) do(i int) {
	n := c.nodes[i]
	for !n.out.Empty() {
		work := append([]Command(nil), n.out.Do...)
		n.out.Send(func(e wire.Envelope) {
			if c.cut || !c.nodes[e.To-1].up {
				return
			}
			links := []uint8{e.Link}
			if e.Link == wire.AllLinks {
				links = []uint8{1}
			}
			for _, l := range links {
				c.nodes[e.To-1].inbox = append(c.nodes[e.To-1].inbox, arrival{
					view.Member{ID: view.ID(i + 1), Incarnation: n.life}, l, append([]byte(nil), e.Frame...)})
			}
		})
		for k := range work {
			work[k].Key, work[k].State = append([]byte(nil), work[k].Key...), append([]byte(nil), work[k].State...)
		}
		n.out.Reset()
		for _, w := range work {
			c.carryOut(n, w)
		}
	}
}

func (c *cluster) carryOut(n *node, w Command) {
	switch w.Verb {
	case Put, Change:
		n.table[string(w.Key)] = string(w.State)
	case Create:
		if _, ok := n.table[string(w.Key)]; !ok {
			n.table[string(w.Key)] = string(w.State)
		}
	case Remove:
		delete(n.table, string(w.Key))
	case Commit:
		n.stack.Committed(c.now, w.Epoch, &n.out)
	case Raise:
		n.holds = true
		n.stack.Raised(c.now, w.Epoch, &n.out)
	case Lower:
		n.holds = false
		n.stack.Lowered(c.now, w.Epoch, &n.out)
	case Dump:
		if n.slow {
			return
		}
		for k, v := range n.table {
			n.stack.Found(c.now, []byte(k), []byte(v), &n.out)
		}
		n.stack.Dumped(true)
	}
}

func (c *cluster) run(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); c.now = c.now.Add(time.Millisecond) {
		for i, n := range c.nodes {
			if !n.up {
				continue
			}
			in := n.inbox
			n.inbox = nil
			for _, a := range in {
				n.stack.Receive(c.now, a.from, a.link, a.frame, &n.out)
				c.do(i)
			}
			for range 1000 {
				if at := n.stack.Deadline(); at.IsZero() || at.After(c.now) {
					break
				}
				n.stack.Tick(c.now, &n.out)
				c.do(i)
			}
		}
	}
}

// flow makes node i's table change by traffic.
func (c *cluster) flow(i int, key, state string) {
	c.nodes[i].table[key] = state
	c.nodes[i].stack.Changed(c.now, []byte(key), []byte(state))
}

func (c *cluster) close(i int, key string) {
	delete(c.nodes[i].table, key)
	c.nodes[i].stack.Gone(c.now, []byte(key), &c.nodes[i].out)
	c.do(i)
}

func (c *cluster) wantRoles(want ...takeover.Role) {
	c.t.Helper()
	for i, r := range want {
		if got := c.nodes[i].stack.Role(); got != r {
			c.t.Errorf("node %d is %v, want %v", i+1, got, r)
		}
		if holds := c.nodes[i].holds; holds != (r == takeover.Active) {
			c.t.Errorf("node %d is %v and holds=%v", i+1, r, holds)
		}
	}
}

func (c *cluster) wantTable(i int, want map[string]string) {
	c.t.Helper()
	if fmt.Sprint(c.nodes[i].table) != fmt.Sprint(want) {
		c.t.Errorf("node %d's table is %v, want %v", i+1, c.nodes[i].table, want)
	}
}

func TestTheStandbyTakesOverWithAllState(t *testing.T) {
	for _, inject := range []Inject{Continuously, AtTakeover} {
		c := newCluster(t, inject)
		c.run(time.Second)
		c.wantRoles(takeover.Active, takeover.Standby)
		flows := map[string]string{}
		for i := range 3000 {
			k := fmt.Sprint("flow", i)
			c.flow(0, k, "established")
			flows[k] = "established"
		}
		c.run(time.Second)
		if inject == Continuously {
			c.wantTable(1, flows)
		} else {
			c.wantTable(1, map[string]string{})
		}
		c.kill(0)
		c.run(time.Second)
		if !c.nodes[1].holds {
			t.Fatal("nobody took over")
		}
		c.wantTable(1, flows)

		// The dead node comes back with an old table: it follows, and mirrors.
		c.close(1, "flow0")
		delete(flows, "flow0")
		c.nodes[0].table["leftover"] = "1"
		c.boot(0)
		c.run(time.Second)
		c.wantRoles(takeover.Standby, takeover.Active)
		c.wantTable(1, flows)
		if inject == Continuously {
			c.wantTable(0, flows)
		} else {
			c.wantTable(0, map[string]string{})
		}
		if p := c.nodes[1].stack.Status(c.now).Peers[0].Proof; p.State != stateproxy.Proven {
			t.Errorf("the new active's peer is %v", p.State)
		}
	}
}

func TestRestartWithinTheDetectionTimeLosesNothing(t *testing.T) {
	for _, inject := range []Inject{Continuously, AtTakeover} {
		c := newCluster(t, inject)
		c.run(time.Second)
		c.flow(0, "f", "1")
		c.run(time.Second)
		c.kill(0)
		c.nodes[0].table = map[string]string{}
		c.boot(0)
		c.run(time.Second)
		c.wantRoles(takeover.Standby, takeover.Active)
		c.wantTable(1, map[string]string{"f": "1"})
	}
}

func TestSwitchLosesNothing(t *testing.T) {
	for _, inject := range []Inject{Continuously, AtTakeover} {
		c := newCluster(t, inject)
		c.run(time.Second)
		want := map[string]string{}
		step := func(i, n int) {
			k := fmt.Sprint("f", n)
			c.flow(i, k, "1")
			want[k] = "1"
			c.run(time.Millisecond)
		}
		for n := range 100 {
			step(0, n)
		}
		if err := c.nodes[0].stack.Switch(c.now, view.Nobody, &c.nodes[0].out); err != nil {
			t.Fatal(err)
		}
		c.do(0)
		for n := range 100 { // packets go on coming to the old active for a while
			step(0, 100+n)
		}
		c.run(2 * time.Second)
		c.wantRoles(takeover.Standby, takeover.Active)
		c.wantTable(1, want)
		c.flow(1, "later", "1")
		want["later"] = "1"
		c.run(time.Second)
		if inject == Continuously {
			c.wantTable(0, want)
		}
	}
}

func TestTwoActivesBecomeOne(t *testing.T) {
	c := newCluster(t, Continuously)
	c.run(time.Second)
	c.flow(0, "old", "1")
	c.run(time.Second)
	c.cut = true
	c.run(time.Second)
	c.flow(0, "lost", "1")
	c.flow(1, "kept", "1")
	c.run(time.Second)
	c.cut = false
	c.run(2 * time.Second)
	c.wantRoles(takeover.Standby, takeover.Active)
	c.wantTable(0, map[string]string{"old": "1", "kept": "1"})
	c.wantTable(1, map[string]string{"old": "1", "kept": "1"})
}

func TestForeignPeersAreRefusedByName(t *testing.T) {
	c := newCluster(t, Continuously)
	c.foreign = true
	c.boot(1)
	c.run(3 * time.Second)
	c.wantRoles(takeover.Active, takeover.Active)
	want := `it says that it is "b" of cluster "other"; this is cluster "test"`
	if why := c.nodes[0].stack.Status(c.now).Peers[0].Refused; why != want {
		t.Errorf("refused: %q, want %q", why, want)
	}
	if n := c.nodes[0].stack.Status(c.now).Dropped[wire.ForeignCluster]; n == 0 {
		t.Error("no frame was dropped as foreign")
	}
}

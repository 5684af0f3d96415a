package detect

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// cluster runs machines in virtual time on one goroutine, with a network between them.
type cluster struct {
	t     testing.TB
	begin time.Time
	now   time.Time
	nodes []*node // by ID, from 1

	links   int
	perfect bool
	rng     *rand.Rand

	delay time.Duration
	loss  float64
	cut   map[[3]int]bool // from, to, link; link 0: all

	due simnet.Heap[func()]

	record func(trace.Event)
	change func(n *node, c Change)
	tap    func(n *node, from view.ID) // what is delivered
}

// node is one process: a machine, and what it is in.
type node struct {
	id     view.ID
	m      *Machine
	life   view.Incarnation
	up     bool
	skew   time.Duration // of its clock
	jitter time.Duration // at most, on top of the delay of each of its frames
	paused time.Time     // until then it is not run
	inbox  []packet
}

type packet struct {
	from view.Member
	link uint8
	data []byte
}

func newCluster(t testing.TB, members, links int) *cluster {
	c := &cluster{
		t: t, begin: time.Unix(1000000000, 0).UTC(), links: links, delay: 200 * time.Microsecond,
		cut: map[[3]int]bool{}, rng: rand.New(rand.NewPCG(1, 2)),
		record: func(trace.Event) {}, change: func(*node, Change) {}, tap: func(*node, view.ID) {},
	}
	c.now = c.begin
	for i := range members {
		c.nodes = append(c.nodes, &node{id: view.ID(i + 1)})
	}
	return c
}

const (
	testHeartbeat = 100 * time.Millisecond
	testSuspect   = 500 * time.Millisecond
)

// start begins a new life of a node.
func (c *cluster) start(n *node) {
	n.life++
	cfg := Config{
		Self: view.Member{ID: n.id, Incarnation: n.life}, Links: c.links,
		Heartbeat: testHeartbeat, SuspectAfter: testSuspect, Perfect: c.perfect,
		Recorder: trace.RecorderFunc(func(e trace.Event) { c.record(e) }),
	}
	for _, peer := range c.nodes {
		if peer != n {
			cfg.Peers = append(cfg.Peers, peer.id)
		}
	}
	m, err := New(cfg, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	n.m, n.up, n.inbox, n.paused = m, true, nil, time.Time{}
	c.step(n, func(now time.Time, out *Output) { m.Start(now, out) })
}

func (c *cluster) after(d time.Duration, do func()) {
	c.due.Push(c.now.Add(d).Sub(c.begin), do)
}

// step makes one call to a machine, with the time as its node has it, and carries out
// what it puts out.
func (c *cluster) step(n *node, call func(now time.Time, out *Output)) {
	var out Output
	call(c.now.Add(n.skew), &out)
	for _, e := range out.Send {
		c.post(n, e)
	}
	for _, change := range out.Changes {
		if n.m.Trusts(change.Peer) == change.Suspected {
			c.t.Fatalf("%v: after %+v, Trusts says %v", n.id, change, !change.Suspected)
		}
		c.change(n, change)
	}
}

func (c *cluster) post(n *node, e wire.Envelope) {
	_, payload, why := wire.Open(e.Frame)
	if why != wire.OK || e.Link == wire.AllLinks {
		c.t.Fatalf("%v sent a bad envelope: %v, link %d", n.id, why, e.Link)
	}
	if c.cut[[3]int{int(n.id), int(e.To), int(e.Link)}] || c.cut[[3]int{int(n.id), int(e.To), 0}] ||
		c.loss > 0 && c.rng.Float64() < c.loss {
		return
	}
	late := c.delay
	if n.jitter > 0 {
		late += time.Duration(c.rng.Int64N(int64(n.jitter)))
	}
	p := packet{view.Member{ID: n.id, Incarnation: n.life}, e.Link, append([]byte(nil), payload...)}
	to := c.nodes[e.To-1]
	life := to.life
	c.after(late, func() {
		if to.up && to.life >= life {
			c.deliver(to, p)
		}
	})
}

func (c *cluster) deliver(n *node, p packet) {
	if c.now.Before(n.paused) {
		n.inbox = append(n.inbox, p)
		return
	}
	c.tap(n, p.from.ID)
	c.step(n, func(now time.Time, out *Output) { n.m.Receive(now, p.from, p.link, p.data, out) })
}

// pause keeps a node from being run; what is sent to it waits in its socket.
func (c *cluster) pause(n *node, d time.Duration) {
	n.paused = c.now.Add(d)
	life := n.life
	c.after(d, func() {
		if !n.up || n.life != life {
			return
		}
		c.step(n, func(now time.Time, out *Output) { n.m.Tick(now, out) })
		for _, p := range n.inbox {
			c.deliver(n, p)
		}
		n.inbox = nil
	})
}

// run lets time pass.
func (c *cluster) run(d time.Duration) {
	end := c.now.Add(d)
	for still := 0; ; still++ {
		at, n := c.next()
		if at.After(end) {
			c.now = end
			return
		}
		if at.After(c.now) {
			still = 0
		} else if still > 10000 {
			c.t.Fatalf("time stands still at %v", c.now)
		}
		c.now = at
		if n == nil {
			_, do := c.due.Pop()
			do()
			continue
		}
		c.step(n, func(now time.Time, out *Output) { n.m.Tick(now, out) })
	}
}

// next is the next thing to happen: a node's deadline, or else what is due.
func (c *cluster) next() (time.Time, *node) {
	at, who := c.now.Add(time.Hour), (*node)(nil)
	if due, ok := c.due.Next(); ok {
		at = c.begin.Add(due)
	}
	for _, n := range c.nodes {
		if !n.up || c.now.Before(n.paused) {
			continue
		}
		if d := n.m.Deadline().Add(-n.skew); d.Before(at) {
			if at, who = d, n; d.Before(c.now) {
				at = c.now
			}
		}
	}
	return at, who
}

package takeover

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// cluster runs machines in virtual time on one goroutine: a network between them and
// a service under each.
type cluster struct {
	t     testing.TB
	begin time.Time
	now   time.Time
	nodes []*node // by ID, from 1

	links    int
	preempt  bool
	remember bool // a new life knows the epoch of the former one
	rng      *rand.Rand

	delay  time.Duration // of every frame
	jitter time.Duration // at most, on top
	loss   float64
	cut    map[[3]int]bool // from, to, link; link 0: all

	due simnet.Heap[func()]

	record func(trace.Event)
	tell   func(n *node, what string)
	obey   func(n *node, c Command)
	frames int
	bytes  int
}

// node is one host: a machine, its service, and what they are in.
type node struct {
	id       view.ID
	m        *Machine
	life     view.Incarnation
	up       bool
	priority uint8
	epoch    view.Epoch // remembered
	down     int

	paused time.Time // until then it is not run
	inbox  []packet

	service   map[Verb]time.Duration // how long it takes; negative: until it is mended
	work      []Command              // that it has yet to do, one after the other
	stuck     bool                   // it does nothing until it is mended
	holding   bool                   // addresses, from the beginning of raise to the end of lower
	committed view.Epoch

	unsynced  bool // does not become synced by itself
	unproven  bool // does not prove its peers by itself
	recording bool
	tape      []packet // what was sent to it, while recording
}

type packet struct {
	from view.Member
	link uint8
	data []byte
}

func newCluster(t testing.TB, priorities ...uint8) *cluster {
	c := &cluster{
		t: t, begin: time.Unix(1000000000, 0).UTC(), links: 1,
		delay: 200 * time.Microsecond, cut: map[[3]int]bool{},
		record: func(trace.Event) {}, tell: func(*node, string) {}, obey: func(*node, Command) {},
	}
	c.now = c.begin
	for i, p := range priorities {
		c.nodes = append(c.nodes, &node{
			id: view.ID(i + 1), priority: p,
			service: map[Verb]time.Duration{Commit: time.Millisecond, Raise: time.Millisecond, Lower: time.Millisecond},
		})
	}
	return c
}

func (c *cluster) after(d time.Duration, do func()) {
	c.due.Push(c.now.Add(d).Sub(c.begin), do)
}

// start begins a new life of a node.
func (c *cluster) start(n *node) {
	cfg := Config{
		Self: view.Member{ID: n.id, Incarnation: n.life + 1}, Links: c.links,
		Heartbeat: 10 * time.Millisecond, SuspectAfter: 50 * time.Millisecond, Preempt: c.preempt,
		Recorder: trace.RecorderFunc(func(e trace.Event) { c.record(e) }),
	}
	for _, peer := range c.nodes {
		cfg.Members = append(cfg.Members, Candidate{ID: peer.id, Priority: peer.priority})
	}
	from := Recovered{}
	if n.m != nil {
		n.epoch = n.m.Status().Highest
	}
	if c.remember {
		from.Epoch = n.epoch
	}
	m, err := New(cfg, from, c.rng)
	if err != nil {
		c.t.Fatal(err)
	}
	n.m, n.up, n.holding, n.inbox, n.paused = m, true, false, nil, time.Time{}
	n.work, n.stuck, n.committed = nil, false, 0
	n.life++
	c.step(n, func(out *Output) {
		m.Health(c.now, n.down, out)
		m.Start(c.now, out)
	})
}

// crash ends a node's life: addresses of a dead host are held by nobody.
func (c *cluster) crash(n *node) {
	n.up, n.holding, n.inbox = false, false, nil
}

// step makes one call to a machine and carries out what it asks for.
func (c *cluster) step(n *node, call func(*Output)) {
	var out Output
	was := n.m.Role()
	call(&out)
	for _, e := range out.Send {
		c.post(n, e)
	}
	for _, command := range out.Deliver {
		c.serve(n, command)
	}
	if is := n.m.Role(); is != was {
		c.tell(n, fmt.Sprintf("is %v", is))
	}
	c.attend(n)
}

// attend is what the state proxy would tell: a standby is synced a while after it has
// found an active, and an active proves its peers at once.
func (c *cluster) attend(n *node) {
	s := n.m
	switch {
	case s.Role() == Standby && s.Active().ID != view.Nobody && !s.synced && !n.unsynced:
		life := n.life
		n.unsynced = true
		c.after(20*time.Millisecond, func() {
			if n.unsynced = false; n.up && n.life == life {
				c.step(n, func(out *Output) { s.Synced(c.now, true, out) })
			}
		})
	case s.Role() == Active || s.Role() == Draining:
		for i := range s.peers {
			if p := &s.peers[i]; p.alive && !p.proven && !n.unproven {
				c.step(n, func(out *Output) { s.Proven(c.now, p.id, true, out) })
			}
		}
	}
}

func (c *cluster) post(n *node, e wire.Envelope) {
	c.frames++
	c.bytes += len(e.Frame)
	_, payload, why := wire.Open(e.Frame)
	if why != wire.OK || e.Link == wire.AllLinks {
		c.t.Fatalf("%v sent a bad envelope: %v, link %d", n.id, why, e.Link)
	}
	if c.cut[[3]int{int(n.id), int(e.To), int(e.Link)}] || c.cut[[3]int{int(n.id), int(e.To), 0}] ||
		c.loss > 0 && c.rng.Float64() < c.loss {
		return
	}
	late := c.delay
	if c.jitter > 0 {
		late += time.Duration(c.rng.Int64N(int64(c.jitter)))
	}
	p := packet{view.Member{ID: n.id, Incarnation: n.life}, e.Link, append([]byte(nil), payload...)}
	to := c.nodes[e.To-1]
	if to.recording {
		to.tape = append(to.tape, p)
	}
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
	c.step(n, func(out *Output) { n.m.Receive(c.now, p.from, p.link, p.data, out) })
}

// serve carries a command out, as the service would.
func (c *cluster) serve(n *node, command Command) {
	c.obey(n, command)
	why := ""
	if command.Reason != None {
		why = fmt.Sprintf(" (%v)", command.Reason)
	}
	c.tell(n, fmt.Sprintf("-> %v %d%s", command.Verb, command.Epoch, why))
	if command.Verb != Announce {
		n.work = append(n.work, command)
		if len(n.work) == 1 {
			c.labour(n)
		}
	}
}

// labour has the service carry out the oldest command; the others wait for it.
func (c *cluster) labour(n *node) {
	took, life := n.service[n.work[0].Verb], n.life
	n.holding = n.holding || n.work[0].Verb == Raise
	if n.stuck = took < 0; n.stuck {
		return
	}
	var done func()
	done = func() {
		switch {
		case !n.up || n.life != life:
		case c.now.Before(n.paused):
			c.after(n.paused.Sub(c.now), done)
		default:
			command := n.work[0]
			n.work = n.work[1:]
			switch command.Verb {
			case Commit:
				n.committed = command.Epoch
			case Lower:
				n.holding = false
			}
			if len(n.work) > 0 {
				c.labour(n)
			}
			c.confirm(n, command)
		}
	}
	c.after(took, done)
}

func (c *cluster) confirm(n *node, command Command) {
	c.step(n, func(out *Output) {
		switch command.Verb {
		case Commit:
			n.m.Committed(c.now, command.Epoch, out)
		case Raise:
			n.m.Raised(c.now, command.Epoch, out)
		case Lower:
			n.m.Lowered(c.now, command.Epoch, out)
		}
	})
}

// pause keeps a node from being run; what is sent to it waits in its socket.
func (c *cluster) pause(n *node, d time.Duration) {
	n.paused = c.now.Add(d)
	life := n.life
	c.after(d, func() {
		if !n.up || n.life != life {
			return
		}
		c.step(n, func(out *Output) { n.m.Tick(c.now, out) })
		for _, p := range n.inbox {
			c.deliver(n, p)
		}
		n.inbox = nil
	})
}

// run lets time pass.
func (c *cluster) run(d time.Duration) {
	end := c.now.Add(d)
	for {
		at, n := c.next()
		if at.After(end) {
			c.now = end
			return
		}
		c.now = at
		if n == nil {
			_, do := c.due.Pop()
			do()
			continue
		}
		c.step(n, func(out *Output) { n.m.Tick(c.now, out) })
		if again := n.m.Deadline(); !again.IsZero() && !again.After(c.now) {
			c.t.Fatalf("%v: Tick at %v leaves the deadline at %v: %+v", n.id, c.now, again, n.m)
		}
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
		if d := n.m.Deadline(); !d.IsZero() && d.Before(at) {
			at, who = later(d, c.now), n
		}
	}
	return at, who
}

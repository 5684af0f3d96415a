package pair

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// cluster runs two members and their clients in virtual time on one goroutine, with a
// network between them, an arbiter, and a disk under each.
type cluster struct {
	t       testing.TB
	begin   time.Time
	now     time.Time
	nodes   []*node
	clients []*client
	rng     *rand.Rand
	policy  Policy
	known   bool       // members have a disk
	granted view.Epoch // by the arbiter
	random  bool       // the service draws numbers
	careful bool       // nobody crashes at a trap who has what nobody else has

	lease           time.Duration // of clients' sessions
	delay, jitter   time.Duration
	loss, duplicate float64
	cut             map[[2]int]bool // from, to; clients are 3 and on
	deaf            bool            // nobody reaches the arbiter

	due    dues
	serial int
	court  *service.Court
	most   uint64 // the last command that the court was told of in this life of the service
	lost   bool   // a state with answers in it was given up
	halted bool
	frames int

	record func(trace.Event)
	tell   func(who, what string)
}

// node is one host.
type node struct {
	id     view.ID
	c      *cluster
	m      *Machine
	out    Output
	exec   *session.Executor
	state  *register
	life   view.Incarnation
	up     bool
	paused time.Time
	inbox  []func()
	disk   view.Epoch
	broken bool // the disk
	trap   string
	trapAt int

	damaged bool   // a bit of its state has flipped
	reports bool   // it has a state that counts
	last    uint64 // the last command the court was told of
	named   []uint64
}

type due struct {
	at     time.Time
	serial int
	do     func()
}

type dues []due

func (d dues) Len() int { return len(d) }
func (d dues) Less(i, j int) bool {
	return d[i].at.Before(d[j].at) || d[i].at.Equal(d[j].at) && d[i].serial < d[j].serial
}
func (d dues) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *dues) Push(x any)   { *d = append(*d, x.(due)) }
func (d *dues) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

func newCluster(t testing.TB, clients int, judges ...service.Judge) *cluster {
	c := &cluster{
		t: t, begin: time.Unix(1000000000, 0).UTC(), policy: Prefer, known: true,
		lease: time.Minute, delay: 200 * time.Microsecond, cut: map[[2]int]bool{}, rng: rand.New(rand.NewPCG(1, 1)),
		record: func(trace.Event) {}, tell: func(string, string) {}, court: service.NewCourt(judges...),
	}
	c.now = c.begin
	for i := range 2 {
		c.nodes = append(c.nodes, &node{id: view.ID(i + 1), c: c})
	}
	for i := range clients {
		c.clients = append(c.clients, &client{c: c, number: i + 1, server: 1, nonce: uint64(i + 1)})
	}
	return c
}

// without leaves a judge out, where its promise cannot be kept and that is known.
func without(promise string, judges []service.Judge) []service.Judge {
	return slices.DeleteFunc(judges, func(j service.Judge) bool { return j.Promise() == promise })
}

func (c *cluster) after(d time.Duration, do func()) {
	c.serial++
	heap.Push(&c.due, due{c.now.Add(d), c.serial, do})
}

func (c *cluster) hear(f *service.Fact) {
	f.At = c.now.Sub(c.begin)
	c.court.Hear(f)
}

func (c *cluster) post(from, to int, do func()) {
	if from <= 2 && to <= 2 {
		c.frames++
	}
	copies := 1
	if c.duplicate > 0 && c.rng.Float64() < c.duplicate {
		copies = 2
	}
	for range copies {
		if c.cut[[2]int{from, to}] || c.loss > 0 && c.rng.Float64() < c.loss {
			continue
		}
		late := c.delay
		if c.jitter > 0 {
			late += time.Duration(c.rng.Int64N(int64(c.jitter)))
		}
		c.after(late, do)
	}
}

// self is a member as the court knows it.
func (n *node) self() view.Member { return view.Member{ID: n.id, Incarnation: n.life} }

// start begins a new life, which has forgotten everything but what is on its disk.
func (c *cluster) start(n *node) {
	n.life++
	n.state = &register{random: c.random, rng: c.rng}
	n.exec = session.NewExecutor(n.state)
	n.state.index = n.exec.Index
	m, err := New(Config{
		Self: n.self(), Peer: 3 - n.id, Preferred: 1, Policy: c.policy, Executor: n.exec,
		Recorder: trace.RecorderFunc(func(e trace.Event) { c.record(e) }),
	}, Recovered{c.known, n.disk})
	if err != nil {
		c.t.Fatal(err)
	}
	n.m, n.up, n.paused, n.inbox, n.trap, n.reports, n.last, n.named, n.damaged = m, true, time.Time{}, nil, "", false, 0, nil, false
	c.step(n, func(out *Output) { m.Start(c.now, out) })
}

func (c *cluster) crash(n *node) {
	n.up, n.inbox = false, nil
	c.hear(&service.Fact{Kind: service.Fell, Node: n.self()})
	c.tell(n.id.String(), "crashes")
}

// later lets a node do something when it is run, in this life.
func (c *cluster) later(n *node, do func()) func() {
	life := n.life
	return func() {
		switch {
		case !n.up || n.life != life:
		case c.now.Before(n.paused):
			n.inbox = append(n.inbox, do)
		default:
			do()
		}
	}
}

// sprung says whether a node crashes at this point.
func (c *cluster) sprung(n *node, point string) bool {
	if n.trap != point {
		return false
	}
	if n.trapAt--; n.trapAt > 0 {
		return false
	}
	n.trap = ""
	if c.careful && !mayFall(n) {
		return false
	}
	c.crash(n)
	return true
}

// step makes one call to a machine and carries out what it asks for.
func (c *cluster) step(n *node, call func(*Output)) {
	n.out.Reset()
	was := n.m.role
	call(&n.out)
	n.report()
	for _, d := range n.out.Do {
		c.obey(n, d)
	}
	if is := n.m.role; is != was {
		c.tell(n.id.String(), fmt.Sprintf("is %v, epoch %d", is, n.m.epoch))
	}
	if e := n.out.Save; e != 0 {
		c.after(c.delay, c.later(n, func() {
			err := error(nil)
			if n.disk = max(n.disk, e); n.broken {
				err = errors.New("the disk is broken")
			}
			c.step(n, func(out *Output) { n.m.Persisted(c.now, e, err, out) })
		}))
	}
	for _, r := range n.out.Replies {
		if c.sprung(n, "answer-before") {
			return
		}
		if p, _ := session.ParseReply(r.Data); !p.Status.Later() {
			c.tell(n.id.String(), fmt.Sprintf("answers c%d", r.To))
		}
		to, data := c.clients[r.To-1], append([]byte(nil), r.Data...)
		c.post(int(n.id), 2+to.number, func() { to.receive(data) })
		if c.sprung(n, "answer-after") {
			return
		}
	}
	for _, e := range n.out.Send {
		_, payload, why := wire.Open(e.Frame)
		if why != wire.OK {
			c.t.Fatalf("a bad frame: %v", why)
		}
		kind := map[byte]string{kindPiece: "piece", kindStatement: "statement"}[payload[0]]
		if c.sprung(n, kind+"-before") {
			return
		}
		c.send(n, c.nodes[e.To-1], append([]byte(nil), payload...))
		if c.sprung(n, kind+"-after") {
			return
		}
	}
}

func (c *cluster) send(n, to *node, payload []byte) {
	from := n.self()
	c.post(int(n.id), int(to.id), func() {
		if to.up {
			c.later(to, func() {
				if payload[0] == kindPiece && c.sprung(to, "receive") {
					return
				}
				c.step(to, func(out *Output) { to.m.Receive(c.now, from, payload, out) })
			})()
		}
	})
}

// obey does what the machine asks of its owner, and hears what it tells.
func (c *cluster) obey(n *node, d Command) {
	c.tell(n.id.String(), sentence(&d))
	switch d.Verb {
	case Ask:
		c.post(int(n.id), 0, func() {
			if c.deaf {
				return
			}
			yes := c.granted <= d.Base || c.granted == d.Epoch
			if yes {
				c.granted = d.Epoch
			}
			c.post(0, int(n.id), c.later(n, func() {
				c.step(n, func(out *Output) { n.m.Arbitrated(c.now, d.Epoch, yes, out) })
			}))
		})
	case Lost:
		c.lost = c.lost || d.Answered != 0
	case Diverged:
		if n.m.role != Empty {
			n.named = append(n.named, d.Index)
			n.report()
		}
	case Halted:
		c.halted = true
		if d.Err != nil { // it is out of the service, and not since replicas differ
			n.reports = false
			c.hear(&service.Fact{Kind: service.Fell, Node: n.self()})
			return
		}
		c.hear(&service.Fact{Kind: service.Halted, Node: n.self(), Index: d.Index})
	}
}

// report tells the court what a member has executed, as far as it is in the agreed order: what
// the primary alone has, nobody was answered.
func (n *node) report() {
	c := n.c
	for _, d := range n.out.Do {
		if d.Verb == Founded && c.most > 0 {
			c.most = 0
			c.hear(&service.Fact{Kind: service.Perished})
		}
		if d.Verb == Founded || d.Verb == Paired && !n.reports {
			n.reports, n.last, n.damaged = true, d.Index, false
			c.hear(&service.Fact{Kind: service.Restored, Node: n.self(), Index: n.last, State: n.state.sumAt(n.last)})
		}
	}
	if !n.reports {
		return
	}
	upto := n.m.Stable()
	if n.m.role == Empty && n.state.led == 0 || n.m.role == Halting {
		upto = n.exec.Index() // a backup that has found that it differs
	}
	for n.last < upto {
		n.last++
		c.most = max(c.most, n.last)
		f := n.state.fact(n.self(), n.last)
		c.hear(&f)
	}
	n.state.led = 0
	if n.m.role == Primary {
		n.state.led = 1
	}
	for len(n.named) > 0 && n.named[0] <= n.last {
		c.hear(&service.Fact{Kind: service.Named, Node: n.self(), Peer: c.nodes[2-n.id].self(), Index: n.named[0]})
		n.named = n.named[1:]
	}
	if n.m.role == Empty {
		n.reports = false
		c.hear(&service.Fact{Kind: service.Fell, Node: n.self()})
	}
}

func (c *cluster) pause(n *node, d time.Duration) {
	n.paused = c.now.Add(d)
	life := n.life
	c.after(d, func() {
		if !n.up || n.life != life {
			return
		}
		c.step(n, func(out *Output) { n.m.Tick(c.now, out) })
		inbox := n.inbox
		n.inbox = nil
		for _, do := range inbox {
			c.later(n, do)()
		}
	})
}

// run lets time pass.
func (c *cluster) run(d time.Duration) {
	end, steps := c.now.Add(d), 0
	for c.court.Violation() == nil {
		at, n := c.next()
		if at.After(end) {
			break
		}
		if at.After(c.now) {
			steps = 0
		}
		if steps++; steps > 5000 {
			c.t.Fatalf("a storm at %v", c.now.Sub(c.begin))
		}
		c.now = at
		if n == nil {
			heap.Pop(&c.due).(due).do()
			continue
		}
		c.step(n, func(out *Output) { n.m.Tick(c.now, out) })
		if again := n.m.Deadline(); n.up && !again.After(c.now) {
			c.t.Fatalf("%v: Tick at %v leaves the deadline at %v: %+v", n.id, c.now, again, n.m.State())
		}
	}
	c.now = end
}

// next is the next thing to happen: a node's deadline, or else what is due.
func (c *cluster) next() (time.Time, *node) {
	at, who := c.now.Add(time.Hour), (*node)(nil)
	if len(c.due) > 0 {
		at = c.due[0].at
	}
	for _, n := range c.nodes {
		if !n.up || c.now.Before(n.paused) {
			continue
		}
		if d := n.m.Deadline(); !d.IsZero() && d.Before(at) {
			at, who = d, n
			if d.Before(c.now) {
				at = c.now
			}
		}
	}
	return at, who
}

// sentence says in words what a machine asks for or tells.
func sentence(d *Command) string {
	s := d.Verb.String()
	for _, f := range []struct {
		name  string
		value uint64
	}{{"base", uint64(d.Base)}, {"epoch", uint64(d.Epoch)}, {"index", d.Index}, {"last", d.Last}, {"answered", d.Answered}} {
		if f.value != 0 {
			s += fmt.Sprintf(" %s=%d", f.name, f.value)
		}
	}
	if d.Request != nil {
		if r, why := session.ParseRequest(d.Request); why == wire.OK {
			s += fmt.Sprintf(" (call %d of session %d)", r.Number, r.Session)
		}
	}
	if d.Err != nil {
		s += ": " + d.Err.Error()
	}
	return "-> " + s
}

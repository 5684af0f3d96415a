package checkpointed

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/internal/sim/stage"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// cluster is two members and a disk that both reach.
type cluster struct {
	stage.Stage
	t      testing.TB
	nodes  []*node
	disk   disk
	random bool // the service draws numbers
	every  time.Duration
	halted bool
}

// node is one host.
type node struct {
	stage.Host
	c     *cluster
	m     *Machine
	out   Output
	exec  *session.Executor
	state *register.Witnessed

	queue   []write // for the disk
	busy    bool    // the disk is at the first
	severed bool    // it does not reach the disk
	broken  bool    // it has a disk that fails
	reports bool    // it serves
	last    uint64  // the last command the court was told of
}

// theDisk is the disk as the court knows it: a replica that has executed what is recorded there.
var theDisk = view.Member{ID: 9, Incarnation: 1}

// disk is what both reach.
type disk struct {
	epoch      view.Epoch
	writes     uint64
	index      uint64
	checkpoint []byte
	entries    []entry
	last       uint64
}

type entry struct {
	index uint64
	data  []byte
}

// write is an operation on its way, and what the court is told when it is done.
type write struct {
	op   Operation
	fact service.Fact
	life view.Incarnation
}

func newCluster(t testing.TB, clients int, judges ...service.Judge) *cluster {
	c := &cluster{t: t}
	c.Set(t, clients, judges...)
	for range 2 {
		n := &node{c: c}
		c.Add(&n.Host, n)
		c.nodes = append(c.nodes, n)
	}
	return c
}

func (n *node) Tick() { n.c.step(n, func(out *Output) { n.m.Tick(n.c.Now, out) }) }

func (n *node) Deadline() time.Time { return n.m.Deadline() }

func (n *node) Submit(client int, request []byte) {
	n.c.step(n, func(out *Output) { n.m.Submit(n.c.Now, replica.Client(client), request, out) })
}

func (n *node) String() string { return fmt.Sprintf("%+v", n.m.State()) }

// start begins a new life, which has forgotten everything but what is on its disk.
func (c *cluster) start(n *node) {
	n.Boot()
	n.state = &register.Witnessed{}
	if c.random {
		n.state.Chance = c.Rng
	}
	n.exec = session.NewExecutor(n.state)
	n.state.Index = n.exec.Index
	m, err := New(Config{
		Self: n.Self(), Peer: 3 - n.ID, Preferred: 1, Executor: n.exec, Every: c.every,
		Recorder: trace.RecorderFunc(func(e trace.Event) { c.Record(e) }),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	n.m, n.reports, n.last = m, false, 0
	c.step(n, func(out *Output) { m.Start(c.Now, out) })
}

// crash ends a life. Some of what it has given to the disk gets there still.
func (c *cluster) crash(n *node) {
	n.queue = n.queue[:c.Rng.IntN(len(n.queue)+1)]
	c.Crash(&n.Host)
}

// sprung says whether a node crashes at this point.
func (c *cluster) sprung(n *node, point string) bool {
	if !n.Sprung(point) {
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
		c.Tell(n.ID.String(), sentence(&d))
		if d.Verb == replica.Halted {
			c.halted = true
		}
		if d.Verb == replica.Halted && d.Err == nil { // its state is another than the disk's record says
			c.Hear(&service.Fact{Kind: service.Restored, Node: n.Self(), Index: d.Index, State: n.state.SumAt(d.Index)})
			c.Hear(&service.Fact{Kind: service.Halted, Node: n.Self(), Index: d.Index})
		}
	}
	if is := n.m.role; is != was {
		c.Tell(n.ID.String(), fmt.Sprintf("is %v", is))
	}
	for _, op := range n.out.Store {
		if c.sprung(n, names[op.Kind]+"-before") {
			return
		}
		w := write{op: op, life: n.Life}
		w.op.Data = append([]byte(nil), op.Data...)
		if op.Kind == Record {
			w.fact = n.state.Fact(theDisk, op.Index)
		}
		n.queue = append(n.queue, w)
		c.work(n)
		if c.sprung(n, names[op.Kind]+"-after") {
			return
		}
	}
	for _, r := range n.out.Replies {
		if c.sprung(n, "answer-before") {
			return
		}
		if p, _ := session.ParseReply(r.Data); !p.Status.Later() {
			c.Tell(n.ID.String(), fmt.Sprintf("answers c%d", r.To))
		}
		c.Answer(&n.Host, int(r.To), r.Data)
		if c.sprung(n, "answer-after") {
			return
		}
	}
	for _, e := range n.out.Send {
		_, payload, why := wire.Open(e.Frame)
		if why != wire.OK {
			c.t.Fatalf("a bad frame: %v", why)
		}
		c.send(n, c.nodes[e.To-1], append([]byte(nil), payload...))
	}
}

func (c *cluster) send(n, to *node, payload []byte) {
	from := n.Self()
	c.Send(int(n.ID), &to.Host, func() {
		c.step(to, func(out *Output) { to.m.Receive(c.Now, from, payload, out) })
	})
}

var names = [...]string{"", "look", "claim", "load", "record", "checkpoint", "beat"}

// work lets the disk do the oldest operation of a node.
func (c *cluster) work(n *node) {
	if n.busy || len(n.queue) == 0 {
		return
	}
	n.busy = true
	late := c.Delay + time.Duration(c.Rng.Int64N(int64(c.Jitter)+1))
	c.After(late, func() {
		n.busy = false
		if n.severed {
			c.After(5*time.Millisecond, func() { c.work(n) })
			return
		}
		if len(n.queue) == 0 {
			return
		}
		w := n.queue[0]
		n.queue = n.queue[1:]
		for _, r := range c.disk.do(&w, n.broken) {
			if w.op.Kind == Record && r.Err == nil {
				c.Hear(&w.fact)
			}
			if n.Life != w.life {
				continue
			}
			c.After(c.Delay, c.Later(&n.Host, func() {
				if c.sprung(n, names[w.op.Kind]+"-done") {
					return
				}
				c.step(n, func(out *Output) { n.m.Done(c.Now, &r, out) })
			}))
		}
		c.work(n)
	})
}

// do does an operation at the disk.
func (d *disk) do(w *write, broken bool) []Result {
	op := &w.op
	r := Result{Serial: op.Serial}
	if broken {
		r.Err = errors.New("the disk is broken")
		return []Result{r}
	}
	switch op.Kind {
	case Look:
		r.Epoch, r.Writes = d.epoch, d.writes
		return []Result{r}
	case Claim:
		if op.Epoch <= d.epoch {
			r.Err = ErrFenced
		}
		d.epoch = max(d.epoch, op.Epoch)
		r.Epoch = d.epoch
		return []Result{r}
	case Load:
		return d.load(op.Serial)
	}
	if op.Epoch < d.epoch {
		r.Err = ErrFenced
		return []Result{r}
	}
	d.writes++
	switch op.Kind {
	case Record:
		d.entries = append(d.entries, entry{op.Index, op.Data})
		d.last = op.Index
	case Checkpoint:
		d.index, d.checkpoint = op.Index, op.Data
		for len(d.entries) > 0 && d.entries[0].index <= d.index {
			d.entries = d.entries[1:]
		}
	}
	return []Result{r}
}

func (d *disk) load(serial uint64) []Result {
	var all []Result
	for b := d.checkpoint; len(b) > 0; {
		n := min(50, len(b))
		all = append(all, Result{Serial: serial, Part: Piece, Data: b[:n]})
		b = b[n:]
	}
	for _, e := range d.entries {
		all = append(all, Result{Serial: serial, Part: Entry, Index: e.index, Data: e.data})
	}
	return append(all, Result{Serial: serial, Part: End})
}

// report tells the court what a member has executed that is on the disk.
func (n *node) report() {
	c := n.c
	for _, d := range n.out.Do {
		if d.Verb == replica.Founded || d.Verb == replica.Resumed {
			n.reports, n.last = true, d.Index
			c.Hear(&service.Fact{Kind: service.Restored, Node: n.Self(), Index: n.last, State: n.state.Sum()})
		}
	}
	if !n.reports {
		return
	}
	if n.m.role != Primary {
		n.reports = false
		c.Hear(&service.Fact{Kind: service.Fell, Node: n.Self()})
		return
	}
	for n.last < n.m.saved {
		n.last++
		f := n.state.Fact(n.Self(), n.last)
		c.Hear(&f)
	}
}

// sentence says in words what a machine tells.
func sentence(d *replica.Command) string {
	s := fmt.Sprintf("-> %v epoch=%d index=%d", d.Verb, d.Epoch, d.Index)
	if r, why := session.ParseRequest(d.Request); why == wire.OK {
		s += fmt.Sprintf(" (call %d of session %d)", r.Number, r.Session)
	}
	if d.Err != nil {
		s += ": " + d.Err.Error()
	}
	return s
}

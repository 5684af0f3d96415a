package checkpointed

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
// network between them and a disk that both reach.
type cluster struct {
	t       testing.TB
	begin   time.Time
	now     time.Time
	nodes   []*node
	clients []*client
	rng     *rand.Rand
	disk    disk
	random  bool // the service draws numbers
	every   time.Duration

	lease           time.Duration // of clients' sessions
	delay, jitter   time.Duration
	loss, duplicate float64
	cut             map[[2]int]bool // from, to; clients are 3 and on

	due    dues
	serial int
	court  *service.Court
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
	trap   string
	trapAt int

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
		t: t, begin: time.Unix(1000000000, 0).UTC(),
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
		Self: n.self(), Peer: 3 - n.id, Preferred: 1, Executor: n.exec, Every: c.every,
		Recorder: trace.RecorderFunc(func(e trace.Event) { c.record(e) }),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	n.m, n.up, n.paused, n.inbox, n.trap, n.reports, n.last = m, true, time.Time{}, nil, "", false, 0
	c.step(n, func(out *Output) { m.Start(c.now, out) })
}

// crash ends a life. Some of what it has given to the disk gets there still.
func (c *cluster) crash(n *node) {
	n.up, n.inbox = false, nil
	n.queue = n.queue[:c.rng.IntN(len(n.queue)+1)]
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
	c.crash(n)
	return true
}

// step makes one call to a machine and carries out what it asks for.
func (c *cluster) step(n *node, call func(*Output)) {
	n.out.Reset()
	was := n.m.role
	call(&n.out)
	n.report()
	for _, d := range n.out.Told {
		c.tell(n.id.String(), sentence(&d))
		if d.Verb == Halted {
			c.halted = true
		}
		if d.Verb == Halted && d.Err == nil { // its state is another than the disk's record says
			c.hear(&service.Fact{Kind: service.Restored, Node: n.self(), Index: d.Index, State: n.state.sumAt(d.Index)})
			c.hear(&service.Fact{Kind: service.Halted, Node: n.self(), Index: d.Index})
		}
	}
	if is := n.m.role; is != was {
		c.tell(n.id.String(), fmt.Sprintf("is %v", is))
	}
	for _, op := range n.out.Store {
		if c.sprung(n, names[op.Kind]+"-before") {
			return
		}
		w := write{op: op, life: n.life}
		w.op.Data = append([]byte(nil), op.Data...)
		if op.Kind == Record {
			w.fact = n.state.fact(theDisk, op.Index)
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
		c.send(n, c.nodes[e.To-1], append([]byte(nil), payload...))
	}
}

func (c *cluster) send(n, to *node, payload []byte) {
	from := n.self()
	c.post(int(n.id), int(to.id), func() {
		if to.up {
			c.later(to, func() {
				c.step(to, func(out *Output) { to.m.Receive(c.now, from, payload, out) })
			})()
		}
	})
}

var names = [...]string{"", "look", "claim", "load", "record", "checkpoint", "beat"}

// work lets the disk do the oldest operation of a node.
func (c *cluster) work(n *node) {
	if n.busy || len(n.queue) == 0 {
		return
	}
	n.busy = true
	late := c.delay + time.Duration(c.rng.Int64N(int64(c.jitter)+1))
	c.after(late, func() {
		n.busy = false
		if n.severed {
			c.after(5*time.Millisecond, func() { c.work(n) })
			return
		}
		if len(n.queue) == 0 {
			return
		}
		w := n.queue[0]
		n.queue = n.queue[1:]
		for _, r := range c.disk.do(&w, n.broken) {
			if w.op.Kind == Record && r.Err == nil {
				c.hear(&w.fact)
			}
			if n.life != w.life {
				continue
			}
			c.after(c.delay, c.later(n, func() {
				if c.sprung(n, names[w.op.Kind]+"-done") {
					return
				}
				c.step(n, func(out *Output) { n.m.Done(c.now, &r, out) })
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
	for _, d := range n.out.Told {
		if d.Verb == Founded || d.Verb == Resumed {
			n.reports, n.last = true, d.Index
			c.hear(&service.Fact{Kind: service.Restored, Node: n.self(), Index: n.last, State: n.state.sum()})
		}
	}
	if !n.reports {
		return
	}
	if n.m.role != Primary {
		n.reports = false
		c.hear(&service.Fact{Kind: service.Fell, Node: n.self()})
		return
	}
	for n.last < n.m.saved {
		n.last++
		f := n.state.fact(n.self(), n.last)
		c.hear(&f)
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

// sentence says in words what a machine tells.
func sentence(d *Notice) string {
	s := fmt.Sprintf("-> %v epoch=%d index=%d", d.Verb, d.Epoch, d.Index)
	if r, why := session.ParseRequest(d.Request); why == wire.OK {
		s += fmt.Sprintf(" (call %d of session %d)", r.Number, r.Session)
	}
	if d.Err != nil {
		s += ": " + d.Err.Error()
	}
	return s
}

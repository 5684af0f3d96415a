package pair

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

// cluster is two members with an arbiter, and a disk under each.
type cluster struct {
	stage.Stage
	t       testing.TB
	nodes   []*node
	policy  Policy
	known   bool       // members have a disk
	logged  bool       // and a log on it
	granted view.Epoch // by the arbiter
	random  bool       // the service draws numbers
	careful bool       // nobody crashes at a trap who has what nobody else has
	deaf    bool       // nobody reaches the arbiter

	most   uint64          // the last command that the court was told of in this life of the service
	story  map[uint64]step // what was executed, by the digest of all up to it
	lost   bool            // a state with answers in it was given up
	halted bool
}

// node is one host.
type node struct {
	stage.Host
	c      *cluster
	m      *Machine
	out    Output
	exec   *session.Executor
	state  *register.Witnessed
	disk   view.Epoch
	broken bool // the disk
	book   book

	damaged bool   // a bit of its state has flipped
	reports bool   // it has a state that counts
	led     bool   // it was the primary when the court was last told
	last    uint64 // the last command the court was told of
	named   []uint64
}

func newCluster(t testing.TB, clients int, judges ...service.Judge) *cluster {
	c := &cluster{t: t, policy: Prefer, known: true}
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
	from := Recovered{Known: c.known, Epoch: n.disk}
	if c.logged {
		from = n.recover()
	}
	m, err := New(Config{
		Self: n.Self(), Peer: 3 - n.ID, Preferred: 1, Policy: c.policy, Executor: n.exec, Logged: c.logged,
		Recorder: trace.RecorderFunc(func(e trace.Event) { c.Record(e) }),
	}, from)
	if err != nil {
		c.t.Fatal(err)
	}
	n.m, n.reports, n.led, n.last, n.named, n.damaged = m, false, false, 0, nil, false
	c.step(n, func(out *Output) { m.Start(c.Now, out) })
}

// sprung says whether a node crashes at this point.
func (c *cluster) sprung(n *node, point string) bool {
	if !n.Sprung(point) || c.careful && !mayFall(n) {
		return false
	}
	c.Crash(&n.Host)
	return true
}

// step makes one call to a machine and carries out what it asks for.
func (c *cluster) step(n *node, call func(*Output)) {
	n.out.Reset()
	was := n.m.role
	call(&n.out)
	if c.logged {
		c.write(n)
	}
	n.report()
	for _, d := range n.out.Do {
		c.obey(n, d)
	}
	if n.out.Ask != (Question{}) {
		c.ask(n, n.out.Ask)
	}
	if is := n.m.role; is != was {
		c.Tell(n.ID.String(), fmt.Sprintf("is %v, epoch %d", is, n.m.epoch))
	}
	if e := n.out.Save; e != 0 {
		c.After(c.Delay, c.Later(&n.Host, func() {
			err := error(nil)
			if n.disk = max(n.disk, e); n.broken {
				err = errors.New("the disk is broken")
			}
			c.step(n, func(out *Output) { n.m.Persisted(c.Now, e, err, out) })
		}))
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
	from := n.Self()
	c.Send(int(n.ID), &to.Host, func() {
		if payload[0] == kindPiece && c.sprung(to, "receive") {
			return
		}
		c.step(to, func(out *Output) { to.m.Receive(c.Now, from, payload, out) })
	})
}

// ask carries a question to the arbiter, and its answer back.
func (c *cluster) ask(n *node, q Question) {
	c.Tell(n.ID.String(), fmt.Sprintf("-> ask base=%d epoch=%d", q.Base, q.Epoch))
	c.Post(int(n.ID), 0, func() {
		if c.deaf {
			return
		}
		yes := c.granted <= q.Base || c.granted == q.Epoch
		if yes {
			c.granted = q.Epoch
		}
		c.Post(0, int(n.ID), c.Later(&n.Host, func() {
			c.step(n, func(out *Output) { n.m.Arbitrated(c.Now, q.Epoch, yes, out) })
		}))
	})
}

// obey hears what the machine tells.
func (c *cluster) obey(n *node, d replica.Command) {
	c.Tell(n.ID.String(), sentence(&d))
	switch d.Verb {
	case replica.Lost:
		c.lost = c.lost || d.Answered != 0
	case replica.Diverged:
		if n.m.role != Empty {
			n.named = append(n.named, d.Index)
			n.report()
		}
	case replica.Halted:
		c.halted = true
		if d.Err != nil { // it is out of the service, and not since replicas differ
			n.reports = false
			c.Hear(&service.Fact{Kind: service.Fell, Node: n.Self()})
			return
		}
		c.Hear(&service.Fact{Kind: service.Halted, Node: n.Self(), Index: d.Index})
	}
}

// report tells the court what a member has executed, as far as it is in the agreed order: what
// the primary alone has, nobody was answered.
func (n *node) report() {
	c := n.c
	for _, d := range n.out.Do {
		if d.Verb == replica.Founded && c.most > 0 {
			c.most = 0
			c.Hear(&service.Fact{Kind: service.Perished})
		}
		if c.logged && d.Verb == replica.Paired && !n.reports {
			n.book.comes = true // it has the state, and its log does not yet
			continue
		}
		if d.Verb == replica.Founded || (d.Verb == replica.Paired || d.Verb == replica.Alone) && !n.reports {
			n.reports, n.damaged = true, false
			n.restored(d.Index)
		}
	}
	if c.logged {
		n.written()
	}
	if !n.reports {
		return
	}
	upto := n.m.Stable()
	if c.logged {
		upto = min(upto, n.book.saved())
	}
	if !c.logged && (n.m.role == Empty && !n.led || n.m.role == Halting) {
		upto = n.exec.Index() // a backup that has found that it differs
	}
	for n.last < upto {
		n.last++
		c.most = max(c.most, n.last)
		f := n.state.Fact(n.Self(), n.last)
		c.Hear(&f)
	}
	n.led = n.m.role == Primary
	for len(n.named) > 0 && n.named[0] <= n.last {
		c.Hear(&service.Fact{Kind: service.Named, Node: n.Self(), Peer: c.nodes[2-n.ID].Self(), Index: n.named[0]})
		n.named = n.named[1:]
	}
	if n.m.role == Empty {
		n.reports = false
		c.Hear(&service.Fact{Kind: service.Fell, Node: n.Self()})
	}
}

// sentence says in words what a machine tells.
func sentence(d *replica.Command) string {
	s := d.Verb.String()
	for _, f := range []struct {
		name  string
		value uint64
	}{{"epoch", uint64(d.Epoch)}, {"index", d.Index}, {"last", d.Last}, {"answered", d.Answered}} {
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

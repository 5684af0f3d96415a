package pair

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const eventMax = 500 // events of the kernel that wait; what is beyond is lost, and that is noticed

// node is one host: a kernel with a table and addresses, and a process, or none.
type node struct {
	world.Host
	w     *pair
	host  kernel
	stack *stack.Stack // nil: no process runs
	out   stack.Output

	events []event
	lost   bool // events were lost

	work    service
	down    int        // tracked interfaces
	highest view.Epoch // as the former life knew
}

// boot begins a life of the process. As the daemon does it, it takes down first what a
// former life left up.
func (w *pair) boot(n *node) {
	w.Boot(&n.Host, w.opt.drift, w.opt.sealed)
	w.Did("boots", n.Self, view.Member{})
	w.hear(&check.Fact{Kind: check.Booted, Node: n.Self})
	w.address(n, false)
	cfg := stack.Config{
		Self: n.Self, Cluster: "sim", Fingerprint: 0x51ac, Links: w.opt.links,
		Heartbeat: w.opt.heartbeat, SuspectAfter: w.opt.suspectAfter, Preempt: w.opt.preempt,
		Inject: w.opt.inject, ObjectsMax: 1 << 14, Coalesce: w.opt.coalesce,
		Recorder: trace.RecorderFunc(w.record),
	}
	for i := range w.nodes {
		cfg.Members = append(cfg.Members, stack.Member{
			ID: view.ID(i + 1), Name: fmt.Sprint("fw", i+1), Priority: w.opt.priorities[i],
		})
	}
	from := stack.Recovered{}
	if w.opt.remembered {
		from.Epoch = n.highest
	}
	s, err := stack.New(cfg, from, rand.New(rand.NewPCG(w.Rng.Uint64(), 0)))
	if err != nil {
		panic(fmt.Sprintf("pair: a drawn configuration is refused: %v", err))
	}
	n.stack, n.events, n.lost = s, n.events[:0], false
	n.work, n.Host.Work = service{}, world.Never
	n.stack.Start(w.read(n), &n.out)
	if n.down > 0 {
		n.stack.Health(w.read(n), n.down, &n.out)
	}
	w.after(n)
}

func (w *pair) read(n *node) time.Time { return w.Read(&n.Host) }

// exit ends the process; the kernel goes on as it is.
func (w *pair) exit(n *node, what string) {
	w.pledge(n)
	w.Did(what, n.Self, view.Member{})
	n.highest = n.stack.Status(w.read(n)).Highest
	n.End()
	n.stack = nil
	n.out.Reset()
	n.work, n.Host.Work = service{}, world.Never
	w.hear(&check.Fact{Kind: check.Crashed, Node: n.Self})
}

// off ends process and kernel.
func (w *pair) off(n *node) {
	if n.stack != nil {
		w.exit(n, "loses power")
	}
	w.address(n, false)
	clear(n.host.table)
}

// pledge notes what the node's peers ought to have when it dies now. Only a node that
// holds the addresses alone, and whose peers only follow it, has anything to answer for.
func (w *pair) pledge(n *node) {
	if !n.Runs() || !n.host.holds || n.stack.Role() != takeover.Active || !n.stack.Owning() {
		return
	}
	for i := range w.nodes {
		p := &w.nodes[i]
		if p != n && (p.host.holds || p.stack != nil && p.stack.Owning()) {
			return
		}
	}
	for i := range w.nodes {
		p := &w.nodes[i]
		if p == n || p.stack == nil || p.stack.Role() != takeover.Standby || p.stack.Active() != n.Self ||
			n.stack.Proxy().Proof(w.read(n), p.Self.ID).State != stateproxy.Proven {
			continue
		}
		w.hear(&check.Fact{Kind: check.Pledged, Name: check.ByCrash, Node: n.Self, Peer: p.Self, Objects: w.known(n)})
	}
}

// known is what a node's table has and its proxy knows of: an event that is lost is not
// replicated until the table is read again.
func (w *pair) known(n *node) []check.Object {
	var objects []check.Object
	for number, state := range n.host.table {
		if state == nil {
			continue
		}
		key := w.key(number)
		if own, ok := n.stack.Proxy().State(key); ok && string(own) == string(state) {
			objects = append(objects, check.Object{Key: key, State: state})
		}
	}
	return objects
}

// Receive takes a datagram.
func (n *node) Receive(d *simnet.Datagram) {
	n.stack.Receive(n.w.read(n), d.From, d.Link, d.Frame, &n.out)
	n.w.after(n)
}

// Tick lets a node do what is due.
func (n *node) Tick() {
	n.stack.Tick(n.w.read(n), &n.out)
	n.w.after(n)
	if n.stack.Stopped() {
		n.w.exit(n, "has stopped")
	}
}

// Work lets the service finish a command.
func (n *node) Work() { n.w.carryOut(n) }

// resume ends a pause: what has come meanwhile is there at once, in any order of sources.
func (w *pair) resume(n *node) {
	if !n.Paused {
		return
	}
	w.Resume(&n.Host)
	if w.Rng.IntN(2) == 0 {
		w.Tick(&n.Host) // the timer is seen before the socket
	}
	if n.stack == nil {
		return
	}
	for _, e := range n.events {
		w.tellEvent(n, e)
	}
	n.events = n.events[:0]
	if n.lost {
		n.lost = false
		n.stack.Lost()
	}
	w.Drain(&n.Host)
	if n.Runs() {
		w.after(n)
	}
}

// after takes what a step of a node has put out.
func (w *pair) after(n *node) {
	w.Report.Steps++
	for i := range n.out.Do {
		w.order(n, &n.out.Do[i])
	}
	n.out.Send(func(e wire.Envelope) { w.Net.Send(w.Now, n.Self, e.To, e.Link, e.Frame) })
	n.out.Reset()
	w.Schedule(&n.Host, n.stack.Deadline())
}

// record is every stack's recorder.
func (w *pair) record(e trace.Event) {
	w.Log.Event(w.Now, e)
	w.hear(&check.Fact{Kind: check.Traced, Node: w.node(e.Node).Self, Event: e})
}

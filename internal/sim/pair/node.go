package pair

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const (
	never    = time.Duration(1<<63 - 1)
	inboxMax = 2000 // datagrams that wait for a process that stands still
	eventMax = 500  // events of the kernel that wait; what is beyond is lost, and that is noticed
)

// node is one host: a kernel with a table and addresses, and a process, or none.
type node struct {
	self  view.Member
	host  kernel
	clock sim.Clock
	stack *stack.Stack // nil: no process runs
	out   stack.Output
	at    time.Duration // of the next Tick
	busy  int           // Ticks without time passing

	paused bool
	inbox  []simnet.Datagram
	events []event
	lost   bool // events were lost
	sealed []seal

	work    service
	down    int        // tracked interfaces
	highest view.Epoch // as the former life knew
}

// seal is what a node's transport knows of one life of a peer.
type seal struct {
	life   view.Incarnation
	window simnet.Window
}

func (n *node) runs() bool { return n.stack != nil && !n.paused }

// boot begins a life of the process. As the daemon does it, it takes down first what a
// former life left up.
func (w *world) boot(n *node) {
	n.self.Incarnation++
	w.did("boots", n.self, view.Member{})
	w.hear(&check.Fact{Kind: check.Booted, Node: n.self})
	w.address(n, false)
	drift := int64(0)
	if w.opt.drift {
		drift = w.rng.Int64N(2*sim.DriftMost+1) - sim.DriftMost
	}
	n.clock = sim.NewClock(w.now, time.Unix(1_700_000_000+w.rng.Int64N(1_000_000), 0), drift)
	cfg := stack.Config{
		Self: n.self, Cluster: "sim", Fingerprint: 0x51ac, Links: w.opt.links,
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
	s, err := stack.New(cfg, from, rand.New(rand.NewPCG(w.rng.Uint64(), 0)))
	if err != nil {
		panic(fmt.Sprintf("pair: a drawn configuration is refused: %v", err))
	}
	n.stack, n.paused, n.inbox, n.events, n.lost = s, false, n.inbox[:0], n.events[:0], false
	n.sealed = nil
	if w.opt.sealed {
		n.sealed = make([]seal, len(w.nodes))
	}
	n.work = service{at: never}
	n.stack.Start(w.read(n), &n.out)
	if n.down > 0 {
		n.stack.Health(w.read(n), n.down, &n.out)
	}
	w.after(n)
}

func (w *world) read(n *node) time.Time { return n.clock.Read(w.now) }

// exit ends the process; the kernel goes on as it is.
func (w *world) exit(n *node, what string) {
	w.pledge(n)
	w.did(what, n.self, view.Member{})
	n.highest = n.stack.Status(w.read(n)).Highest
	n.stack, n.paused, n.at = nil, false, never
	n.out.Reset()
	n.work = service{at: never}
	w.hear(&check.Fact{Kind: check.Crashed, Node: n.self})
}

// off ends process and kernel.
func (w *world) off(n *node) {
	if n.stack != nil {
		w.exit(n, "loses power")
	}
	w.address(n, false)
	clear(n.host.table)
}

// pledge notes what the node's peers ought to have when it dies now. Only a node that
// holds the addresses alone, and whose peers only follow it, has anything to answer for.
func (w *world) pledge(n *node) {
	if !n.runs() || !n.host.holds || n.stack.Role() != takeover.Active || !n.stack.Owning() {
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
		if p == n || p.stack == nil || p.stack.Role() != takeover.Standby || p.stack.Active() != n.self ||
			n.stack.Proxy().Proof(w.read(n), p.self.ID).State != stateproxy.Proven {
			continue
		}
		w.hear(&check.Fact{Kind: check.Pledged, Name: check.ByCrash, Node: n.self, Peer: p.self, Objects: w.known(n)})
	}
}

// known is what a node's table has and its proxy knows of: an event that is lost is not
// replicated until the table is read again.
func (w *world) known(n *node) []check.Object {
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

// arrive gives a datagram to a process, or to the queue of one that stands still.
func (w *world) arrive(n *node, d simnet.Datagram) {
	switch {
	case n.stack == nil:
	case n.paused:
		if len(n.inbox) < inboxMax {
			d.Frame = append([]byte(nil), d.Frame...)
			n.inbox = append(n.inbox, d)
		}
	default:
		w.receive(n, d)
	}
}

func (w *world) receive(n *node, d simnet.Datagram) {
	w.log.Datagram(w.now, d.From, d.To, d.Link, d.Frame)
	if n.sealed != nil {
		if _, _, why := wire.Open(d.Frame); why != wire.OK {
			return // the seal would not open
		}
		s := &n.sealed[d.From.ID-1]
		if d.From.Incarnation > s.life {
			*s = seal{life: d.From.Incarnation}
		}
		if d.From.Incarnation != s.life || !s.window.Accept(d.Serial) {
			return
		}
	}
	n.stack.Receive(w.read(n), d.From, d.Link, d.Frame, &n.out)
	w.after(n)
}

// tick lets a node do what is due.
func (w *world) tick(n *node) {
	if n.busy++; n.busy > busyMax {
		w.fail(sim.Liveness, fmt.Sprintf("%v wants to be ticked again and again at the same moment", n.self.ID))
	}
	n.stack.Tick(w.read(n), &n.out)
	w.after(n)
	if n.stack.Stopped() {
		w.exit(n, "has stopped")
	}
}

// resume ends a pause: what has come meanwhile is there at once, in any order of sources.
func (w *world) resume(n *node) {
	if !n.paused {
		return
	}
	n.paused = false
	w.did("goes on", n.self, view.Member{})
	if w.rng.IntN(2) == 0 {
		w.tick(n) // the timer is seen before the socket
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
	inbox := n.inbox
	n.inbox = nil
	for _, d := range inbox {
		if n.runs() {
			w.receive(n, d)
		}
	}
	if n.runs() {
		w.after(n)
	}
}

// after takes what a step of a node has put out.
func (w *world) after(n *node) {
	w.report.Steps++
	for i := range n.out.Do {
		w.order(n, &n.out.Do[i])
	}
	n.out.Send(func(e wire.Envelope) { w.net.Send(w.now, n.self, e.To, e.Link, e.Frame) })
	n.out.Reset()
	n.at = never
	if deadline := n.stack.Deadline(); !deadline.IsZero() {
		n.at = max(w.now, n.clock.When(deadline))
	}
}

// record is every stack's recorder.
func (w *world) record(e trace.Event) {
	w.log.Event(w.now, e)
	w.hear(&check.Fact{Kind: check.Traced, Node: w.node(e.Node).self, Event: e})
}

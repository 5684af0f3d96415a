package proxies

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const never = time.Duration(1<<63 - 1)

// inboxMax is how many datagrams wait for a node that is paused: its socket's buffer.
const inboxMax = 2000

// node is one process and its service.
type node struct {
	self   view.Member
	clock  sim.Clock
	m      *stateproxy.Machine // nil: crashed
	out    stateproxy.Output
	at     time.Duration // of the next Tick
	busy   int           // Ticks without time passing
	paused bool
	inbox  []simnet.Datagram
	sealed []seal // by peer

	change  time.Duration // when the service changes something next
	objects [][]byte      // the service's: state by key, nil if it does not exist
}

// seal is what a node's transport knows of one life of a peer.
type seal struct {
	life   view.Incarnation
	window simnet.Window
}

// accept says whether the transport lets a datagram through: none of a former life, and
// no copy. Without a replay window it lets everything through.
func (n *node) accept(d *simnet.Datagram) bool {
	if n.sealed == nil {
		return true
	}
	s := &n.sealed[d.From.ID-1]
	if d.From.Incarnation > s.life {
		*s = seal{life: d.From.Incarnation}
	}
	return d.From.Incarnation == s.life && s.window.Accept(d.Serial)
}

func (n *node) runs() bool { return n.m != nil && !n.paused }

// boot begins a life.
func (w *world) boot(n *node) {
	n.self.Incarnation++
	drift := int64(0)
	if w.opt.drift {
		drift = w.rng.Int64N(2*sim.DriftMost+1) - sim.DriftMost
	}
	// Clocks of different nodes have nothing to do with each other.
	n.clock = sim.NewClock(w.now, time.Unix(1_700_000_000+w.rng.Int64N(1_000_000), 0), drift)
	var peers []view.ID
	for i := range w.nodes {
		if id := w.nodes[i].self.ID; id != n.self.ID {
			peers = append(peers, id)
		}
	}
	m, err := stateproxy.New(stateproxy.Config{
		Self: n.self, Peers: peers, Fingerprint: fingerprint,
		ObjectsMax: w.opt.objectsMax, ResendMax: w.opt.resendMax, AckWindow: w.opt.ackWindow,
		Coalesce: w.opt.coalesce, DestroyDelay: w.opt.destroyDelay, AckDelay: w.opt.ackDelay,
		KeepFormer: w.opt.keepFormer,
		Recorder:   trace.RecorderFunc(w.record),
	}, stateproxy.Recovered{}, rand.New(rand.NewPCG(w.rng.Uint64(), 0)))
	if err != nil {
		panic(fmt.Sprintf("proxies: a drawn configuration is refused: %v", err))
	}
	n.m, n.objects, n.inbox, n.paused = m, make([][]byte, w.opt.keys), n.inbox[:0], false
	n.sealed = nil
	if w.opt.sealed {
		n.sealed = make([]seal, len(w.nodes))
	}
	w.did("boots", n.self, view.Member{})
	w.hear(&check.Fact{Kind: check.Booted, Node: n.self})
	n.m.Start(n.clock.Read(w.now), &n.out)
	w.after(n, view.Member{})
}

// crash ends the node's life.
func (w *world) crash(n *node) {
	w.did("crashes", n.self, view.Member{})
	w.hear(&check.Fact{Kind: check.Crashed, Node: n.self})
	n.m, n.paused, n.inbox, n.at = nil, false, n.inbox[:0], never
}

// arrive gives a datagram to a node, or to the queue of one that is paused.
func (w *world) arrive(n *node, d simnet.Datagram) {
	switch {
	case n.m == nil:
	case n.paused:
		if len(n.inbox) >= inboxMax {
			w.dropped++
			return
		}
		d.Frame = append([]byte(nil), d.Frame...)
		n.inbox = append(n.inbox, d)
	default:
		w.receive(n, d)
	}
}

func (w *world) receive(n *node, d simnet.Datagram) {
	w.log.Datagram(w.now, d.From, d.To, d.Link, d.Frame)
	header, payload, why := wire.Open(d.Frame)
	if why != wire.OK || header.Channel != wire.StateProxy || header.Fingerprint != fingerprint || !n.accept(&d) {
		return
	}
	w.hear(&check.Fact{Kind: check.Heard, Node: n.self, Peer: d.From})
	n.m.Receive(n.clock.Read(w.now), d.From, payload, &n.out)
	w.after(n, d.From)
}

// tick lets a node do what is due.
func (w *world) tick(n *node) {
	if n.busy++; n.busy > busyMax {
		w.fail(sim.Liveness, fmt.Sprintf("%v wants to be ticked again and again at the same moment", n.self.ID))
	}
	n.m.Tick(n.clock.Read(w.now), &n.out)
	w.after(n, view.Member{})
}

// resume ends a pause: what has come meanwhile is there at once.
func (w *world) resume(n *node) {
	if !n.paused {
		return
	}
	n.paused = false
	w.did("goes on", n.self, view.Member{})
	w.claims(n)
	inbox := n.inbox
	n.inbox = nil
	for _, d := range inbox {
		w.receive(n, d)
	}
	w.after(n, view.Member{})
}

// after takes what a step of a node has put out, and looks at what it claims. from is
// the life whose datagram the step was for, if it was for one.
func (w *world) after(n *node, from view.Member) {
	w.report.Steps++
	for i := range n.out.Send {
		e := &n.out.Send[i]
		w.net.Send(w.now, n.self, e.To, e.Link, e.Frame)
	}
	for i := range n.out.Deliver {
		w.deliver(n, from, &n.out.Deliver[i])
	}
	n.out.Reset()
	n.at = never
	if deadline := n.m.Deadline(); !deadline.IsZero() {
		n.at = max(w.now, n.clock.When(deadline))
	}
	w.claims(n)
	w.usage(n)
}

func (w *world) deliver(n *node, from view.Member, d *stateproxy.Delivery) {
	f := check.Fact{Node: n.self, Peer: from, Key: d.Key, State: d.State}
	if from.ID != d.From {
		f.Peer = view.Member{ID: d.From, Incarnation: w.ledger.Running(d.From)}
	}
	switch d.Verb {
	case stateproxy.Put, stateproxy.Change:
		f.Kind = check.Copied
	case stateproxy.Delete:
		f.Kind = check.Dropped
	default:
		return
	}
	w.hear(&f)
}

// claims asks every node whether it shows n as proven, and n about every other.
func (w *world) claims(n *node) {
	for i := range w.nodes {
		other := &w.nodes[i]
		if other == n {
			continue
		}
		w.claim(n, other)
		w.claim(other, n)
	}
}

func (w *world) claim(n, of *node) {
	if n.runs() && n.m.Proof(n.clock.Read(w.now), of.self.ID).State == stateproxy.Proven {
		w.hear(&check.Fact{Kind: check.Claimed, Node: n.self, Peer: of.self})
	}
}

// record is every machine's recorder.
func (w *world) record(e trace.Event) {
	w.log.Event(w.now, e)
	if e.Kind == trace.Overflow && stateproxy.Bound(e.A) == stateproxy.HeldObjects {
		w.refused = true
	}
	w.hear(&check.Fact{Kind: check.Traced, Node: w.node(e.Node).self, Event: e})
}

package proxies

import (
	"fmt"
	"math/rand/v2"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// node is one process and its service.
type node struct {
	world.Host
	w       *proxies
	m       *stateproxy.Machine // nil: crashed
	out     stateproxy.Output
	objects [][]byte // the service's: state by key, nil if it does not exist
}

// boot begins a life.
func (w *proxies) boot(n *node) {
	w.Boot(&n.Host, w.opt.drift, w.opt.sealed)
	var peers []view.ID
	for i := range w.nodes {
		if id := w.nodes[i].Self.ID; id != n.Self.ID {
			peers = append(peers, id)
		}
	}
	m, err := stateproxy.New(stateproxy.Config{
		Self: n.Self, Peers: peers, Fingerprint: fingerprint,
		ObjectsMax: w.opt.objectsMax, ResendMax: w.opt.resendMax, AckWindow: w.opt.ackWindow,
		Coalesce: w.opt.coalesce, DestroyDelay: w.opt.destroyDelay, AckDelay: w.opt.ackDelay,
		KeepFormer: w.opt.keepFormer,
		Recorder:   trace.RecorderFunc(w.record),
	}, stateproxy.Recovered{}, rand.New(rand.NewPCG(w.Rng.Uint64(), 0)))
	if err != nil {
		panic(fmt.Sprintf("proxies: a drawn configuration is refused: %v", err))
	}
	n.m, n.objects = m, make([][]byte, w.opt.keys)
	w.Did("boots", n.Self, view.Member{})
	w.hear(&check.Fact{Kind: check.Booted, Node: n.Self})
	n.m.Start(w.Read(&n.Host), &n.out)
	w.after(n, view.Member{})
}

// crash ends the node's life.
func (w *proxies) crash(n *node) {
	w.Did("crashes", n.Self, view.Member{})
	w.hear(&check.Fact{Kind: check.Crashed, Node: n.Self})
	n.End()
	n.m = nil
}

// Receive takes a datagram.
func (n *node) Receive(d *simnet.Datagram) {
	header, payload, why := wire.Open(d.Frame)
	if why != wire.OK || header.Channel != wire.StateProxy || header.Fingerprint != fingerprint {
		return
	}
	n.w.hear(&check.Fact{Kind: check.Heard, Node: n.Self, Peer: d.From})
	n.m.Receive(n.w.Read(&n.Host), d.From, payload, &n.out)
	n.w.after(n, d.From)
}

// Tick lets a node do what is due.
func (n *node) Tick() {
	n.m.Tick(n.w.Read(&n.Host), &n.out)
	n.w.after(n, view.Member{})
}

// Work lets the service change something.
func (n *node) Work() {
	n.Host.Work = n.w.Now + n.w.Interval(n.w.opt.every)
	n.w.operate(n)
}

// resume ends a pause: what has come meanwhile is there at once.
func (w *proxies) resume(n *node) {
	if !n.Paused {
		return
	}
	w.Resume(&n.Host)
	w.claims(n)
	w.Drain(&n.Host)
	w.after(n, view.Member{})
}

// after takes what a step of a node has put out, and looks at what it claims. from is
// the life whose datagram the step was for, if it was for one.
func (w *proxies) after(n *node, from view.Member) {
	w.Report.Steps++
	for i := range n.out.Send {
		e := &n.out.Send[i]
		w.Net.Send(w.Now, n.Self, e.To, e.Link, e.Frame)
	}
	for i := range n.out.Deliver {
		w.deliver(n, from, &n.out.Deliver[i])
	}
	n.out.Reset()
	w.Schedule(&n.Host, n.m.Deadline())
	w.claims(n)
	w.usage(n)
}

func (w *proxies) deliver(n *node, from view.Member, d *stateproxy.Delivery) {
	f := check.Fact{Node: n.Self, Peer: from, Key: d.Key, State: d.State}
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
func (w *proxies) claims(n *node) {
	for i := range w.nodes {
		other := &w.nodes[i]
		if other == n {
			continue
		}
		w.claim(n, other)
		w.claim(other, n)
	}
}

func (w *proxies) claim(n, of *node) {
	if n.Runs() && n.m.Proof(w.Read(&n.Host), of.Self.ID).State == stateproxy.Proven {
		w.hear(&check.Fact{Kind: check.Claimed, Node: n.Self, Peer: of.Self})
	}
}

// record is every machine's recorder.
func (w *proxies) record(e trace.Event) {
	w.Log.Event(w.Now, e)
	if e.Kind == trace.Overflow && stateproxy.Bound(e.A) == stateproxy.HeldObjects {
		w.refused = true
	}
	w.hear(&check.Fact{Kind: check.Traced, Node: w.node(e.Node).Self, Event: e})
}

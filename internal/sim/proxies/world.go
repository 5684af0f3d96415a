// Package proxies is a world of two to five state proxies that back each other up. Each
// has a service that changes its objects by itself; nodes crash, come back, stand still
// and are cut off; clocks drift; the network does what networks do. Limits are drawn
// small now and then, so that they are reached.
package proxies

import (
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Name is the world's name on the command line.
const Name = "proxies"

const (
	fingerprint = 0x51ac

	// busyMax is how often a node may want to be ticked without time passing. A resync
	// of the largest cache that is drawn needs three.
	busyMax = 100

	// stepsMax ends a run that is a storm: no draw needs half of it.
	stepsMax = 500_000

	// staleness is how long a source may go on showing a peer as proven that it does not
	// hear: three confirmations of 200 ms, by a clock that may be slow.
	staleness = 3*200*time.Millisecond*(1_000_000+sim.DriftMost)/1_000_000 + time.Microsecond

	pollEvery = 10 * time.Millisecond
	idleFor   = 2 * time.Second
)

// proxies is one run.
type proxies struct {
	world.World
	opt     options
	nodes   []node
	ledger  *check.Ledger
	court   *check.Court
	refused bool // a copy had no room for an object
	keyBuf  []byte
}

// Run runs one seed. A panic of a machine becomes a report, unless it is wanted raw.
func Run(seed uint64, limits sim.Limits) *sim.Report {
	w := &proxies{}
	w.Begin(Name, seed, 1, limits)
	w.opt = draw(w.Rng)
	w.Report.Options = w.opt.String()
	w.Connect(w.opt.nodes, w.opt.links)
	w.Late, w.StepsMax, w.BusyMax = "convergence", stepsMax, busyMax
	w.ledger = check.NewLedger(w.opt.nodes)
	w.court = check.NewCourt(w.ledger,
		check.Proof(w.ledger, staleness, !w.opt.keepFormer),
		check.Divergence(w.opt.nodes, uint64(stateproxy.HeldObjects)),
		check.Delivery(w.ledger),
		check.Order(w.opt.nodes),
		check.Retention(w.ledger, w.opt.late()),
		check.Bounds(w.opt.nodes),
		check.Convergence(w.ledger))
	w.Court = w.court
	w.nodes = make([]node, w.opt.nodes)
	for i := range w.nodes {
		w.nodes[i].w = w
		w.Add(&w.nodes[i].Host, &w.nodes[i])
	}
	return w.Guard(w.run)
}

func (w *proxies) node(id view.ID) *node { return &w.nodes[id-1] }

// run goes through the two phases.
func (w *proxies) run() {
	w.reshape()
	for i := range w.nodes {
		n := &w.nodes[i]
		w.boot(n)
		n.Host.Work = w.Now + w.Interval(w.opt.every)
	}
	w.plan()
	w.First(w.opt.phase)
	if w.Over() {
		return
	}
	w.settle()
	w.converge()
}

// hear passes a fact to the court.
func (w *proxies) hear(f *check.Fact) {
	f.At = w.Now
	w.court.Hear(f)
}

// settle begins the second phase: no more faults, everybody lives, nothing changes.
func (w *proxies) settle() {
	w.Settle()
	for i := range w.nodes {
		n := &w.nodes[i]
		n.Host.Work = world.Never
		if n.m == nil {
			w.boot(n)
		}
		w.resume(n)
		for k := range w.nodes {
			w.near(n, &w.nodes[k])
		}
	}
	w.hear(&check.Fact{Kind: check.Calmed})
}

// converge waits until everything is as promised, and judges it; then it looks at what
// an idle world costs, and judges again.
func (w *proxies) converge() {
	began := w.Now
	bound := began + w.opt.bound(w.refused)
	for w.Now < bound && !w.Over() && !(w.ledger.Converged() && w.proven()) {
		w.Until(w.Now + pollEvery)
		if w.opt.keepFormer {
			w.release()
		}
		if w.refused {
			bound = began + w.opt.bound(true)
		}
	}
	w.Report.Calm = w.Now - began
	w.judge()
	w.Until(w.Now + w.opt.late()) // what is still on its way
	before, from := w.Net.Counts().Sent, w.Now
	w.Until(w.Now + idleFor)
	if !w.Over() && w.Now-from >= idleFor {
		w.hear(&check.Fact{
			Kind: check.Used, Node: w.nodes[0].Self, Name: "datagrams in two idle seconds",
			Value: w.Net.Counts().Sent - before, Limit: w.opt.idle(),
		})
		w.nacks()
		w.judge()
	}
	w.Over()
}

// nacks judges how often the proxies have asked for what was missing. The network makes
// the gaps; on the average one is asked for less than once, because one datagram has many
// messages and one Nack has many gaps. Twice is the beginning of a storm.
func (w *proxies) nacks() {
	c := w.Net.Counts()
	gaps := c.Lost + c.Damaged + c.Cut + c.Reordered + c.Overrun + w.missed()
	pairs := uint64(w.opt.nodes * (w.opt.nodes - 1))
	w.hear(&check.Fact{
		Kind: check.Used, Node: w.nodes[0].Self, Name: "Nacks in the world",
		Value: w.Log.Count(trace.Nacked), Limit: 2*gaps + pairs*nacksFree,
	})
}

// missed is how many datagrams a paused node had no room for.
func (w *proxies) missed() uint64 {
	sum := uint64(0)
	for i := range w.nodes {
		sum += w.nodes[i].Missed
	}
	return sum
}

// nacksFree is how often each pair may ask without a gap that the network made: for what
// merely takes its time far away.
const nacksFree = 50

// judge lists what everybody holds and ends the history.
func (w *proxies) judge() {
	if w.Over() {
		return
	}
	for i := range w.nodes {
		for k := range w.nodes {
			w.list(&w.nodes[i], &w.nodes[k])
		}
	}
	f := check.Fact{Kind: check.Ended}
	if w.proven() {
		f.Value = 1
	}
	w.hear(&f)
	w.Over()
}

// list reads out what a node holds of another, or of itself.
func (w *proxies) list(n, of *node) {
	var objects []check.Object
	add := func(key, state []byte) {
		objects = append(objects, check.Object{Key: append([]byte(nil), key...), State: append([]byte(nil), state...)})
	}
	for cursor, first := uint32(0), true; first || cursor != 0; first = false {
		if n == of {
			cursor = n.m.Own(cursor, 100, add)
		} else {
			cursor = n.m.Held(of.Self.ID, cursor, 100, add)
		}
	}
	w.hear(&check.Fact{Kind: check.Listed, Node: n.Self, Peer: of.Self, Objects: objects})
}

// proven says whether every node shows every other as proven.
func (w *proxies) proven() bool {
	for i := range w.nodes {
		n := &w.nodes[i]
		for k := range w.nodes {
			if k != i && n.m.Proof(w.Read(&n.Host), w.nodes[k].Self.ID).State != stateproxy.Proven {
				return false
			}
		}
	}
	return true
}

// Package proxies is a world of two to five state proxies that back each other up. Each
// has a service that changes its objects by itself; nodes crash, come back, stand still
// and are cut off; clocks drift; the network does what networks do. Limits are drawn
// small now and then, so that they are reached.
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

// world is one run.
type world struct {
	opt     options
	rng     *rand.Rand
	now     time.Duration
	net     *simnet.Network
	nodes   []node
	actions simnet.Heap[func()]
	log     *sim.Log
	ledger  *check.Ledger
	court   *check.Court
	report  sim.Report
	calm    bool
	refused bool // a copy had no room for an object
	keyBuf  []byte
	dropped uint64 // datagrams for which a paused node had no room
}

// Run runs one seed. A panic of a machine becomes a report, unless it is wanted raw.
func Run(seed uint64, limits sim.Limits) *sim.Report {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), log: sim.NewLog()}
	w.opt = draw(w.rng)
	w.report = sim.Report{World: Name, Seed: seed, Options: w.opt.String(), Limits: limits}
	w.net = simnet.New(w.rng, w.opt.nodes, w.opt.links)
	w.ledger = check.NewLedger(w.opt.nodes)
	w.court = check.NewCourt(w.ledger,
		check.Proof(w.ledger, staleness, !w.opt.keepFormer),
		check.Divergence(w.opt.nodes, uint64(stateproxy.HeldObjects)),
		check.Delivery(w.ledger),
		check.Order(w.opt.nodes),
		check.Retention(w.ledger, w.opt.late()),
		check.Bounds(w.opt.nodes),
		check.Convergence(w.ledger))
	w.nodes = make([]node, w.opt.nodes)
	for i := range w.nodes {
		w.nodes[i].self.ID, w.nodes[i].at = view.ID(i+1), never
	}
	w.guard(limits)
	w.report.Virtual, w.report.Network = w.now, w.net.Counts()
	w.report.Close(w.log)
	return &w.report
}

// guard runs the world and notes a panic.
func (w *world) guard(limits sim.Limits) {
	if !limits.Raw {
		defer func() {
			if p := recover(); p != nil {
				w.report.Panicked(p)
			}
		}()
	}
	w.run(limits)
}

func (w *world) node(id view.ID) *node { return &w.nodes[id-1] }

// run goes through the two phases.
func (w *world) run(limits sim.Limits) {
	w.reshape()
	for i := range w.nodes {
		n := &w.nodes[i]
		w.boot(n)
		n.change = w.now + w.interval(w.opt.every)
	}
	w.plan()
	for w.now < w.opt.phase && (limits.Steps == 0 || w.report.Steps < limits.Steps) && !w.over() {
		w.step(w.opt.phase)
	}
	if w.over() {
		return
	}
	w.settle()
	w.converge()
}

// over says whether the run has failed.
func (w *world) over() bool {
	if v := w.court.Verdict(); v != nil && w.report.Class == sim.Passed {
		class := sim.Safety
		if v.Promise == "convergence" {
			class = sim.Liveness
		}
		w.fail(class, v.Error())
	}
	if w.report.Steps > stepsMax {
		w.fail(sim.Liveness, fmt.Sprintf("%d steps and no end: a storm", w.report.Steps))
	}
	return w.report.Class != sim.Passed
}

func (w *world) fail(class sim.Class, text string) {
	if w.report.Class == sim.Passed {
		w.report.Class, w.report.Text = class, text
	}
}

// hear passes a fact to the court.
func (w *world) hear(f *check.Fact) {
	f.At = w.now
	w.court.Hear(f)
}

func (w *world) did(what string, from, to view.Member) { w.log.Did(w.now, what, from, to) }

// step lets the next thing happen, or time pass until a moment.
func (w *world) step(until time.Duration) {
	at, do := until, func() {}
	if next, ok := w.actions.Next(); ok && next < at {
		at, do = next, func() { _, act := w.actions.Pop(); act() }
	}
	if next, ok := w.net.Next(); ok && next < at {
		at, do = next, func() { _, d := w.net.Arrive(); w.arrive(w.node(d.To), d) }
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		if !n.runs() {
			continue
		}
		if n.at < at {
			at, do = n.at, func() { w.tick(n) }
		}
		if !w.calm && n.change < at {
			at, do = n.change, func() {
				n.change = w.now + w.interval(w.opt.every)
				w.operate(n)
			}
		}
	}
	if at > w.now {
		w.now = at
		for i := range w.nodes {
			w.nodes[i].busy = 0
		}
	}
	do()
}

// settle begins the second phase: no more faults, everybody lives, nothing changes.
func (w *world) settle() {
	w.calm = true
	w.did("calm", view.Member{}, view.Member{})
	w.net.Settle()
	for w.actions.Len() > 0 {
		w.actions.Pop()
	}
	for i := range w.nodes {
		n := &w.nodes[i]
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
func (w *world) converge() {
	began := w.now
	bound := began + w.opt.bound(w.refused)
	for w.now < bound && !w.over() && !(w.ledger.Converged() && w.proven()) {
		w.until(w.now + pollEvery)
		if w.opt.keepFormer {
			w.release()
		}
		if w.refused {
			bound = began + w.opt.bound(true)
		}
	}
	w.report.Calm = w.now - began
	w.judge()
	w.until(w.now + w.opt.late()) // what is still on its way
	before, from := w.net.Counts().Sent, w.now
	w.until(w.now + idleFor)
	if !w.over() && w.now-from >= idleFor {
		w.hear(&check.Fact{
			Kind: check.Used, Node: w.nodes[0].self, Name: "datagrams in two idle seconds",
			Value: w.net.Counts().Sent - before, Limit: w.opt.idle(),
		})
		w.nacks()
		w.judge()
	}
	w.over()
}

// nacks judges how often the proxies have asked for what was missing. The network makes
// the gaps; on the average one is asked for less than once, because one datagram has many
// messages and one Nack has many gaps. Twice is the beginning of a storm.
func (w *world) nacks() {
	c := w.net.Counts()
	gaps := c.Lost + c.Damaged + c.Cut + c.Reordered + c.Overrun + w.dropped
	pairs := uint64(w.opt.nodes * (w.opt.nodes - 1))
	w.hear(&check.Fact{
		Kind: check.Used, Node: w.nodes[0].self, Name: "Nacks in the world",
		Value: w.log.Count(trace.Nacked), Limit: 2*gaps + pairs*nacksFree,
	})
}

// nacksFree is how often each pair may ask without a gap that the network made: for what
// merely takes its time far away.
const nacksFree = 50

// until lets time pass.
func (w *world) until(t time.Duration) {
	for w.now < t && !w.over() {
		w.step(t)
	}
}

// judge lists what everybody holds and ends the history.
func (w *world) judge() {
	if w.over() {
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
	w.over()
}

// list reads out what a node holds of another, or of itself.
func (w *world) list(n, of *node) {
	var objects []check.Object
	add := func(key, state []byte) {
		objects = append(objects, check.Object{Key: append([]byte(nil), key...), State: append([]byte(nil), state...)})
	}
	for cursor, first := uint32(0), true; first || cursor != 0; first = false {
		if n == of {
			cursor = n.m.Own(cursor, 100, add)
		} else {
			cursor = n.m.Held(of.self.ID, cursor, 100, add)
		}
	}
	w.hear(&check.Fact{Kind: check.Listed, Node: n.self, Peer: of.self, Objects: objects})
}

// proven says whether every node shows every other as proven.
func (w *world) proven() bool {
	for i := range w.nodes {
		n := &w.nodes[i]
		for k := range w.nodes {
			if k != i && n.m.Proof(n.clock.Read(w.now), w.nodes[k].self.ID).State != stateproxy.Proven {
				return false
			}
		}
	}
	return true
}

// Package pair is a world of two or three firewalls, each a whole stack as the daemon
// runs it, with a kernel that has a table of flows and the addresses, or not. Traffic
// goes through whoever holds the addresses, and changes that host's table. Processes exit
// and hosts lose power, stand still for longer than every timeout, are cut off one way or
// both; interfaces fail; commands take their time; handovers are planned in the middle of
// it; clocks drift.
//
// After the faults the world is calm. The nodes must agree; then there are two planned
// handovers under traffic, and the active host loses its power.
package pair

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Name is the world's name on the command line.
const Name = "pair"

const (
	// busyMax is how often a node may want to be ticked without time passing: a stack
	// that goes through a cache does so in chunks.
	busyMax = 1000

	// stepsMax ends a run that is a storm: no draw needs a tenth of it.
	stepsMax = 2_000_000

	// calmMost is how long the nodes may take to agree and to be proven. It covers 5 s
	// for a candidate that is not done with its Commit, 5 s until one that would like to
	// preempt may ask, 2 s of a handover and its retry, and the resyncs after each.
	calmMost = 60 * time.Second

	// quiet is how long they must agree and be proven without a break.
	quiet = 500 * time.Millisecond

	// effortCalm is how long a command may take after calm.
	effortCalm = 20 * time.Millisecond

	pollEvery = 5 * time.Millisecond

	// settled is how long after a handover its successor is judged: neighbours have
	// learned, and what the former active still saw has arrived.
	settled = time.Second
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
	court   *check.Court
	report  sim.Report
	calm    bool
	still   bool            // no traffic
	dead    *node           // who lost its power in the end
	open    []bool          // by number: the flow's ends think that it is there
	changed []time.Duration // by number: when a packet last changed it
}

// Run runs one seed. A panic of a machine becomes a report, unless it is wanted raw.
func Run(seed uint64, limits sim.Limits) *sim.Report {
	w := &world{rng: rand.New(rand.NewPCG(seed, 2)), log: sim.NewLog()}
	w.opt = draw(w.rng)
	w.report = sim.Report{World: Name, Seed: seed, Options: w.opt.String(), Limits: limits}
	w.net = simnet.New(w.rng, w.opt.nodes, w.opt.links)
	w.court = check.NewCourt(
		check.Address(w.opt.nodes),
		check.Survival(w.opt.nodes),
		check.Handover(w.opt.nodes),
		check.Bounds(w.opt.nodes),
		check.Agreement())
	w.open, w.changed = make([]bool, w.opt.flows), make([]time.Duration, w.opt.flows)
	w.nodes = make([]node, w.opt.nodes)
	for i := range w.nodes {
		w.nodes[i].self.ID, w.nodes[i].at, w.nodes[i].work.at = view.ID(i+1), never, never
		w.nodes[i].host.table = make([][]byte, w.opt.flows)
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

// run goes through the phases.
func (w *world) run(limits sim.Limits) {
	w.reshape()
	for i := range w.nodes {
		w.boot(&w.nodes[i])
	}
	w.plan()
	for w.now < w.opt.phase && (limits.Steps == 0 || w.report.Steps < limits.Steps) && !w.over() {
		w.step(w.opt.phase)
	}
	for _, phase := range []func(){w.settle, w.agree, w.handOver, w.handOver, w.powerCut} {
		if w.over() {
			return
		}
		phase()
	}
	w.over()
}

// over says whether the run has failed.
func (w *world) over() bool {
	if v := w.court.Verdict(); v != nil && w.report.Class == sim.Passed {
		w.fail(sim.Safety, v.Error())
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
		if n.work.at < at {
			at, do = n.work.at, func() { w.carryOut(n) }
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

// until lets time pass.
func (w *world) until(t time.Duration) {
	for w.now < t && !w.over() {
		w.step(t)
	}
}

// settle ends the faults: everybody lives and hears everybody.
func (w *world) settle() {
	w.calm = true
	w.did("calm", view.Member{}, view.Member{})
	w.net.Settle()
	for w.actions.Len() > 0 {
		w.actions.Pop()
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		w.resume(n)
		if n.work.at != never {
			n.work.at = min(n.work.at, w.now+effortCalm) // whatever took so long is done now
		}
		if n.down > 0 {
			w.health(n, 0)
		}
		if n.stack == nil {
			w.boot(n)
		}
	}
	w.repeat(20*time.Millisecond, func() { // whoever was leaving comes back
		for i := range w.nodes {
			if n := &w.nodes[i]; n.stack == nil && n != w.dead {
				w.boot(n)
			}
		}
	})
	w.repeat(w.opt.every, func() {
		if !w.still {
			w.traffic()
		}
	})
}

// agree waits until all agree and everything is proven, without traffic, and tells the
// judges that from here on nothing else is expected to go wrong.
func (w *world) agree() {
	w.still = true
	began, since, repaired := w.now, w.now, false
	for w.now-since < quiet {
		if w.over() {
			return
		}
		if active := w.active(); !repaired && active != nil && w.now-began > calmMost/2 && active.runs() {
			// A packet may change a flow between the moment in which the stack asks for a
			// Change of it and that in which it is made: the table then is older than what
			// the cache was told, until the next packet or the next reading.
			repaired = true
			w.report.Repairs++
			w.did("reads its table again:", active.self, view.Member{})
			active.stack.Lost()
			w.after(active)
		}
		if w.now-began > calmMost {
			w.fail(sim.Liveness, fmt.Sprintf("%v after calm: %s", calmMost, w.disagreement()))
			return
		}
		w.until(w.now + pollEvery)
		if w.disagreement() != "" {
			since = w.now
		}
	}
	if w.report.Calm == 0 {
		w.report.Calm = w.now - began - quiet
		w.forget()
		w.hear(&check.Fact{Kind: check.Calmed})
	}
	w.judge()
	w.still = false
}

// forget lets the ends of flows that were lost with a host know that they are.
func (w *world) forget() {
	active := w.active()
	for number, open := range w.open {
		if state := active.host.table[number]; open != (state != nil) {
			f := check.Fact{Kind: check.Closed, Node: active.self, Key: w.key(number)}
			if state != nil {
				f.Kind, f.State = check.Opened, state
			}
			w.open[number] = state != nil
			w.hear(&f)
		}
	}
}

// active is the one that holds the addresses, nil if nobody or more than one does.
func (w *world) active() *node {
	var found *node
	for i := range w.nodes {
		if n := &w.nodes[i]; n.host.holds {
			if found != nil {
				return nil
			}
			found = n
		}
	}
	return found
}

// disagreement says what is not as it should be in the end; "" if nothing.
func (w *world) disagreement() string {
	active := w.active()
	if active == nil || active.stack == nil || active.stack.Role() != takeover.Active {
		return "not exactly one node holds the addresses and is active"
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		switch {
		case n == active:
			continue
		case n.stack == nil:
			return fmt.Sprintf("%v is down", n.self)
		case n.stack.Role() != takeover.Standby || n.stack.Active() != active.self:
			return fmt.Sprintf("%v is %v and takes %v as active, which is %v", n.self, n.stack.Role(), n.stack.Active(), active.self)
		case active.stack.Proxy().Proof(w.read(active), n.self.ID).State != stateproxy.Proven:
			return fmt.Sprintf("%v is not proven: %+v", n.self, active.stack.Proxy().Proof(w.read(active), n.self.ID))
		case !n.stack.Status(w.read(n)).Synced:
			return fmt.Sprintf("%v is not synced", n.self)
		}
		if text := w.difference(active, n); text != "" {
			return text
		}
	}
	return ""
}

// judge tells how everybody stands.
func (w *world) judge() {
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.stack == nil {
			continue
		}
		f := check.Fact{Kind: check.Stood, Node: n.self, Peer: n.stack.Active(), Name: n.stack.Role().String()}
		if n.host.holds {
			f.Value = 1
		}
		w.hear(&f)
	}
	w.hear(&check.Fact{Kind: check.Ended, Value: 1})
}

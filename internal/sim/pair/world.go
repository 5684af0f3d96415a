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
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
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

// pair is one run.
type pair struct {
	world.World
	opt     options
	nodes   []node
	court   *check.Court
	still   bool            // no traffic
	dead    *node           // who lost its power in the end
	open    []bool          // by number: the flow's ends think that it is there
	changed []time.Duration // by number: when a packet last changed it
}

// Run runs one seed. A panic of a machine becomes a report, unless it is wanted raw.
func Run(seed uint64, limits sim.Limits) *sim.Report {
	w := &pair{}
	w.Begin(Name, seed, 2, limits)
	w.opt = draw(w.Rng)
	w.Report.Options = w.opt.String()
	w.Connect(w.opt.nodes, w.opt.links)
	w.StepsMax, w.BusyMax = stepsMax, busyMax
	w.court = check.NewCourt(
		check.Address(w.opt.nodes),
		check.Survival(w.opt.nodes),
		check.Handover(w.opt.nodes),
		check.Bounds(w.opt.nodes),
		check.Agreement())
	w.Court = w.court
	w.open, w.changed = make([]bool, w.opt.flows), make([]time.Duration, w.opt.flows)
	w.nodes = make([]node, w.opt.nodes)
	for i := range w.nodes {
		w.nodes[i].w = w
		w.nodes[i].host.table = make([][]byte, w.opt.flows)
		w.Add(&w.nodes[i].Host, &w.nodes[i])
	}
	return w.Guard(w.run)
}

func (w *pair) node(id view.ID) *node { return &w.nodes[id-1] }

// run goes through the phases.
func (w *pair) run() {
	w.reshape()
	for i := range w.nodes {
		w.boot(&w.nodes[i])
	}
	w.plan()
	w.First(w.opt.phase)
	for _, phase := range []func(){w.settle, w.agree, w.handOver, w.handOver, w.powerCut} {
		if w.Over() {
			return
		}
		phase()
	}
	w.Over()
}

// hear passes a fact to the court.
func (w *pair) hear(f *check.Fact) {
	f.At = w.Now
	w.court.Hear(f)
}

// settle ends the faults: everybody lives and hears everybody.
func (w *pair) settle() {
	w.Settle()
	for i := range w.nodes {
		n := &w.nodes[i]
		w.resume(n)
		if n.Host.Work != world.Never {
			n.Host.Work = min(n.Host.Work, w.Now+effortCalm) // whatever took so long is done now
		}
		if n.down > 0 {
			w.health(n, 0)
		}
		if n.stack == nil {
			w.boot(n)
		}
	}
	w.Repeat(20*time.Millisecond, func() { // whoever was leaving comes back
		for i := range w.nodes {
			if n := &w.nodes[i]; n.stack == nil && n != w.dead {
				w.boot(n)
			}
		}
	})
	w.Repeat(w.opt.every, func() {
		if !w.still {
			w.traffic()
		}
	})
}

// agree waits until all agree and everything is proven, without traffic, and tells the
// judges that from here on nothing else is expected to go wrong.
func (w *pair) agree() {
	w.still = true
	began, since, repaired := w.Now, w.Now, false
	for w.Now-since < quiet {
		if w.Over() {
			return
		}
		if active := w.active(); !repaired && active != nil && w.Now-began > calmMost/2 && active.Runs() {
			// A packet may change a flow between the moment in which the stack asks for a
			// Change of it and that in which it is made: the table then is older than what
			// the cache was told, until the next packet or the next reading.
			repaired = true
			w.Report.Repairs++
			w.Did("reads its table again:", active.Self, view.Member{})
			active.stack.Lost()
			w.after(active)
		}
		if w.Now-began > calmMost {
			w.Fail(sim.Liveness, fmt.Sprintf("%v after calm: %s", calmMost, w.disagreement()))
			return
		}
		w.Until(w.Now + pollEvery)
		if w.disagreement() != "" {
			since = w.Now
		}
	}
	if w.Report.Calm == 0 {
		w.Report.Calm = w.Now - began - quiet
		w.forget()
		w.hear(&check.Fact{Kind: check.Calmed})
	}
	w.judge()
	w.still = false
}

// forget lets the ends of flows that were lost with a host know that they are.
func (w *pair) forget() {
	active := w.active()
	for number, open := range w.open {
		if state := active.host.table[number]; open != (state != nil) {
			f := check.Fact{Kind: check.Closed, Node: active.Self, Key: w.key(number)}
			if state != nil {
				f.Kind, f.State = check.Opened, state
			}
			w.open[number] = state != nil
			w.hear(&f)
		}
	}
}

// active is the one that holds the addresses, nil if nobody or more than one does.
func (w *pair) active() *node {
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
func (w *pair) disagreement() string {
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
			return fmt.Sprintf("%v is down", n.Self)
		case n.stack.Role() != takeover.Standby || n.stack.Active() != active.Self:
			return fmt.Sprintf("%v is %v and takes %v as active, which is %v", n.Self, n.stack.Role(), n.stack.Active(), active.Self)
		case active.stack.Proxy().Proof(w.read(active), n.Self.ID).State != stateproxy.Proven:
			return fmt.Sprintf("%v is not proven: %+v", n.Self, active.stack.Proxy().Proof(w.read(active), n.Self.ID))
		case !n.stack.Status(w.read(n)).Synced:
			return fmt.Sprintf("%v is not synced", n.Self)
		}
		if text := w.difference(active, n); text != "" {
			return text
		}
	}
	return ""
}

// judge tells how everybody stands.
func (w *pair) judge() {
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.stack == nil {
			continue
		}
		f := check.Fact{Kind: check.Stood, Node: n.Self, Peer: n.stack.Active(), Name: n.stack.Role().String()}
		if n.host.holds {
			f.Value = 1
		}
		w.hear(&f)
	}
	w.hear(&check.Fact{Kind: check.Ended, Value: 1})
}

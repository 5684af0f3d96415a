// Package cohorts is a world of three to nine processes, each with the whole stack of group
// communication as the daemon runs it, in one group or two. Their owners multicast in every
// order and keep what they deliver as their state. Processes crash, at any frame they send,
// and come back as new lives; stand still for longer than every timeout; are cut off in
// one direction or both; leave and join in storms; are slow; clocks drift and jump; once
// in a while the power of all fails.
//
// After the faults the world is calm: everybody must get into one view, and every message
// must be delivered.
//
// One assumption of the design is kept: with one primary component, less than half of the
// votes belong at any time to processes that are down, or that are not (or not yet, or not
// again) in the latest view, or that leave, but for the power of all failing. In some
// seeds it is kept in a weaker form; then nothing bad may happen, and nothing good must.
package cohorts

import (
	"hash/crc32"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Name is the world's name on the command line.
const Name = "cohorts"

const (
	fingerprint = 0x51ac

	// faultsMin is how many faults a run has at least.
	faultsMin = 10

	// stepsMax ends a run that is a storm: no draw needs half of it.
	stepsMax = 400_000

	// busyMax is how often a node may want to be ticked without time passing.
	busyMax = 100

	// calmMost is how long it may take after calm until everybody is in one view and
	// everything is delivered.
	calmMost = 20 * time.Second

	pollEvery = 20 * time.Millisecond

	// onTheWay is for how long what was sent before calm may keep what is sent after it
	// from arriving: datagrams that keep their place do not overtake.
	onTheWay = 500 * time.Millisecond
)

// cohorts is one run.
type cohorts struct {
	world.World
	opt     options
	nodes   []*node
	courts  []*group.Court
	sent    int
	faults  int
	views   int          // that were told to anybody
	latest  []*view.View // by group: the one with the greatest name
	payload []byte
	table   *crc32.Table
}

// bench is the courts of all groups.
type bench []*group.Court

// Verdict is the first verdict.
func (b bench) Verdict() *check.Violation {
	for _, c := range b {
		if v := c.Verdict(); v != nil {
			return v
		}
	}
	return nil
}

// Run runs one seed. A panic of a machine becomes a report, unless it is wanted raw.
func Run(seed uint64, limits sim.Limits) *sim.Report {
	w := &cohorts{table: crc32.MakeTable(crc32.Castagnoli)}
	w.Begin(Name, seed, 3, limits)
	w.opt = draw(w.Rng)
	w.Report.Options = w.opt.String()
	w.Connect(w.opt.nodes, w.opt.links)
	w.Late, w.StepsMax, w.BusyMax = "liveness", stepsMax, busyMax
	for i := range w.opt.groups {
		g := &w.opt.groups[i]
		w.courts = append(w.courts, group.NewCourt(group.All(!g.All, g.Stateful, w.patience())...))
	}
	w.Court, w.latest = bench(w.courts), make([]*view.View, len(w.courts))
	for i := range w.opt.nodes {
		n := &node{w: w, votes: w.opt.votes[i], witness: w.opt.witness[i]}
		w.Add(&n.Host, n)
		w.nodes = append(w.nodes, n)
	}
	return w.Guard(w.run)
}

// patience is for how long something may last until a judge calls it broken: a suspicion
// takes twice the time at most; a clock may be slow.
func (w *cohorts) patience() group.Patience {
	return group.Patience{
		Detect: 2*w.opt.suspectAfter + 4*heartbeat,
		Hasty:  w.opt.suspectAfter / 3, // a clock may jump by less than what counts as a pause
		Settle: 2*w.opt.suspectAfter + 4*heartbeat + onTheWay,
		Refuse: 5 * time.Second,
		Name:   time.Second,
	}
}

// run goes through the phases.
func (w *cohorts) run() {
	w.reshape()
	for _, n := range w.nodes {
		n.boot()
	}
	w.plan()
	w.First(w.opt.phase)
	for i := 0; i < 4 && w.faults < faultsMin && w.Report.Limits.Steps == 0 && !w.Over(); i++ {
		w.First(w.Now + w.opt.phase/2)
	}
	w.Report.Faults = uint64(w.faults)
	if w.Over() {
		return
	}
	w.settle()
	w.converge()
}

// hear passes a fact of one group to its court.
func (w *cohorts) hear(g int, f *group.Fact) {
	f.At = w.Now
	w.courts[g].Hear(f)
}

// hearAll passes a fact to all courts.
func (w *cohorts) hearAll(f group.Fact) {
	for g := range w.courts {
		w.hear(g, &f)
	}
}

// member is the present life of a process, or the last.
func (w *cohorts) member(id view.ID) view.Member {
	if id == view.Nobody {
		return view.Member{}
	}
	return w.nodes[id-1].Self
}

// record is every machine's recorder.
func (w *cohorts) record(e trace.Event) {
	w.Log.Event(w.Now, e)
	n := w.nodes[e.Node-1]
	f := group.Fact{Node: n.Self}
	switch e.Kind {
	case trace.Suspected:
		f.Kind = group.Suspected
	case trace.Trusted:
		f.Kind = group.Trusted
	case trace.FlushBegan, trace.FlushWaited:
		f.Kind = group.Flushed
	default:
		return
	}
	if e.Peer != view.Nobody {
		// With the first datagram of a life, the one before it is suspected.
		h := &n.heard[e.Peer-1]
		f.Peer = view.Member{ID: e.Peer, Incarnation: h.former}
		if e.Kind == trace.Suspected && h.former == h.life && !w.opt.perfect {
			f.Since = max(1, w.Now-h.at)
		}
	}
	w.hearAll(f)
}

// sum is what judges compare payloads by.
func (w *cohorts) sum(payload []byte) uint64 {
	return uint64(crc32.Checksum(payload, w.table))<<32 | uint64(len(payload))
}

// settle ends the faults: everybody lives, and most of those that left come back.
func (w *cohorts) settle() {
	w.Settle()
	for _, n := range w.nodes {
		if n.Paused {
			n.resume()
		}
		if n.Up && n.misfit {
			n.crash("exits")
		}
		if !n.Up {
			n.boot()
		}
		n.trap.left = 0
		for _, o := range n.owners {
			o.settle()
		}
	}
	if w.opt.perfect {
		for _, n := range w.nodes {
			n.tellNow()
		}
	}
	w.hearAll(group.Fact{Kind: group.Calmed})
	w.watch()
}

// converge waits until everybody is in one view, then until everything is delivered, then
// looks at what an idle world costs, and lets the courts judge.
func (w *cohorts) converge() {
	began := w.Now
	bound := began + calmMost
	for w.Now < bound && !w.Over() && !w.together() {
		w.Until(w.Now + pollEvery)
	}
	if !w.Over() && w.together() {
		w.probe()
	}
	for w.Now < bound && !w.Over() && !(w.together() && w.delivered()) {
		w.Until(w.Now + pollEvery)
	}
	w.Report.Calm = w.Now - began
	if w.opt.slow && !w.Over() && w.together() && w.delivered() {
		for g := range w.courts {
			w.slowConsumer(g)
		}
	}
	if w.Over() {
		return
	}
	if w.together() {
		w.idle()
	} else if w.opt.reckless {
		return // it need not come about
	}
	w.hearAll(group.Fact{Kind: group.Ended})
	w.Over()
}

// idle judges what a second costs in which nothing happens: heartbeats and pulses.
func (w *cohorts) idle() {
	w.Until(w.Now + time.Second) // what is still on its way
	before, views := w.Net.Counts().Sent, w.views
	w.Until(w.Now + time.Second)
	w.hear(0, &group.Fact{
		Kind: group.Used, Node: w.nodes[0].Self, Name: "views in the world in an idle second", Value: uint64(w.views - views), Limit: 0,
	})
	ways := uint64(w.opt.nodes * (w.opt.nodes - 1) * w.opt.links)
	w.hear(0, &group.Fact{
		Kind: group.Used, Node: w.nodes[0].Self, Name: "datagrams in an idle second",
		Value: w.Net.Counts().Sent - before, Limit: ways * uint64(idlePerWay*(1+len(w.opt.groups))),
	})
}

// idlePerWay is how many datagrams go one way in an idle second: 50 heartbeats, and some
// more for drift; the pulses of a group are fewer.
const idlePerWay = 55

// together says whether everybody who wants to be in a group is in one view of it, which
// has nobody else, and which goes on.
func (w *cohorts) together() bool {
	for g := range w.courts {
		var v *view.View
		members := 0
		for _, n := range w.nodes {
			o := n.owners[g]
			switch {
			case !o.willing && o.group != nil || o.willing && (o.view == nil || o.blocked):
				return false
			case !o.willing:
				continue
			case v == nil:
				v = o.view
			case v.Name != o.view.Name:
				return false
			}
			members++
		}
		if v != nil && len(v.Seats) != members {
			return false
		}
	}
	return true
}

// delivered says whether every message of the present lives is settled at its sender, and
// all members of a group have delivered as many in the view.
func (w *cohorts) delivered() bool {
	for g := range w.courts {
		count := -1
		for _, n := range w.nodes {
			o := n.owners[g]
			if !o.willing || n.witness {
				continue
			}
			if o.open > 0 || count >= 0 && count != o.inView {
				return false
			}
			count = o.inView
		}
	}
	return true
}

// reshape gives the ways their faults: those of the options at first, others later.
func (w *cohorts) reshape() {
	f := w.opt.network
	if w.Now > 0 {
		f = simnet.Draw(w.Rng)
	}
	if w.opt.uneven {
		w.Reshape(f, simnet.Draw)
	} else {
		w.Reshape(f, nil)
	}
}

package cohorts

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// options is what a seed draws. A mean interval of zero means never.
type options struct {
	nodes, links int
	votes        []uint8
	witness      []bool
	phase        time.Duration // with faults, at least
	drift        bool
	sealed       bool // the transport drops copies
	overheard    bool // what is for several is given to all, as a switch floods a multicast group
	perfect      bool // the detectors are told who lives, and find nothing out themselves
	suspectAfter time.Duration

	groups  []cohort.GroupConfig
	network simnet.Faults
	uneven  bool

	// What the owners do.
	every    time.Duration // mean interval between multicasts, of each owner
	orders   []order.Order // that they ask for
	large    float64       // part of the messages that need several packets
	batch    int           // messages at once, at most
	serve    time.Duration // until the state is there that is asked for, at most
	chunkMax int           // bytes of state in one answer
	soloist  view.ID       // the only one that multicasts, and a lot; nobody: all do
	misfits  float64       // part of the lives that are configured otherwise than the others
	probes   bool          // after calm all multicast once more, in every order
	reckless bool          // too many may crash: nothing bad may happen, and nothing good must
	slow     bool          // after calm one owner takes nothing, until it is named

	// What happens: mean intervals over the whole world.
	crash, trap, cascade, pause, jump, cut, reshape, leave, throttle, power time.Duration
	downMost, pauseMost, cutMost, outMost, slowMost                         time.Duration
	storm                                                                   int // who leaves or crashes at once, at most
}

const (
	heartbeat = 20 * time.Millisecond

	// sentMax is how many messages the owners multicast in a run, times the number of nodes
	// that they go to: what a seed costs, and how large a state becomes.
	sentMax = 2500

	// largest is the longest message.
	largest = 12_000
)

// draw draws the options of a run.
func draw(r *rand.Rand) options {
	o := options{
		nodes: pick(r, 3, 3, 3, 3, 4, 4, 5, 5, 6, 7, 9), links: pick(r, 1, 1, 1, 2),
		phase: time.Duration(1200+r.IntN(2000)) * time.Millisecond,
		drift: r.IntN(2) == 0, sealed: r.IntN(4) != 0, overheard: r.IntN(4) == 0, perfect: r.IntN(8) == 0,
		suspectAfter: pick(r, 100*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond),
		network:      simnet.Draw(r),
		uneven:       r.IntN(4) == 0,
		every:        pick(r, 2*time.Millisecond, 10*time.Millisecond, 30*time.Millisecond, 100*time.Millisecond),
		large:        pick(r, 0, 0.02, 0.2),
		batch:        pick(r, 1, 1, 3, 40),
		serve:        pick(r, time.Microsecond, time.Microsecond, 100*time.Millisecond),
		chunkMax:     pick(r, 1<<20, 1<<20, 700, 3000),
		storm:        pick(r, 1, 1, 2, 4),
	}
	if r.IntN(2) == 0 {
		// So that it is not the network alone that decides.
		o.network = simnet.Faults{
			Delay: 100 * time.Microsecond, Loss: pick(r, 0, 0, 0.01, 0.05), Duplicate: pick(r, 0, 0.02),
			Reorder: pick(r, 0, 0.05), Late: 5 * time.Millisecond,
		}
		o.uneven = false
	}
	o.drawMembers(r)
	for range pick(r, 1, 1, 1, 1, 1, 2) {
		o.groups = append(o.groups, drawGroup(r, len(o.groups)))
	}
	all := r.IntN(2) == 0
	for f := range order.Causal + order.Total + order.Uniform + 1 {
		if f.Valid() && (all || r.IntN(3) == 0) {
			o.orders = append(o.orders, f)
		}
	}
	if len(o.orders) == 0 {
		o.orders = append(o.orders, order.Causal|order.Total|order.Uniform)
	}
	if r.IntN(25) == 0 {
		// Enough for the sequencer to move.
		o.groups = o.groups[:1]
		o.groups[0].Engine = order.Sequencer
		o.soloist, o.every, o.batch, o.large, o.phase = view.ID(1+r.IntN(o.nodes)), 2*time.Millisecond, 10, 0, 3*time.Second
		o.orders = []order.Order{order.Total, order.Total | order.FIFO}
	}
	o.misfits = pick(r, 0, 0, 0, 0.2)
	o.slow, o.reckless, o.probes = r.IntN(4) == 0, r.IntN(6) == 0, r.IntN(3) != 0
	o.drawEvents(r)
	if o.soloist != view.Nobody {
		// In one long view, or few. The last part of the messages goes to a view change.
		o.network, o.uneven = simnet.Faults{Delay: 200 * time.Microsecond, Jitter: time.Millisecond}, false
		o.crash, o.trap, o.cascade, o.reshape, o.leave, o.power = 0, 0, 0, 0, 0, 0
		o.cut, o.pause, o.jump, o.throttle = 900*time.Millisecond, 900*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
		o.pauseMost, o.cutMost = o.suspectAfter/2, o.suspectAfter/2
	}
	return o
}

// drawMembers draws votes and witnesses. Somebody always has a vote, and is no witness.
func (o *options) drawMembers(r *rand.Rand) {
	weighted := r.IntN(4) == 0
	witnesses := 0
	if o.nodes > 2 && r.IntN(4) == 0 {
		witnesses = 1 + r.IntN(min(2, o.nodes-2))
	}
	o.votes, o.witness = make([]uint8, o.nodes), make([]bool, o.nodes)
	for i := range o.nodes {
		o.votes[i] = 1
		if weighted {
			o.votes[i] = uint8(r.IntN(4))
		}
	}
	o.votes[r.IntN(o.nodes)] = uint8(1 + r.IntN(2))
	for range witnesses {
		i := r.IntN(o.nodes)
		o.witness[i], o.votes[i] = true, max(1, o.votes[i])
	}
}

// drawGroup draws one group's settings.
func drawGroup(r *rand.Rand, number int) cohort.GroupConfig {
	g := cohort.GroupConfig{
		Name: fmt.Sprint("group", number+1), All: r.IntN(3) == 0,
		Engine: pick(r, order.Sequencer, order.Lamport, order.ISIS), MessageMax: largest,
		Window:   pick(r, 0, 256, 256, 512),
		QueueMax: pick(r, 1<<16, 1<<20), HeldMax: pick(r, 0, 0, 10_000), Stateful: r.IntN(4) != 0,
	}
	return g
}

// drawEvents draws what happens to nodes and network, each in half of the runs.
func (o *options) drawEvents(r *rand.Rand) {
	for _, e := range []*time.Duration{
		&o.crash, &o.trap, &o.cascade, &o.pause, &o.jump, &o.cut, &o.reshape, &o.leave, &o.throttle,
	} {
		if r.IntN(2) == 0 {
			*e = time.Duration(100+r.IntN(900)) * time.Millisecond
		}
	}
	if r.IntN(12) == 0 {
		o.power = 2 * time.Second
	}
	if o.crash+o.trap+o.pause+o.cut == 0 {
		o.cut, o.pause = 300*time.Millisecond, 300*time.Millisecond
	}
	o.downMost = pick(r, 20*time.Millisecond, 300*time.Millisecond, 1500*time.Millisecond)
	o.pauseMost = pick(r, 50*time.Millisecond, 300*time.Millisecond, 1500*time.Millisecond)
	o.cutMost = pick(r, 100*time.Millisecond, 500*time.Millisecond, 2*time.Second)
	o.outMost = pick(r, 20*time.Millisecond, 300*time.Millisecond)
	o.slowMost = pick(r, 100*time.Millisecond, time.Second)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// String gives the options, a line for each kind.
func (o options) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nodes=%d links=%d votes=%v witness=%v phase=%v drift=%v sealed=%v overheard=%v perfect=%v suspect_after=%v\n",
		o.nodes, o.links, o.votes, o.witness, o.phase, o.drift, o.sealed, o.overheard, o.perfect, o.suspectAfter)
	for _, g := range o.groups {
		fmt.Fprintf(&b, "%s: all=%v engine=%v window=%d queue_max=%d held_max=%d stateful=%v\n", g.Name, g.All, g.Engine, g.Window, g.QueueMax, g.HeldMax, g.Stateful)
	}
	fmt.Fprintf(&b, "network: %v uneven=%v\n", o.network, o.uneven)
	fmt.Fprintf(&b, "owners: every=%v orders=%v large=%.2f batch=%d serve=%v chunk_max=%d soloist=%v misfits=%.1f slow=%v reckless=%v probes=%v\n",
		o.every, o.orders, o.large, o.batch, o.serve, o.chunkMax, o.soloist, o.misfits, o.slow, o.reckless, o.probes)
	fmt.Fprintf(&b, "mean intervals: crash=%v trap=%v cascade=%v pause=%v jump=%v cut=%v reshape=%v leave=%v throttle=%v power=%v storm=%d\n",
		o.crash, o.trap, o.cascade, o.pause, o.jump, o.cut, o.reshape, o.leave, o.throttle, o.power, o.storm)
	fmt.Fprintf(&b, "at most: down=%v paused=%v cut=%v out=%v slow=%v", o.downMost, o.pauseMost, o.cutMost, o.outMost, o.slowMost)
	return b.String()
}

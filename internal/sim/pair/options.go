package pair

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/stack"
)

// options is what a seed draws. A mean interval of zero means never.
type options struct {
	nodes, links int
	phase        time.Duration // with faults
	drift        bool
	sealed       bool // the transport drops copies

	// The configuration.
	heartbeat, suspectAfter, coalesce time.Duration
	preempt                           bool
	inject                            stack.Inject
	priorities                        []uint8
	remembered                        bool // a new life knows the highest epoch of the former

	network simnet.Faults
	uneven  bool

	// The services: how long a command takes at most.
	table, commit, address, dump time.Duration
	blurred                      bool    // a dump misses objects, not the same twice in a row
	deaf                         float64 // part of the events that are lost and noticed

	// The traffic.
	flows  int
	every  time.Duration // mean interval between changes
	size   int           // of states, at most
	expiry time.Duration // mean interval between flows that a standby's table gives up

	// What happens: mean intervals over the whole world.
	off, exit, stop, pause, cut, reshape, plan, health, stale time.Duration
	downMost, pauseMost, cutMost                              time.Duration
}

// draw draws the options of a run.
func draw(r *rand.Rand) options {
	o := options{
		nodes: 2 + r.IntN(4)/3, links: 1 + r.IntN(3),
		phase: time.Duration(1+r.IntN(6)) * time.Second,
		drift: r.IntN(2) == 0, sealed: r.IntN(4) != 0,
		heartbeat:  pick(r, 5*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond, 50*time.Millisecond),
		coalesce:   pick(r, 0, 2*time.Millisecond, 2*time.Millisecond, 5*time.Millisecond),
		preempt:    r.IntN(3) == 0,
		inject:     pick(r, stack.Continuously, stack.Continuously, stack.AtTakeover),
		remembered: r.IntN(2) == 0,
		network:    simnet.Draw(r),
		uneven:     r.IntN(3) == 0,
		table:      pick(r, time.Microsecond, 20*time.Microsecond, 200*time.Microsecond),
		commit:     pick(r, time.Microsecond, time.Millisecond, 100*time.Millisecond, 3*time.Second),
		address:    pick(r, time.Microsecond, time.Millisecond, 30*time.Millisecond),
		dump:       pick(r, 10*time.Microsecond, time.Millisecond, 20*time.Millisecond),
		blurred:    r.IntN(2) == 0,
		deaf:       pick(r, 0, 0, 0.01, 0.2),
		flows:      pick(r, 3, 30, 200, 200, 1500),
		every:      pick(r, time.Millisecond, 5*time.Millisecond, 20*time.Millisecond),
		size:       pick(r, 10, 30, 150),
	}
	o.suspectAfter = o.heartbeat * time.Duration(pick(r, 3, 5, 5, 10))
	for range o.nodes {
		o.priorities = append(o.priorities, uint8(100+50*r.IntN(3)))
	}
	for _, e := range []*time.Duration{
		&o.expiry, &o.off, &o.exit, &o.stop, &o.pause, &o.cut, &o.reshape, &o.plan, &o.health, &o.stale,
	} {
		if r.IntN(2) == 0 {
			*e = time.Duration(200+r.IntN(4000)) * time.Millisecond
		}
	}
	o.downMost = pick(r, 20*time.Millisecond, 500*time.Millisecond, 3*time.Second)
	o.pauseMost = pick(r, 20*time.Millisecond, 300*time.Millisecond, 3*time.Second)
	o.cutMost = pick(r, 50*time.Millisecond, time.Second, 3*time.Second)
	return o
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// String gives the options, a line for each kind.
func (o options) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nodes=%d links=%d phase=%v drift=%v sealed=%v\n", o.nodes, o.links, o.phase, o.drift, o.sealed)
	fmt.Fprintf(&b, "heartbeat=%v suspect_after=%v coalesce=%v preempt=%v inject=%d priorities=%v epoch_remembered=%v\n",
		o.heartbeat, o.suspectAfter, o.coalesce, o.preempt, o.inject, o.priorities, o.remembered)
	fmt.Fprintf(&b, "network: %v uneven=%v\n", o.network, o.uneven)
	fmt.Fprintf(&b, "service at most: table=%v commit=%v address=%v dump=%v blurred=%v deaf=%.2f\n",
		o.table, o.commit, o.address, o.dump, o.blurred, o.deaf)
	fmt.Fprintf(&b, "traffic: flows=%d every=%v size=%d expiry=%v\n", o.flows, o.every, o.size, o.expiry)
	fmt.Fprintf(&b, "mean intervals: off=%v exit=%v stop=%v pause=%v cut=%v reshape=%v switch=%v health=%v stale=%v\n",
		o.off, o.exit, o.stop, o.pause, o.cut, o.reshape, o.plan, o.health, o.stale)
	fmt.Fprintf(&b, "at most: down=%v paused=%v cut=%v", o.downMost, o.pauseMost, o.cutMost)
	return b.String()
}

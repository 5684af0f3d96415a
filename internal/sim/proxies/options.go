package proxies

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
)

// options is what a seed draws. A mean interval of zero means never.
type options struct {
	nodes, links int
	phase        time.Duration // with faults
	drift        bool
	sealed       bool // the transport drops copies

	// The proxies' settings.
	objectsMax, resendMax, ackWindow int
	coalesce, destroyDelay, ackDelay time.Duration
	keepFormer                       bool

	network simnet.Faults
	uneven  bool // each way draws its own faults

	// What the services do.
	keys     int           // different keys, per node
	hot      float64       // how often one of the few hot ones is meant
	every    time.Duration // mean interval between changes, per node
	size     int           // of states: 0 short, 1 mixed, 2 long
	removals float64       // part of the changes
	short    float64       // part of the changes that are a whole life
	burst    float64       // chance that a change is a burst instead

	// What happens to nodes and network: mean intervals over the whole world.
	crash, pause, cut, reshape          time.Duration
	away, resync, clear, adopt, release time.Duration
	downMost, pauseMost, cutMost        time.Duration
}

// changesMax is about how many changes a run has; it bounds what a seed costs.
const changesMax = 3000

// draw draws the options of a run.
func draw(r *rand.Rand) options {
	o := options{
		nodes: 2 + r.IntN(3)*r.IntN(2), links: 1 + r.IntN(2),
		phase:      time.Duration(2+r.IntN(14)) * time.Second,
		drift:      r.IntN(2) == 0,
		sealed:     r.IntN(4) != 0,
		objectsMax: 1 << 16, resendMax: 1 << 16,
		ackWindow:    pick(r, 256, 256, 1, 16, 1000),
		coalesce:     pick(r, 0, time.Millisecond, 2*time.Millisecond, 5*time.Millisecond),
		destroyDelay: pick(r, 200*time.Millisecond, 200*time.Millisecond, time.Millisecond, time.Second),
		ackDelay:     pick(r, 20*time.Millisecond, 20*time.Millisecond, time.Millisecond, 100*time.Millisecond),
		keepFormer:   r.IntN(3) == 0,
		network:      simnet.Draw(r),
		uneven:       r.IntN(3) == 0,
		keys:         pick(r, 3, 20, 100, 100, 300, 300, 1000),
		hot:          pick(r, 0, 0.2, 0.8),
		every:        pick(r, 500*time.Microsecond, 2*time.Millisecond, 10*time.Millisecond, 50*time.Millisecond),
		size:         r.IntN(3),
		removals:     pick(r, 0.05, 0.3, 0.5),
		short:        pick(r, 0, 0.1, 0.5),
		burst:        pick(r, 0, 0.002, 0.02),
	}
	if r.IntN(40) == 0 {
		// Enough for a resync of several windows and steps.
		o.keys, o.burst, o.every, o.phase = 6000, 0.3, 150*time.Millisecond, 4*time.Second
	}
	// A run has up to changesMax changes, whether in a second or in a minute.
	o.phase = min(o.phase, max(time.Second, o.every*changesMax/time.Duration(o.nodes)))
	switch r.IntN(40) {
	case 0: // far away, and half is lost: more gaps than can be remembered
		o.network = simnet.Faults{Delay: 400 * time.Millisecond, Loss: 0.5}
		o.nodes, o.coalesce, o.every, o.burst, o.keys, o.uneven = 2, 0, 300*time.Microsecond, 0, 1000, false
		o.phase = 3 * time.Second
	case 1: // short lives in a small cache: more tombstones than there may be
		o.destroyDelay, o.coalesce, o.every = time.Second, 0, 300*time.Microsecond
		o.removals, o.hot, o.keys = 0.5, 0, 1000
	}
	if r.IntN(4) == 0 {
		o.objectsMax = max(1, o.keys/4+r.IntN(o.keys))
	}
	if r.IntN(4) == 0 {
		o.resendMax = 8 + r.IntN(200)
	}
	if o.destroyDelay == time.Second && o.keys == 1000 {
		o.objectsMax = 20 + r.IntN(30)
	}
	o.drawEvents(r)
	return o
}

// drawEvents draws what happens to nodes, network and proxies, each in half of the runs.
func (o *options) drawEvents(r *rand.Rand) {
	for _, e := range []*time.Duration{
		&o.crash, &o.pause, &o.cut, &o.reshape, &o.away, &o.resync, &o.clear, &o.adopt, &o.release,
	} {
		if r.IntN(2) == 0 {
			*e = time.Duration(300+r.IntN(8000)) * time.Millisecond
		}
	}
	o.downMost = pick(r, 50*time.Millisecond, time.Second, 5*time.Second)
	o.pauseMost = pick(r, 20*time.Millisecond, 700*time.Millisecond, 4*time.Second)
	o.cutMost = pick(r, 50*time.Millisecond, time.Second, 5*time.Second)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// late is the longest that a datagram may be on its way or in a paused node's queue.
func (o *options) late() time.Duration {
	return 5*time.Second + o.pauseMost // simnet.Draw: at most 0.4 s, 0.02 s of jitter and twice 3 s late, rarely both
}

// idle is how many datagrams an idle world may send in two seconds: 5 Marks and 5 Acks a
// second from each node to each other, and one more of each where the two seconds begin
// or end. Each goes over every link; copies of a Mark that are not dropped are each answered.
func (o *options) idle() uint64 {
	acks := 11
	if !o.sealed {
		acks *= o.links
	}
	return uint64(o.nodes * (o.nodes - 1) * o.links * (11 + acks))
}

// bound is how long convergence may take after calm.
func (o *options) bound(refused bool) time.Duration {
	window := max(1, o.resendMax/2)
	d := 10*time.Second + 2*time.Duration(o.keys/window+1)*(o.ackDelay+o.destroyDelay)
	if refused {
		d += 2 * time.Minute // repairs of a copy that had no room wait up to a minute
	}
	return d
}

// String gives the options, a line for each kind.
func (o options) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nodes=%d links=%d phase=%v drift=%v sealed=%v\n", o.nodes, o.links, o.phase, o.drift, o.sealed)
	fmt.Fprintf(&b, "objects_max=%d resend_max=%d ack_window=%d coalesce=%v destroy_delay=%v ack_delay=%v keep_former=%v\n",
		o.objectsMax, o.resendMax, o.ackWindow, o.coalesce, o.destroyDelay, o.ackDelay, o.keepFormer)
	fmt.Fprintf(&b, "network: %v uneven=%v\n", o.network, o.uneven)
	fmt.Fprintf(&b, "service: keys=%d hot=%.1f every=%v size=%d removals=%.2f short=%.1f burst=%.3f\n",
		o.keys, o.hot, o.every, o.size, o.removals, o.short, o.burst)
	fmt.Fprintf(&b, "mean intervals: crash=%v pause=%v cut=%v reshape=%v away=%v resync=%v clear=%v adopt=%v release=%v\n",
		o.crash, o.pause, o.cut, o.reshape, o.away, o.resync, o.clear, o.adopt, o.release)
	fmt.Fprintf(&b, "at most: down=%v paused=%v cut=%v", o.downMost, o.pauseMost, o.cutMost)
	return b.String()
}

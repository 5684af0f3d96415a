package checkpointed

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/trace"
)

var (
	firstSeed = flag.Uint64("seed", 1, "first seed of the random schedules")
	seeds     = flag.Uint64("seeds", 300, "how many random schedules to run")
)

// trial is one random schedule.
type trial struct {
	*cluster
	seed  uint64
	calls int // still to be made
}

func newTrial(t testing.TB, seed uint64) *trial {
	rng := rand.New(rand.NewPCG(seed, 7))
	r := &trial{seed: seed, calls: 60}
	r.cluster = newCluster(t, 1+rng.IntN(4), service.All(service.Setting{})...)
	c := r.cluster
	c.Rng = rng
	c.every = time.Duration(20+rng.IntN(200)) * time.Millisecond
	c.Disturb()
	c.Record = func(e trace.Event) {
		if e.Kind != trace.Dropped {
			r.Note(e.Node.String(), fmt.Sprintf("%v %d %d", e.Kind, e.A, e.B))
		}
	}
	c.Tell = r.Note
	return r
}

// report gives what went wrong, and what replays it.
func (r *trial) failure(what string) string {
	for _, n := range r.nodes {
		if n.Up {
			r.Note(n.ID.String(), fmt.Sprintf("%+v %+v", n.m.State(), n.m.watch))
		}
	}
	return fmt.Sprintf("%s\n\n%s\nloss %v, disk %d to %d in epoch %d\nseed %d; again: go test ./protocol/replica/checkpointed -run Random -seed %d -seeds 1",
		r.Notes(), what, r.Loss, r.disk.index, r.disk.last, r.disk.epoch, r.seed, r.seed)
}

// trouble does one random thing. Any member may crash at any time, and both: what was answered is on the disk.
func (r *trial) trouble() {
	c, rng := r.cluster, r.Rng
	n := c.nodes[rng.IntN(2)]
	switch rng.IntN(10) {
	case 0:
		if n.Up {
			c.crash(n)
		}
	case 1, 2:
		point := names[1+rng.IntN(6)] + []string{"-before", "-after", "-done"}[rng.IntN(3)]
		if rng.IntN(4) == 0 {
			point = []string{"answer-before", "answer-after"}[rng.IntN(2)]
		}
		n.Trap, n.TrapAt = point, 1+rng.IntN(6)
	case 3, 4:
		for _, n := range c.nodes {
			if !n.Up {
				c.start(n)
				return
			}
		}
	case 5:
		if c.Runs(&n.Host) {
			r.Note(n.ID.String(), "is paused")
			c.Pause(&n.Host, time.Duration(rng.IntN(300))*time.Millisecond)
		}
	case 6:
		r.Note(n.ID.String(), "is cut off")
		c.Cut[[2]int{int(n.ID), int(3 - n.ID)}] = true
		c.Cut[[2]int{int(3 - n.ID), int(n.ID)}] = rng.IntN(3) != 0
	case 7:
		clear(c.Cut)
	case 8:
		if n.severed = !n.severed; n.severed {
			r.Note(n.ID.String(), "does not reach the disk")
		}
	case 9:
		if n.Up {
			c.step(n, func(out *Output) { n.m.Checkpoint(c.Now, out) })
		}
	}
}

// traffic lets clients begin calls.
func (r *trial) traffic() { r.calls -= r.Traffic(r.calls) }

// calm ends all trouble and lets everything come to rest.
func (r *trial) calm() {
	c := r.cluster
	c.Calm()
	for _, n := range c.nodes {
		n.Trap, n.severed = "", false
		if !n.Up {
			c.start(n)
		}
	}
	r.Note("--", "calm")
	c.Hear(&service.Fact{Kind: service.Calmed})
	c.Run(2 * time.Second)
	if c.Court.Violation() != nil {
		return
	}
	r.calls = 6
	for range 40 {
		r.traffic()
		c.Run(100 * time.Millisecond)
	}
}

func (r *trial) run1() string {
	c := r.cluster
	for _, n := range c.nodes {
		c.start(n)
	}
	for range 60 {
		c.Run(time.Duration(r.Rng.IntN(40)) * time.Millisecond)
		r.traffic()
		if r.Rng.IntN(3) == 0 {
			r.trouble()
		}
	}
	r.calm()
	if !c.halted {
		c.Hear(&service.Fact{Kind: service.Ended})
	}
	switch v := c.Court.Violation(); {
	case v != nil:
		return fmt.Sprintf("%s at %v: %s", v.Promise, v.At, v.Text)
	case c.halted:
		return "halted, and the service is deterministic"
	}
	a, b := c.nodes[0].m, c.nodes[1].m
	if past := c.Past(); a.exec.Time() > past || b.exec.Time() > past {
		return fmt.Sprintf("the agreed time is %v and %v, and only %v have gone by", a.exec.Time(), b.exec.Time(), past)
	}
	if a.role+b.role != Primary+Standby {
		return fmt.Sprintf("at peace the two are %v and %v", a.role, b.role)
	}
	return ""
}

// TestRandomTrouble: whatever happens, clients see one server that does not fail; and at peace one serves and the
// other watches.
func TestRandomTrouble(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		r := newTrial(t, seed)
		if wrong := r.run1(); wrong != "" {
			t.Fatal(r.failure(wrong))
		}
	}
}

package pair

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
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
	cuts  bool // the two may be cut off from one another
	flips int  // bits of a state that may flip
	calls int  // still to be made
}

func newTrial(t testing.TB, seed uint64) *trial {
	rng := rand.New(rand.NewPCG(seed, 7))
	r := &trial{seed: seed, calls: 60}
	judges := service.All(service.Setting{})
	if rng.IntN(8) == 0 {
		r.flips = 1 // a state that is damaged answers wrongly until it is found, and for ever if it is the primary's
		judges = service.Without(judges, "linearizability")
	}
	r.cluster = newCluster(t, 1+rng.IntN(4), judges...)
	c := r.cluster
	c.Rng, c.careful = rng, true
	c.policy = Policy(1 + rng.IntN(3))
	c.known = rng.IntN(4) != 0
	c.Disturb()
	r.cuts = rng.IntN(2) == 0
	c.Record = func(e trace.Event) {
		if e.Kind != trace.Dropped {
			r.Note(e.Node.String(), fmt.Sprintf("%v %d %d %d", e.Kind, e.A, e.B, e.C))
		}
	}
	c.Tell = r.Note
	return r
}

// report gives what went wrong, and what replays it.
func (r *trial) failure(what string) string {
	for _, n := range r.nodes {
		if n.Up {
			r.Note(n.ID.String(), fmt.Sprintf("%+v silent=%v", n.m.State(), n.m.peer.Silent))
		}
	}
	return fmt.Sprintf("%s\n\n%s\npolicy %v, disk %v, loss %v, cuts %v, flips %d\nseed %d; again: go test ./protocol/replica/pair -run Random -seed %d -seeds 1",
		r.Notes(), what, r.policy, r.known, r.Loss, r.cuts, r.flips, r.seed, r.seed)
}

// mayFall says whether a member may be lost: the other has all that was answered.
func mayFall(n *node) bool {
	y := n.c.nodes[2-n.ID]
	if !y.Up || y.damaged || n.m.role == Halting || n.m.going.epoch != 0 {
		return false
	}
	if n.m.role == Empty {
		return y.m.going.epoch == 0 || y.m.role != Empty
	}
	return y.m.role != Empty && y.m.role != Halting && y.m.epoch >= n.m.epoch
}

// trouble does one random thing.
func (r *trial) trouble() {
	c, rng := r.cluster, r.Rng
	n := c.nodes[rng.IntN(2)]
	points := []string{"piece-before", "piece-after", "receive", "answer-before", "answer-after", "statement-before"}
	switch rng.IntN(10) {
	case 0:
		switch {
		case c.logged && rng.IntN(2) == 0:
			r.cutPower()
		case n.Up && (c.logged || mayFall(n)):
			c.Crash(&n.Host)
		}
	case 1, 2:
		n.Trap, n.TrapAt = points[rng.IntN(len(points))], 1+rng.IntN(6)
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
			c.Pause(&n.Host, time.Duration(rng.IntN(200))*time.Millisecond)
		}
	case 6:
		if r.cuts {
			r.Note(n.ID.String(), "is cut off")
			c.Cut[[2]int{int(n.ID), int(3 - n.ID)}] = true
			c.Cut[[2]int{int(3 - n.ID), int(n.ID)}] = rng.IntN(3) != 0
		}
	case 7:
		clear(c.Cut)
	case 8:
		c.deaf = rng.IntN(2) == 0
	case 9:
		if r.flips > 0 && n.Up && n.m.role == Backup && n.m.epoch == c.nodes[2-n.ID].m.epoch && c.nodes[2-n.ID].Up {
			r.flips--
			n.damaged = true
			r.Note(n.ID.String(), "has a bit that flips")
			n.state.Set(uint32(rng.IntN(register.CellCount)), rng.Uint64())
		}
	}
}

// traffic lets clients begin calls.
func (r *trial) traffic() { r.calls -= r.Traffic(r.calls) }

// calm ends all trouble and lets everything come to rest. Where a member cannot know whether it may go
// on, and nobody can tell it, a person does.
func (r *trial) calm() {
	c := r.cluster
	c.Calm()
	c.deaf = false
	for _, n := range c.nodes {
		n.Trap = ""
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
	for _, n := range c.nodes {
		if y := c.nodes[2-n.ID]; c.logged && n.m.role == Empty && y.m.role == Empty && n.m.follows && n.m.kept > 0 {
			r.t.Fatal(r.failure("a person is needed, though there are logs"))
		} else if n.m.role != Empty && n.m.role != Single && y.m.role == Empty && !c.halted {
			if c.known {
				r.t.Fatal(r.failure("a person is needed, though there are disks"))
			}
			c.step(n, func(out *Output) { _ = n.m.Proceed(c.Now, out) })
		}
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
	case c.lost:
		return "what was answered was given up"
	}
	a, b := c.nodes[0].m, c.nodes[1].m
	if past := c.Past(); a.exec.Time() > past || b.exec.Time() > past {
		return fmt.Sprintf("the agreed time is %v and %v, and only %v have gone by", a.exec.Time(), b.exec.Time(), past)
	}
	if a.role+b.role != Primary+Backup || a.epoch != b.epoch || a.exec.Digest() != b.exec.Digest() {
		return fmt.Sprintf("at peace the two are %v in epoch %d, digest %x, and %v in epoch %d, digest %x",
			a.role, a.epoch, a.exec.Digest(), b.role, b.epoch, b.exec.Digest())
	}
	return ""
}

// TestRandomTrouble: whatever happens, as long as one member has all that was answered, clients
// see one server that does not fail; and at peace two have the same state.
func TestRandomTrouble(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		r := newTrial(t, seed)
		if wrong := r.run1(); wrong != "" {
			t.Fatal(r.failure(wrong))
		}
	}
}

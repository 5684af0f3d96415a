package checkpointed

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
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
	lines []string
	calls int // still to be made
}

func newTrial(t testing.TB, seed uint64) *trial {
	rng := rand.New(rand.NewPCG(seed, 7))
	r := &trial{seed: seed, calls: 60}
	r.cluster = newCluster(t, 1+rng.IntN(4), service.All(service.Setting{})...)
	c := r.cluster
	c.rng = rng
	c.every = time.Duration(20+rng.IntN(200)) * time.Millisecond
	if rng.IntN(3) == 0 {
		c.lease = 150 * time.Millisecond // sessions end, and time has to be let pass
	}
	c.jitter = time.Duration(1+rng.IntN(3000)) * time.Microsecond
	c.loss = []float64{0, 0.01, 0.1, 0.2}[rng.IntN(4)]
	c.duplicate = []float64{0, 0.02, 0.2}[rng.IntN(3)]
	c.record = func(e trace.Event) {
		if e.Kind != trace.Dropped {
			r.note(e.Node.String(), fmt.Sprintf("%v %d %d", e.Kind, e.A, e.B))
		}
	}
	c.tell = r.note
	return r
}

func (r *trial) note(who, what string) {
	line := fmt.Sprintf("%9.1f %s %s", float64(r.now.Sub(r.begin).Microseconds())/1000, who, what)
	if r.lines = append(r.lines, line); len(r.lines) > 400 {
		r.lines = r.lines[200:]
	}
}

// report gives what went wrong, and what replays it.
func (r *trial) failure(what string) string {
	for _, n := range r.nodes {
		if n.up {
			r.note(n.id.String(), fmt.Sprintf("%+v %+v", n.m.State(), n.m.watch))
		}
	}
	return fmt.Sprintf("%s\n\n%s\nloss %v, disk %d to %d in epoch %d\nseed %d; again: go test ./protocol/replica/checkpointed -run Random -seed %d -seeds 1",
		strings.Join(r.lines, "\n"), what, r.loss, r.disk.index, r.disk.last, r.disk.epoch, r.seed, r.seed)
}

// trouble does one random thing. Any member may crash at any time, and both: what was answered is on the disk.
func (r *trial) trouble() {
	c, rng := r.cluster, r.rng
	n := c.nodes[rng.IntN(2)]
	switch rng.IntN(10) {
	case 0:
		if n.up {
			c.crash(n)
		}
	case 1, 2:
		point := names[1+rng.IntN(6)] + []string{"-before", "-after", "-done"}[rng.IntN(3)]
		if rng.IntN(4) == 0 {
			point = []string{"answer-before", "answer-after"}[rng.IntN(2)]
		}
		n.trap, n.trapAt = point, 1+rng.IntN(6)
	case 3, 4:
		for _, n := range c.nodes {
			if !n.up {
				c.start(n)
				return
			}
		}
	case 5:
		if n.up && !c.now.Before(n.paused) {
			r.note(n.id.String(), "is paused")
			c.pause(n, time.Duration(rng.IntN(300))*time.Millisecond)
		}
	case 6:
		r.note(n.id.String(), "is cut off")
		c.cut[[2]int{int(n.id), int(3 - n.id)}] = true
		c.cut[[2]int{int(3 - n.id), int(n.id)}] = rng.IntN(3) != 0
	case 7:
		clear(c.cut)
	case 8:
		if n.severed = !n.severed; n.severed {
			r.note(n.id.String(), "does not reach the disk")
		}
	case 9:
		if n.up {
			c.step(n, func(out *Output) { n.m.Checkpoint(c.now, out) })
		}
	}
}

// traffic lets clients begin calls.
func (r *trial) traffic() {
	for _, x := range r.clients {
		if r.calls > 0 && x.sent == 0 && x.wants == nil && r.rng.IntN(2) == 0 {
			r.calls--
			x.call(service.Op(1+r.rng.IntN(3)), uint32(r.rng.IntN(cellCount)), r.rng.Uint64())
		}
	}
}

// calm ends all trouble and lets everything come to rest.
func (r *trial) calm() {
	c := r.cluster
	clear(c.cut)
	c.loss, c.duplicate = 0, 0
	for _, n := range c.nodes {
		n.trap, n.severed = "", false
		if !n.up {
			c.start(n)
		}
	}
	r.note("--", "calm")
	c.hear(&service.Fact{Kind: service.Calmed})
	c.run(2 * time.Second)
	if c.court.Violation() != nil {
		return
	}
	r.calls = 6
	for range 40 {
		r.traffic()
		c.run(100 * time.Millisecond)
	}
}

func (r *trial) run1() string {
	c := r.cluster
	for _, n := range c.nodes {
		c.start(n)
	}
	for range 60 {
		c.run(time.Duration(r.rng.IntN(40)) * time.Millisecond)
		r.traffic()
		if r.rng.IntN(3) == 0 {
			r.trouble()
		}
	}
	r.calm()
	if !c.halted {
		c.hear(&service.Fact{Kind: service.Ended})
	}
	switch v := c.court.Violation(); {
	case v != nil:
		return fmt.Sprintf("%s at %v: %s", v.Promise, v.At, v.Text)
	case c.halted:
		return "halted, and the service is deterministic"
	}
	a, b := c.nodes[0].m, c.nodes[1].m
	if past := c.now.Sub(c.begin); a.exec.Time() > past || b.exec.Time() > past {
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

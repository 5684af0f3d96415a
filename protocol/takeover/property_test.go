package takeover

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

var (
	firstSeed = flag.Uint64("seed", 1, "first seed of the random schedules")
	seeds     = flag.Uint64("seeds", 60, "how many random schedules to run")
)

// judge watches a cluster for what must never happen.
type judge struct {
	c       *cluster
	seed    uint64
	holders map[view.Epoch]view.Member // who was told to raise in an epoch
	last    map[view.Member]view.Epoch // of the commands of a life
	lines   []string                   // the newest events, for a failure
	moves   int                        // commands other than announcements
	planned bool                       // no faults: two nodes must never hold at once
}

func newJudge(t *testing.T, c *cluster, seed uint64) *judge {
	j := &judge{c: c, seed: seed, holders: map[view.Epoch]view.Member{}, last: map[view.Member]view.Epoch{}}
	note := func(who, what string) {
		if j.lines = append(j.lines, fmt.Sprintf("%9.1f %s %s", float64(c.now.Sub(c.begin).Microseconds())/1000, who, what)); len(j.lines) > 300 {
			j.lines = j.lines[150:]
		}
	}
	c.record = func(e trace.Event) {
		if e.Kind != trace.Dropped {
			note(e.Node.String(), sentence(e))
		}
	}
	c.tell = func(n *node, what string) { note(n.id.String(), what) }
	c.obey = j.command
	return j
}

func (j *judge) fail(format string, args ...any) {
	for _, n := range j.c.nodes {
		if n.up {
			j.lines = append(j.lines, fmt.Sprintf("%+v", n.m.Status()))
		}
	}
	j.c.t.Fatalf("%s\n\n%s\nseed %d; again: go test ./protocol/takeover -run '%s' -seed %d -seeds 1",
		strings.Join(j.lines, "\n"), fmt.Sprintf(format, args...), j.seed, j.c.t.Name(), j.seed)
}

func (j *judge) command(n *node, c Command) {
	me := view.Member{ID: n.id, Incarnation: n.life}
	if c.Epoch < j.last[me] {
		j.fail("%v: %v in epoch %d after epoch %d", me, c.Verb, c.Epoch, j.last[me])
	}
	j.last[me] = c.Epoch
	if c.Verb != Announce {
		j.moves++
	}
	if c.Verb != Raise {
		return
	}
	if n.committed < c.Epoch {
		j.fail("%v: raise in epoch %d, but only epoch %d was committed", me, c.Epoch, n.committed)
	}
	who, there := j.holders[c.Epoch]
	if there && (who.ID != n.id || j.c.remember && who != me) {
		j.fail("%v and %v were both told to raise in epoch %d", who, me, c.Epoch)
	}
	j.holders[c.Epoch] = me
	for _, other := range j.c.nodes {
		if j.planned && other != n && other.holding {
			j.fail("%v is told to raise while %v still holds", me, other.id)
		}
	}
}

// converged says what is wrong with a cluster that has had its time in peace.
func (j *judge) converged() string {
	var active, healthy *node
	for _, n := range j.c.nodes {
		if n.up && n.m.Role() == Active {
			if active != nil {
				return fmt.Sprintf("%v and %v are both active", active.id, n.id)
			}
			active = n
		}
		if n.up && n.down == 0 && n.m.Role() != Stopped {
			healthy = n
		}
	}
	for _, n := range j.c.nodes {
		switch {
		case !n.up || n.m.Role() == Stopped:
			if n.holding {
				return fmt.Sprintf("%v is gone and holds addresses", n.id)
			}
		case active == nil:
			return fmt.Sprintf("nobody is active; %v is %v", n.id, n.m.Role())
		case n != active && n.m.Role() != Standby:
			return fmt.Sprintf("%v is %v", n.id, n.m.Role())
		case n.m.Active().ID != active.id || n.m.Epoch() != active.m.Epoch():
			return fmt.Sprintf("%v follows %v in epoch %d, but %v is active in epoch %d",
				n.id, n.m.Active(), n.m.Epoch(), active.id, active.m.Epoch())
		case n.holding != (n == active):
			return fmt.Sprintf("%v is %v, and that it holds addresses is %v", n.id, n.m.Role(), n.holding)
		}
	}
	if active != nil && active.down > 0 && healthy != nil {
		return fmt.Sprintf("%v is active with an interface down, and %v is healthy", active.id, healthy.id)
	}
	return ""
}

// trouble does one random thing to a cluster.
func trouble(c *cluster, rng *rand.Rand) {
	n := c.nodes[rng.IntN(len(c.nodes))]
	other := c.nodes[rng.IntN(len(c.nodes))]
	wire := [3]int{int(n.id), int(other.id), rng.IntN(c.links + 1)}
	back := [3]int{wire[1], wire[0], wire[2]}
	step := func(call func(*Output)) {
		if n.up && !c.now.Before(n.paused) {
			c.step(n, call)
		}
	}
	switch rng.IntN(15) {
	case 0:
		c.tell(n, "crashes")
		c.crash(n)
	case 1, 2:
		if !n.up || n.m.Stopped() {
			c.tell(n, "starts")
			c.start(n)
		}
	case 3: // a restart within the detection time
		c.tell(n, "restarts")
		c.crash(n)
		c.start(n)
	case 4:
		c.tell(n, "is paused")
		c.pause(n, time.Duration(rng.IntN(300))*time.Millisecond)
	case 5:
		c.tell(n, fmt.Sprint("cut ", wire))
		c.cut[wire], c.cut[back] = true, true
	case 6:
		c.tell(n, fmt.Sprint("cut one way ", wire))
		c.cut[wire] = true
	case 7, 8:
		c.tell(n, "mended")
		clear(c.cut)
	case 9:
		if down := rng.IntN(2); !c.now.Before(n.paused) {
			n.down = down
			step(func(out *Output) { n.m.Health(c.now, down, out) })
		}
	case 10:
		step(func(out *Output) { _ = n.m.Switch(c.now, other.id, out) })
	case 11:
		step(func(out *Output) { n.m.Stop(c.now, out) })
	case 12:
		verb := []Verb{Commit, Raise, Lower}[rng.IntN(3)]
		n.service[verb] = time.Duration(rng.IntN(200)-1) * time.Millisecond
	case 13:
		ok := rng.IntN(2) == 0
		step(func(out *Output) { n.m.Synced(c.now, ok, out) })
	case 14:
		c.loss = float64(rng.IntN(4)) * 0.15
	}
}

// calm ends all trouble; who is dead stays dead and who is unhealthy stays so.
func calm(c *cluster) {
	clear(c.cut)
	c.loss, c.jitter = 0, time.Millisecond
	for _, n := range c.nodes {
		for v := range n.service {
			n.service[v] = time.Millisecond
		}
		if n.up && n.stuck {
			c.labour(n)
		}
	}
}

// TestRandomTrouble: whatever happens, nobody raises before its state is committed
// and no two in one epoch; and when it stops happening, exactly one is active, the
// others follow it, and nothing moves any more.
func TestRandomTrouble(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		c := newCluster(t, []uint8{150, 100, 100}[:2+rng.IntN(2)]...)
		c.rng, c.links, c.preempt, c.remember = rng, 1+rng.IntN(2), rng.IntN(2) == 0, rng.IntN(2) == 0
		c.jitter = time.Duration(1+rng.IntN(10000)) * time.Microsecond
		j := newJudge(t, c, seed)
		for _, n := range c.nodes {
			c.start(n)
		}
		for range 60 {
			c.run(time.Duration(rng.IntN(150)) * time.Millisecond)
			trouble(c, rng)
		}
		calm(c)
		c.run(20 * time.Second)
		if wrong := j.converged(); wrong != "" {
			j.fail("%s", wrong)
		}
		moves := j.moves
		c.run(2 * time.Second)
		if j.moves != moves {
			j.fail("the cluster is at peace, but %d commands were given", j.moves-moves)
		}
	}
}

// TestPlannedMovesNeverHoldTwice: where nothing fails, no two nodes hold the addresses
// at one time, whoever hands over to whom and why.
func TestPlannedMovesNeverHoldTwice(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := newCluster(t, []uint8{150, 100, 50}[:2+rng.IntN(2)]...)
		c.rng, c.links, c.preempt = rng, 1+rng.IntN(2), rng.IntN(2) == 0
		c.jitter = time.Duration(1+rng.IntN(8000)) * time.Microsecond
		j := newJudge(t, c, seed)
		j.planned = true
		for _, n := range c.nodes {
			c.start(n)
		}
		c.run(300 * time.Millisecond)
		for range 40 {
			n, other := c.nodes[rng.IntN(len(c.nodes))], c.nodes[rng.IntN(len(c.nodes))]
			switch rng.IntN(4) {
			case 0, 1:
				c.step(n, func(out *Output) { _ = n.m.Switch(c.now, other.id, out) })
			case 2:
				n.down = 1 - n.down
				c.step(n, func(out *Output) { n.m.Health(c.now, n.down, out) })
			case 3:
				n.service[[]Verb{Commit, Raise, Lower}[rng.IntN(3)]] = time.Duration(rng.IntN(50)) * time.Millisecond
			}
			c.run(time.Duration(rng.IntN(200)) * time.Millisecond)
		}
		calm(c)
		c.run(20 * time.Second)
		if wrong := j.converged(); wrong != "" {
			j.fail("%s", wrong)
		}
	}
}

// TestHeartbeatsCostWhatTheFormulaSays: n(n-1)l frames a heartbeat, 70 bytes each.
func TestHeartbeatsCostWhatTheFormulaSays(t *testing.T) {
	for n := 2; n <= 5; n++ {
		for links := 1; links <= 3; links++ {
			c := newCluster(t, []uint8{5, 4, 3, 2, 1}[:n]...)
			c.links = links
			for _, node := range c.nodes {
				c.start(node)
			}
			c.run(time.Second)
			frames, bytes := c.frames, c.bytes
			c.run(time.Second)
			frames, bytes = c.frames-frames, c.bytes-bytes
			if want := n * (n - 1) * links * 100; frames != want || bytes != want*70 {
				t.Errorf("%d members, %d links: %d frames, %d bytes a second; want %d and %d", n, links, frames, bytes, want, want*70)
			}
		}
	}
}

package detect

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// judge watches a cluster from outside and holds it to the package's promises. It counts
// silence itself, from what the network delivers.
type judge struct {
	c        *cluster
	opinions map[[4]uint64]bool // of a life of one on a life of another
	heard    map[[2]view.ID]time.Time
	pauses   map[view.ID][]pausing
	complain func(what string)
}

// pausing is a pause of a process; one that takes no time is a jump of its clock.
type pausing struct{ from, to time.Time }

func newJudge(c *cluster, complain func(string)) *judge {
	j := &judge{
		c: c, opinions: map[[4]uint64]bool{}, heard: map[[2]view.ID]time.Time{},
		pauses: map[view.ID][]pausing{}, complain: complain,
	}
	c.change = j.change
	c.record = j.record
	return j
}

// record compares the silence that the machine took for a suspicion with the judge's own.
func (j *judge) record(e trace.Event) {
	if e.Kind != trace.Suspected {
		return
	}
	n, p := j.c.nodes[e.Node-1], j.c.nodes[e.Peer-1]
	if life, _ := n.m.Life(p.id); life != p.life {
		return // it may be the end of a former life
	}
	silent := j.ran(n.id, j.heard[[2]view.ID{n.id, p.id}])
	if silent < testSuspect {
		j.complain(fmt.Sprintf("%v suspects %v after %v of silence", n.id, p.id, silent))
	}
}

// ran is the time since a moment that a node may take for having been run: a heartbeat of
// each pause, and as much for each jump of its clock.
func (j *judge) ran(id view.ID, since time.Time) time.Duration {
	d := j.c.now.Sub(since)
	for _, p := range j.pauses[id] {
		if p.to.Before(since) {
			continue
		}
		if p.to.After(j.c.now) {
			p.to = j.c.now
		}
		d += testHeartbeat - max(0, p.to.Sub(later(p.from, since)))
	}
	return d
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (j *judge) change(n *node, c Change) {
	life := [4]uint64{uint64(n.id), uint64(n.life), uint64(c.Peer.ID), uint64(c.Peer.Incarnation)}
	was, known := j.opinions[life]
	if known && was == c.Suspected || !known && c.Suspected {
		j.complain(fmt.Sprintf("%v says of %v twice that it is suspected: %v", n.id, c.Peer, c.Suspected))
	}
	j.opinions[life] = c.Suspected
	if c.Suspected {
		return
	}
	for former := uint64(1); former < life[3]; former++ {
		life[3] = former
		if suspected, known := j.opinions[life]; known && !suspected {
			j.complain(fmt.Sprintf("%v trusts %v and its former life %d", n.id, c.Peer, former))
		}
	}
}

// storm runs a cluster through random faults, and calls complain for what breaks a promise.
func storm(t testing.TB, seed uint64, complain func(string)) {
	rng := rand.New(rand.NewPCG(seed, 9))
	c := newCluster(t, 2+rng.IntN(3), 1+rng.IntN(2))
	c.rng = rng
	j := newJudge(c, complain)
	c.tap = func(n *node, from view.ID) { j.heard[[2]view.ID{n.id, from}] = c.now }
	for _, n := range c.nodes {
		c.start(n)
	}
	for range 60 {
		n, p := c.nodes[rng.IntN(len(c.nodes))], c.nodes[rng.IntN(len(c.nodes))]
		switch rng.IntN(7) {
		case 0:
			n.up = false
		case 1:
			if n.up && rng.IntN(4) > 0 {
				break // a life has to last for being flapping
			}
			delete(j.pauses, n.id) // a new process is run
			c.start(n)
		case 2:
			d := testSuspect + time.Duration(rng.Int64N(int64(3*time.Second)))
			if n.up && !c.now.Before(n.paused) {
				j.pauses[n.id] = append(j.pauses[n.id], pausing{c.now, c.now.Add(d)})
				c.pause(n, d)
			}
		case 3:
			j.pauses[n.id] = append(j.pauses[n.id], pausing{c.now, c.now})
			n.skew += time.Duration(rng.Int64N(int64(time.Hour))) - time.Hour/2
		case 4, 6:
			key := [3]int{int(n.id), int(p.id), rng.IntN(c.links + 1)}
			c.cut[key] = true
			c.after(time.Duration(rng.Int64N(int64(2*time.Second))), func() { delete(c.cut, key) })
		case 5:
			c.loss = []float64{0, 0.05, 0.2}[rng.IntN(3)]
		}
		c.run(time.Duration(rng.Int64N(int64(time.Second))))
		j.formerLives()
		if rng.IntN(4) == 0 {
			j.dead()
		}
	}
	c.loss = 0
	clear(c.cut)
	c.run(4 * time.Second) // paused ones come back
	j.dead()
	for _, n := range c.nodes {
		for _, p := range c.nodes {
			if n != p && n.up && p.up && !n.m.Trusts(view.Member{ID: p.id, Incarnation: p.life}) {
				complain(fmt.Sprintf("in the end %v does not trust %v, which lives", n.id, p.id))
			}
		}
	}
}

// formerLives plays frames of former lives back to everybody, as a network may.
func (j *judge) formerLives() {
	for _, n := range j.c.nodes {
		for _, p := range j.c.nodes {
			if n != p && n.up && p.life > 1 && !j.c.now.Before(n.paused) {
				former := view.Member{ID: p.id, Incarnation: p.life - 1}
				if life, _ := n.m.Life(p.id); life == p.life {
					j.c.step(n, func(now time.Time, out *Output) { n.m.Heard(now, former, 1, out) })
				}
			}
		}
	}
}

// dead waits for as long as a suspicion may take, and looks whether any who is dead is
// trusted by one who was run all the time.
func (j *judge) dead() {
	c, begin := j.c, j.c.now
	var down []*node
	for _, n := range c.nodes {
		if !n.up {
			down = append(down, n)
		}
	}
	for range 2 {
		c.run(patienceMax*testSuspect/2 + testHeartbeat)
		j.formerLives()
	}
	for _, p := range down {
		for _, n := range c.nodes {
			life, suspected := n.m.Life(p.id)
			if n.up && n.paused.Before(begin) && life != 0 && !suspected {
				j.complain(fmt.Sprintf("%v trusts %v, which is dead", n.id, p.id))
			}
		}
	}
}

// TestStorm is all promises under faults of all kinds; with a planted bug, it is what must fail.
func TestStorm(t *testing.T) {
	for seed := range uint64(40) {
		storm(t, seed, func(what string) { t.Errorf("seed %d: %s", seed, what) })
		if t.Failed() {
			return
		}
	}
}

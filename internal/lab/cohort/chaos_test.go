package cohort_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

var (
	rounds = flag.Int("rounds", 3, "how many rounds of drawn faults to run")
	from   = flag.Uint64("from", 1, "the seed of the first round")
)

// chaosTime is how long faults are drawn in a round.
const chaosTime = 6 * time.Second

// chaos draws faults one after the other without waiting for what they lead to. One
// assumption is kept, that of docs/guarantees.md: fewer than half of the members are down,
// outside or on their way in at any time because of what is drawn here.
type chaos struct {
	*world
	stopped map[string]time.Time // until when
	deaf    map[string]bool
	out     map[string]bool // asked to leave
}

// mayFall says whether a member may lose its memory.
func (c *chaos) mayFall(name string) bool {
	out := 0
	for _, n := range c.names {
		if l := c.current[n]; n == name || l.process.Ended != 0 || c.out[n] || !l.willing || l.view == nil {
			out++
		}
	}
	return 2*out < len(c.names)
}

// one draws a member that runs.
func (c *chaos) one() string {
	for {
		name := c.names[c.chance.IntN(len(c.names))]
		if c.current[name].process.Ended == 0 {
			return name
		}
	}
}

// step does one thing, and says what.
func (c *chaos) step() string {
	for name, until := range c.stopped {
		if time.Now().After(until) {
			c.signal(syscall.SIGCONT, name)
			delete(c.stopped, name)
		}
	}
	for _, name := range c.names {
		if c.current[name].process.Ended != 0 && c.chance.IntN(3) == 0 {
			c.start(name)
			return "start " + name
		}
	}
	name := c.one()
	switch c.chance.IntN(12) {
	case 0, 1:
		if !c.mayFall(name) {
			return ""
		}
		c.current[name].process.Kill()
		delete(c.stopped, name)
		delete(c.deaf, name)
		delete(c.out, name)
		return "kill " + name
	case 2, 3:
		if _, there := c.stopped[name]; there {
			return ""
		}
		d := time.Duration(c.chance.Int64N(int64(6 * c.suspect)))
		c.stopped[name] = time.Now().Add(d)
		c.signal(syscall.SIGSTOP, name)
		return fmt.Sprintf("stop %s for %v", name, d)
	case 4:
		parts := [][]string{nil, nil}
		for _, n := range c.names {
			i := c.chance.IntN(2)
			parts[i] = append(parts[i], n)
		}
		c.must(c.net.Split(parts...))
		return fmt.Sprint("split ", parts)
	case 5:
		other := c.names[c.chance.IntN(len(c.names))]
		if other == name {
			return ""
		}
		both := c.chance.IntN(2) == 0
		c.must(c.net.Cut(name, other, both))
		return fmt.Sprintf("cut %s to %s, both ways: %v", name, other, both)
	case 6, 7, 8:
		c.must(c.net.Mend())
		return "mend"
	case 9:
		percent := float64(c.chance.IntN(20))
		c.must(c.net.Lose(percent))
		return fmt.Sprintf("lose %g%%", percent)
	case 10:
		return c.comeOrGo(name)
	}
	if c.deaf[name] = !c.deaf[name]; c.deaf[name] {
		c.tell("deaf", name)
		return "deaf " + name
	}
	c.tell("hear", name)
	return "hear " + name
}

// comeOrGo lets a member leave, or come in again in the same life.
func (c *chaos) comeOrGo(name string) string {
	if c.out[name] {
		delete(c.out, name)
		c.tell("join", name)
		return "join " + name
	}
	if !c.mayFall(name) {
		return ""
	}
	c.out[name] = true
	c.tell("leave", name)
	return "leave " + name
}

// drawn draws the shape of a round.
func drawn(chance *rand.Rand) shape {
	pick := func(words ...string) string { return words[chance.IntN(len(words))] }
	return shape{
		members: 3 + chance.IntN(3), transport: pick("udp", "multicast", "tcp"), engine: pick("sequencer", "lamport", "isis"),
		partition: pick("primary", "primary", "all"), insecure: chance.IntN(2) == 0, queue: []int{0, 100 << 10}[chance.IntN(2)],
	}
}

func TestDrawnFaultsBreakNoPromise(t *testing.T) {
	for seed := *from; seed < *from+uint64(*rounds); seed++ {
		s := drawn(rand.New(rand.NewPCG(seed, 2)))
		t.Run(fmt.Sprintf("seed %d %v", seed, s), func(t *testing.T) {
			w := newWorld(t, s, seed)
			w.found()
			c := &chaos{w, map[string]time.Time{}, map[string]bool{}, map[string]bool{}}
			var did []string
			for end := time.Now().Add(chaosTime); time.Now().Before(end); {
				if what := c.step(); what != "" {
					did = append(did, what)
				}
				w.run(time.Duration(20+w.chance.IntN(300)) * time.Millisecond)
			}
			w.Logf("%q", did)
			for _, name := range w.names {
				if c.out[name] && w.current[name].process.Ended == 0 {
					w.tell("join", name)
				}
			}
			w.calm()
		})
	}
}

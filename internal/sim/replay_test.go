package sim_test

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/proxies"
	"github.com/holdfast-ha/holdfast/internal/sim/worlds"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/trace"
)

// TestSameSeedSameEvents proves that a seed is a schedule: every datagram and every event
// is the same when it is run again. Without that no failure could be replayed.
func TestSameSeedSameEvents(t *testing.T) {
	t.Parallel()
	for _, w := range worlds.All() {
		hashes := map[uint64]uint64{}
		for seed := range uint64(100) {
			a := w.Run(seed, sim.Limits{Steps: 300})
			b := w.Run(seed, sim.Limits{Steps: 300})
			if a.Hash != b.Hash || a.Steps != b.Steps || a.Virtual != b.Virtual {
				t.Fatalf("%s seed %d: %d steps, %v, hash %x; again: %d steps, %v, hash %x",
					w.Name, seed, a.Steps, a.Virtual, a.Hash, b.Steps, b.Virtual, b.Hash)
			}
			if other, same := hashes[a.Hash]; same {
				t.Errorf("%s: seeds %d and %d are the same schedule", w.Name, other, seed)
			}
			hashes[a.Hash] = seed
		}
	}
}

// TestEveryEventHappens proves that the schedules reach what they are for: every event a
// machine can record. It stops as soon as they have.
func TestEveryEventHappens(t *testing.T) {
	t.Parallel()
	var total sim.Total
	for seed := range uint64(600) {
		for _, w := range worlds.All() {
			for i := range uint64(w.Times) {
				if i < 4 {
					total.Add(w.Run(4*seed+i, sim.Limits{}))
				}
			}
		}
		if len(silent(&total)) == 0 {
			t.Logf("everything has happened within %d seeds", seed+1)
			return
		}
	}
	t.Errorf("never happened: %v", silent(&total))
}

// silent names the events that have not happened.
func silent(total *sim.Total) []string {
	var names []string
	for k := trace.None + 1; k < trace.Kind(trace.KindCount); k++ {
		// Nobody belongs to another cluster; and what is cut short by a crash is dropped
		// before it comes to the orders.
		if total.Kinds[k] == 0 && k != trace.Identified && k != trace.Discarded {
			names = append(names, k.String())
		}
	}
	return names
}

// TestEveryBoundIsReached proves that the schedules of state proxies come to every bound of them.
func TestEveryBoundIsReached(t *testing.T) {
	t.Parallel()
	var total sim.Total
	for seed := range uint64(5000) {
		total.Add(proxies.Run(seed, sim.Limits{}))
		if len(unreached(&total)) == 0 {
			t.Logf("every bound is reached within %d seeds", seed+1)
			return
		}
	}
	t.Errorf("never reached: %v", unreached(&total))
}

func unreached(total *sim.Total) []string {
	var names []string
	for b := stateproxy.OwnObjects; b <= stateproxy.Gaps; b++ {
		if total.Bounds[b] == 0 {
			names = append(names, b.String())
		}
	}
	return names
}

// TestClock proves that a node's clock and its reverse agree to the nanosecond, for every
// drift: a timer that fires early would be set again and again.
func TestClock(t *testing.T) {
	base := time.Unix(1_700_000_000, 123)
	for drift := int64(-sim.DriftMost); drift <= sim.DriftMost; drift += 7 {
		c := sim.NewClock(5*time.Second, base, drift)
		for _, after := range []time.Duration{0, 1, 999, time.Millisecond, 17*time.Hour + 3} {
			at := base.Add(after)
			when := c.When(at)
			if shown := c.Read(when); shown.Before(at) {
				t.Fatalf("drift %d: at %v the clock shows %v, which is before %v", drift, when, shown, at)
			}
			if when > 5*time.Second && !c.Read(when-1).Before(at) {
				t.Fatalf("drift %d: the clock shows %v before %v already", drift, at, when)
			}
		}
		if when := c.When(base.Add(-time.Hour)); when != 5*time.Second {
			t.Fatalf("the past is at %v", when)
		}
	}
}

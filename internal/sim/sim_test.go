package sim_test

import (
	"flag"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/proxies"
)

var (
	seeds = flag.Int("seeds", 100, "how many seeds to run in each world")
	from  = flag.Uint64("from", 0, "the first seed")
	steps = flag.Uint64("steps", 0, "end the first phase after so many steps; 0: as drawn")
	only  = flag.String("world", "", "run this world only")
)

func TestSeeds(t *testing.T) {
	t.Run(proxies.Name, func(t *testing.T) {
		var virtual time.Duration
		var kinds [64]uint64
		var bounds [8]uint64
		n := 0
		for seed := *from; seed < *from+uint64(*seeds); seed++ {
			r := proxies.Run(seed, sim.Limits{Steps: *steps})
			virtual += r.Virtual
			n++
			for i, k := range r.Kinds {
				kinds[i] += k
			}
			for i, k := range r.Bounds {
				bounds[i] += k
			}
			if r.Failed() {
				t.Fatal("\n" + r.String())
			}
		}
		t.Logf("%d seeds, %v virtual, %v, %v", n, virtual, kinds, bounds)
	})
}

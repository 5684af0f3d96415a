package sim_test

import (
	"flag"
	"hash/fnv"
	"os"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/pair"
	"github.com/holdfast-ha/holdfast/internal/sim/proxies"
)

// The flags: go test ./internal/sim -args -seeds=1000.
var (
	seeds = flag.Int("seeds", 100, "how many seeds to run in each world")
	from  = flag.Uint64("from", 0, "the first seed; without it, a number made from HOLDFAST_SIM_SEED, or 0")
	steps = flag.Uint64("steps", 0, "end the first phase after so many steps; 0: as drawn")
	only  = flag.String("world", "", "run this world only: proxies or pair")
	raw   = flag.Bool("raw", false, "let a panic through, for its stack")
)

// world is one of the worlds there are.
type world struct {
	name string
	run  func(uint64, sim.Limits) *sim.Report
}

func worlds() []world {
	return []world{{proxies.Name, proxies.Run}, {pair.Name, pair.Run}}
}

// first is the first seed. CI sets HOLDFAST_SIM_SEED to the commit, so every commit runs
// schedules that none before it has run, and which are known from its hash.
func first() uint64 {
	commit := os.Getenv("HOLDFAST_SIM_SEED")
	if *from != 0 || commit == "" {
		return *from
	}
	h := fnv.New64a()
	h.Write([]byte(commit))
	return h.Sum64() >> 16
}

// TestSeeds runs schedules and asks the judges.
func TestSeeds(t *testing.T) {
	for _, w := range worlds() {
		if *only != "" && *only != w.name {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var total sim.Total
			for seed := first(); total.Seeds < uint64(*seeds); seed++ {
				r := w.run(seed, sim.Limits{Steps: *steps, Raw: *raw})
				total.Add(r)
				if r.Failed() {
					t.Fatal("\n" + r.String())
				}
			}
			t.Logf("%s, from seed %d: %s", w.name, first(), total.String())
		})
	}
}

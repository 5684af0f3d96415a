package sim_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"runtime"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/worlds"
)

// The flags: go test ./internal/sim -args -seeds=1000.
var (
	seeds = flag.Int("seeds", 100, "how many seeds to run in each world; that of groups, whose seeds are short, runs twenty times as many unless it is the only one")
	from  = flag.Uint64("from", 0, "the first seed; without it, a number made from HOLDFAST_SIM_SEED, or 0")
	steps = flag.Uint64("steps", 0, "end the first phase after so many steps; 0: as drawn")
	only  = flag.String("world", "", "run this world only: "+worlds.Names())
	raw   = flag.Bool("raw", false, "let a panic through, for its stack")
)

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

// TestSeeds runs schedules and asks the judges. A world has one thread; there are as many
// worlds at a time as there are processors.
func TestSeeds(t *testing.T) {
	chosen, err := worlds.Choose(*only)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range chosen {
		count := uint64(*seeds)
		if *only == "" {
			count *= uint64(w.Times)
		}
		t.Run(w.Name, func(t *testing.T) {
			shards := min(uint64(runtime.GOMAXPROCS(0)), count)
			totals := make([]sim.Total, shards)
			t.Cleanup(func() {
				for i := range totals[1:] {
					totals[0].Join(&totals[i+1])
				}
				t.Logf("%s, from seed %d: %s", w.Name, first(), totals[0].String())
			})
			for i := range shards {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					t.Parallel()
					for seed := first() + i; seed < first()+count && !t.Failed(); seed += shards {
						r := w.Run(seed, sim.Limits{Steps: *steps, Raw: *raw})
						totals[i].Add(r)
						if r.Failed() {
							t.Fatal("\n" + r.String())
						}
					}
				})
			}
		})
	}
}

package sim_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"runtime"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/cohorts"
	"github.com/holdfast-ha/holdfast/internal/sim/pair"
	"github.com/holdfast-ha/holdfast/internal/sim/peers"
	"github.com/holdfast-ha/holdfast/internal/sim/proxies"
	"github.com/holdfast-ha/holdfast/internal/sim/servers"
	"github.com/holdfast-ha/holdfast/internal/sim/services"
)

// The flags: go test ./internal/sim -args -seeds=1000.
var (
	seeds = flag.Int("seeds", 100, "how many seeds to run in each world; that of groups, whose seeds are short, runs twenty times as many unless it is the only one")
	from  = flag.Uint64("from", 0, "the first seed; without it, a number made from HOLDFAST_SIM_SEED, or 0")
	steps = flag.Uint64("steps", 0, "end the first phase after so many steps; 0: as drawn")
	only  = flag.String("world", "", "run this world only: proxies, pair, cohorts, services, locks, calls, servers or peers")
	raw   = flag.Bool("raw", false, "let a panic through, for its stack")
)

// world is one of the worlds there are.
type world struct {
	name  string
	run   func(uint64, sim.Limits) *sim.Report
	times int // so many seeds for one of the others
}

func worlds() []world {
	return []world{{proxies.Name, proxies.Run, 1}, {pair.Name, pair.Run, 1}, {cohorts.Name, cohorts.Run, 20}, {services.Name, services.Run, 4}, {services.LocksName, services.RunLocks, 4}, {services.CallsName, services.RunCalls, 4}, {servers.Name, servers.Run, 4}, {peers.Name, peers.Run, 1}}
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

// TestSeeds runs schedules and asks the judges. A world has one thread; there are as many
// worlds at a time as there are processors.
func TestSeeds(t *testing.T) {
	for _, w := range worlds() {
		if *only != "" && *only != w.name {
			continue
		}
		count := uint64(*seeds)
		if *only == "" {
			count *= uint64(w.times)
		}
		t.Run(w.name, func(t *testing.T) {
			shards := min(uint64(runtime.GOMAXPROCS(0)), count)
			totals := make([]sim.Total, shards)
			t.Cleanup(func() {
				for i := range totals[1:] {
					totals[0].Join(&totals[i+1])
				}
				t.Logf("%s, from seed %d: %s", w.name, first(), totals[0].String())
			})
			for i := range shards {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					t.Parallel()
					for seed := first() + i; seed < first()+count && !t.Failed(); seed += shards {
						r := w.run(seed, sim.Limits{Steps: *steps, Raw: *raw})
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

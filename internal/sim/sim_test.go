package sim_test

import (
	"flag"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/pair"
	"github.com/holdfast-ha/holdfast/internal/sim/proxies"
)

var (
	seeds = flag.Int("seeds", 100, "how many seeds to run in each world")
	from  = flag.Uint64("from", 0, "the first seed")
	steps = flag.Uint64("steps", 0, "end the first phase after so many steps; 0: as drawn")
	only  = flag.String("world", "", "run this world only")
)

func TestSeeds(t *testing.T) {
	for _, w := range []struct {
		name string
		run  func(uint64, sim.Limits) *sim.Report
	}{{proxies.Name, proxies.Run}, {pair.Name, pair.Run}} {
		if *only != "" && *only != w.name {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			var total sim.Total
			for seed := *from; seed < *from+uint64(*seeds); seed++ {
				r := w.run(seed, sim.Limits{Steps: *steps})
				total.Add(r)
				if r.Failed() {
					t.Fatal("\n" + r.String())
				}
			}
			t.Log(total.String())
		})
	}
}

// Command simulate runs the simulator until it fails or is told to stop:
//
//	go build -o bin/simulate ./internal/command/simulate && bin/simulate -forever
//
// Each seed is a schedule of faults (package internal/sim). It prints how far it is every
// few seconds. What fails is printed with its seed, its options, its last events and the
// command that replays it; the exit code is 2 if a machine panicked, 3 if a promise was
// broken, 4 if something promised did not come about in time. ("go run" makes 1 of each.)
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/cohorts"
	"github.com/holdfast-ha/holdfast/internal/sim/pair"
	"github.com/holdfast-ha/holdfast/internal/sim/peers"
	"github.com/holdfast-ha/holdfast/internal/sim/proxies"
	"github.com/holdfast-ha/holdfast/internal/sim/services"
)

// progressEvery is how often it prints how far it is.
const progressEvery = 10 * time.Second

func main() {
	var (
		forever = flag.Bool("forever", false, "go on until something fails")
		seeds   = flag.Uint64("seeds", 1000, "how many seeds to run in each world")
		from    = flag.Uint64("from", uint64(time.Now().Unix())<<20, "the first seed")
		steps   = flag.Uint64("steps", 0, "end the first phase after so many steps; 0: as drawn")
		only    = flag.String("world", "", "run this world only: proxies, pair, cohorts, services, locks, calls or peers")
		raw     = flag.Bool("raw", false, "let a panic through, for its stack")
	)
	flag.Parse()
	if *forever {
		*seeds = 1 << 62
	}
	worlds := []struct {
		name  string
		run   func(uint64, sim.Limits) *sim.Report
		total sim.Total
	}{{name: proxies.Name, run: proxies.Run}, {name: pair.Name, run: pair.Run}, {name: cohorts.Name, run: cohorts.Run}, {name: services.Name, run: services.Run}, {name: services.LocksName, run: services.RunLocks},
		{name: services.CallsName, run: services.RunCalls}, {name: peers.Name, run: peers.Run}}
	began, said := time.Now(), time.Now()
	for seed := *from; seed-*from < *seeds; seed++ {
		for i := range worlds {
			w := &worlds[i]
			if *only != "" && *only != w.name {
				continue
			}
			r := w.run(seed, sim.Limits{Steps: *steps, Raw: *raw})
			w.total.Add(r)
			if r.Failed() {
				fmt.Println(r)
				os.Exit(r.Class.ExitCode())
			}
		}
		if now := time.Now(); now.Sub(said) >= progressEvery || seed-*from+1 == *seeds {
			said = now
			for i := range worlds {
				if w := &worlds[i]; w.total.Seeds > 0 {
					fmt.Printf("%-8s seed %d, %.1f a second: %s\n", w.name, seed, float64(w.total.Seeds)/now.Sub(began).Seconds(), &w.total)
				}
			}
		}
	}
}

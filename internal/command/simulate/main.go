// Command simulate runs the simulator until it fails or is told to stop:
//
//	go build -o bin/simulate ./internal/command/simulate && bin/simulate -forever
//
// Each seed is a schedule of faults (package internal/sim). It prints how far it is every
// few seconds. What fails is printed with its seed, its options, its last events and the
// command that replays it; the exit code is 1 for a world that there is not, 2 if a machine panicked, 3 if a promise was
// broken, 4 if something promised did not come about in time. ("go run" makes 1 of each.)
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/worlds"
)

// progressEvery is how often it prints how far it is.
const progressEvery = 10 * time.Second

func main() {
	var (
		forever = flag.Bool("forever", false, "go on until something fails")
		seeds   = flag.Uint64("seeds", 1000, "how many seeds to run in each world")
		from    = flag.Uint64("from", uint64(time.Now().Unix())<<20, "the first seed")
		steps   = flag.Uint64("steps", 0, "end the first phase after so many steps; 0: as drawn")
		only    = flag.String("world", "", "run this world only: "+worlds.Names())
		raw     = flag.Bool("raw", false, "let a panic through, for its stack")
	)
	flag.Parse()
	if *forever {
		*seeds = 1 << 62
	}
	chosen, err := worlds.Choose(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
	totals := make([]sim.Total, len(chosen))
	began, said := time.Now(), time.Now()
	for seed := *from; seed-*from < *seeds; seed++ {
		for i := range chosen {
			r := chosen[i].Run(seed, sim.Limits{Steps: *steps, Raw: *raw})
			totals[i].Add(r)
			if r.Failed() {
				fmt.Println(r)
				os.Exit(r.Class.ExitCode())
			}
		}
		if now := time.Now(); now.Sub(said) >= progressEvery || seed-*from+1 == *seeds {
			said = now
			for i := range chosen {
				fmt.Printf("%-8s seed %d, %.1f a second: %s\n", chosen[i].Name, seed, float64(totals[i].Seeds)/now.Sub(began).Seconds(), &totals[i])
			}
		}
	}
}

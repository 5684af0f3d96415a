//go:build canary

package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/cohorts"
	"github.com/holdfast-ha/holdfast/internal/sim/servers"
	"github.com/holdfast-ha/holdfast/internal/sim/services"
	"github.com/holdfast-ha/holdfast/internal/sim/worlds"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
)

// canarySeeds is within how many seeds a planted bug must be found, canaryGroups within how
// many of cohorts: fewer than CI runs of each.
const (
	canarySeeds  = 300
	canaryGroups = 1500
)

// plant plants one bug and gives a function that takes it back.
type plant struct {
	world string
	bug   string
	plant func()
	want  string   // in the report: the promise, or what else is said
	also  []string // of a bug of groups with a judge: who may report it too, see finder
}

func plants() []plant {
	proxy := func(b stateproxy.Bug, name, want string) plant {
		return plant{"proxies", name, func() { stateproxy.Plant(b) }, want, nil}
	}
	whole := func(b stack.Bug, name, want string) plant {
		return plant{"pair", name, func() { stack.Plant(b) }, want, nil}
	}
	taking := func(b takeover.Bug, name, want string) plant {
		return plant{"pair", name, func() { takeover.Plant(b) }, want, nil}
	}
	return append(slices.Concat(cohortPlants(), servicePlants(), peerPlants(), lockPlants(), serverPlants()), []plant{
		proxy(stateproxy.DeafToNack, "DeafToNack", "convergence"),
		proxy(stateproxy.EarlyLow, "EarlyLow", ""),
		proxy(stateproxy.NoSweep, "NoSweep", ""),
		proxy(stateproxy.BlindProof, "BlindProof", "proof"),
		proxy(stateproxy.EarlyWhole, "EarlyWhole", "divergence"),
		proxy(stateproxy.NoRoom, "NoRoom", "bounds"),
		proxy(stateproxy.Silent, "Silent", ""),
		proxy(stateproxy.OldWins, "OldWins", ""),
		proxy(stateproxy.OwnKept, "OwnKept", "proof"),
		proxy(stateproxy.Storm, "Storm", ""),
		whole(stack.HollowCommit, "HollowCommit", ""),
		whole(stack.HastyReading, "HastyReading", ""),
		whole(stack.NoGrace, "NoGrace", "handover"),
		taking(takeover.AnyAnswer, "AnyAnswer", "address"),
		taking(takeover.SharedEpochs, "SharedEpochs", "address"),
		taking(takeover.Stubborn, "Stubborn", ""),
		taking(takeover.Impatient, "Impatient", "address"),
	}...)
}

// heal takes every planted bug back.
func heal() {
	stateproxy.Plant(stateproxy.NoBug)
	stack.Plant(stack.NoBug)
	takeover.Plant(takeover.NoBug)
	healCohorts()
	healServices()
	healPeers()
	healLocks()
	healServers()
}

// TestCanary proves that every planted bug is found by the judge that is there for it, or
// the program that looks after it. Another may find it first; of a group's bugs it is
// known who.
func TestCanary(t *testing.T) {
	for _, p := range plants() {
		t.Run(p.bug, func(t *testing.T) {
			p.plant()
			defer heal()
			others, seeds := map[string]int{}, canarySeeds
			if p.world == cohorts.Name || p.world == services.Name || p.world == services.LocksName || p.world == servers.Name {
				seeds = canaryGroups
			}
			for seed := range uint64(seeds) {
				r := worldNamed(p.world).Run(seed, sim.Limits{})
				switch by := finder(r); {
				case !r.Failed():
				case p.finds(r):
					t.Logf("found in seed %d: %s: %s; by others before: %v", seed, r.Class, short(r.Text), others)
					return
				case p.world == cohorts.Name && p.want != "" && !slices.Contains(p.also, by):
					t.Errorf("seed %d: %q reports it, and only %q and %q are expected to: %s", seed, by, p.want, p.also, short(r.Text))
				default:
					others[by]++
				}
			}
			t.Errorf("not found by the judge of %q in %d seeds; by others: %v", p.want, seeds, others)
		})
	}
}

// finds says whether a report is what is wanted: any, if nothing is.
func (p *plant) finds(r *sim.Report) bool {
	if p.world == cohorts.Name && p.want != "" {
		return finder(r) == p.want
	}
	return strings.Contains(r.Text, p.want)
}

// finder is the promise that a report says is broken, or "panic", or "storm".
func finder(r *sim.Report) string {
	by, _, _ := strings.Cut(r.Text, ": ")
	switch {
	case r.Class == sim.Crash:
		return "panic"
	case strings.HasSuffix(by, "steps and no end"):
		return "storm"
	}
	return by
}

// TestCanaryNoBug proves that the canary build finds nothing where nothing is.
func TestCanaryNoBug(t *testing.T) {
	for _, w := range worlds.All() {
		for seed := range uint64(20) {
			if r := w.Run(seed, sim.Limits{}); r.Failed() {
				t.Fatal("\n" + r.String())
			}
		}
	}
}

func short(text string) string { return fmt.Sprintf("%.120s", text) }

func worldNamed(name string) worlds.World {
	chosen, err := worlds.Choose(name)
	if err != nil {
		panic(err)
	}
	return chosen[0]
}

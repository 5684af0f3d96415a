//go:build canary

package sim_test

import (
	"testing"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/services"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
)

// canaryServices is within how many seeds a planted bug of durability must be found: a third of
// the worlds have disks.
const canaryServices = 1500

// TestCanaryDurable proves that what loses answers in a power cut is found, by a judge of what
// was answered.
func TestCanaryDurable(t *testing.T) {
	keeping := func(b replicated.Bug) func() { return func() { replicated.Plant(b) } }
	for _, p := range []struct {
		bug   string
		plant func()
	}{
		{"replicated.AnswersUnsaved", keeping(replicated.AnswersUnsaved)},
		{"replicated.CountsView", keeping(replicated.CountsView)},
		{"replicated.TrustsOneDisk", keeping(replicated.TrustsOneDisk)},
		{"group.ForgetsStanding", func() { group.Plant(group.ForgetsStanding) }},
	} {
		t.Run(p.bug, func(t *testing.T) {
			p.plant()
			defer func() {
				replicated.Plant(replicated.NoBug)
				group.Plant(group.NoBug)
			}()
			others := map[string]int{}
			for seed := range uint64(canaryServices) {
				switch r := services.Run(seed, sim.Limits{}); {
				case !r.Failed():
				case finder(r) == "retention":
					t.Logf("found in seed %d: %s; by others before: %v", seed, short(r.Text), others)
					return
				default:
					others[finder(r)]++
				}
			}
			t.Errorf("not found by the judge of retention in %d seeds; by others: %v", canaryServices, others)
		})
	}
}

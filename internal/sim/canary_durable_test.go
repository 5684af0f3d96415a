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

// TestCanaryDurable proves that what loses answers in a power cut is found.
func TestCanaryDurable(t *testing.T) {
	keeping := func(b replicated.Bug) func() { return func() { replicated.Plant(b) } }
	for _, p := range []struct {
		bug   string
		by    string // the judge
		plant func()
	}{
		{"replicated.AnswersUnsaved", "retention", keeping(replicated.AnswersUnsaved)},
		{"replicated.CountsView", "retention", keeping(replicated.CountsView)},
		{"replicated.TrustsOneDisk", "retention", keeping(replicated.TrustsOneDisk)},
		// Two foundings may be of one era, and a member that has the wrong one's state is taken for one that has all.
		{"replicated.PromisesUnsaved", "liveness", keeping(replicated.PromisesUnsaved)},
		{"group.ForgetsStanding", "retention", func() { group.Plant(group.ForgetsStanding) }},
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
				case finder(r) == p.by:
					t.Logf("found in seed %d: %s; by others before: %v", seed, short(r.Text), others)
					return
				default:
					others[finder(r)]++
				}
			}
			t.Errorf("not found by the judge of %s in %d seeds; by others: %v", p.by, canaryServices, others)
		})
	}
}

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
const canaryServices = 3000

// durablePlants are the bugs of what is kept on disks, each with the judge that must find it.
func durablePlants() []plant {
	keeping := func(b replicated.Bug, name, want string) plant {
		return plant{services.Name, "replicated." + name, func() { replicated.Plant(b) }, want, nil}
	}
	return []plant{
		keeping(replicated.AnswersUnsaved, "AnswersUnsaved", "retention"),
		keeping(replicated.CountsView, "CountsView", "retention"),
		keeping(replicated.TrustsOneDisk, "TrustsOneDisk", "retention"),
		// Two foundings may be of one era, and a member that has the wrong one's state is taken for one that has all.
		keeping(replicated.PromisesUnsaved, "PromisesUnsaved", "liveness"),
		keeping(replicated.WritesAhead, "WritesAhead", "execution"),
		{services.Name, "group.ForgetsStanding", func() { group.Plant(group.ForgetsStanding) }, "retention", nil},
	}
}

// TestCanaryDurable proves that what loses answers in a power cut is found: by a judge of what was answered, or where what
// is lost was on a disk without being answered, by one of what was executed.
func TestCanaryDurable(t *testing.T) {
	for _, p := range durablePlants() {
		t.Run(p.bug, func(t *testing.T) {
			p.plant()
			defer heal()
			others := map[string]int{}
			for seed := range uint64(canaryServices) {
				switch r := services.Run(seed, sim.Limits{}); {
				case !r.Failed():
				case finder(r) == p.want:
					t.Logf("found in seed %d: %s; by others before: %v", seed, short(r.Text), others)
					return
				default:
					others[finder(r)]++
				}
			}
			t.Errorf("not found by the judge of %s in %d seeds; by others: %v", p.want, canaryServices, others)
		})
	}
}

//go:build canary

package simdisk_test

import (
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// canarySchedules is within how many schedules a planted bug must be found: fewer than the
// property test runs.
const canarySchedules = 1500

// TestCanary proves that each planted bug of the journal is found.
func TestCanary(t *testing.T) {
	for _, bug := range []struct {
		bug  journal.Bug
		name string
	}{
		{journal.ForgottenSync, "ForgottenSync"}, {journal.EarlyRename, "EarlyRename"}, {journal.EarlyRemoval, "EarlyRemoval"},
		{journal.BlindChain, "BlindChain"}, {journal.DeepCut, "DeepCut"}, {journal.BlindTail, "BlindTail"},
		{journal.NamelessSegment, "NamelessSegment"}, {journal.SecondChance, "SecondChance"}, {journal.ShallowRecovery, "ShallowRecovery"},
	} {
		t.Run(bug.name, func(t *testing.T) {
			journal.Plant(bug.bug)
			defer journal.Plant(journal.NoBug)
			if seed, _, err := find(1, canarySchedules); err != nil {
				t.Logf("found with seed %d: %v", seed, err)
				return
			}
			if err := findDamage(1, damageSchedules); err != nil {
				t.Logf("found by damage: %v", err)
				return
			}
			t.Errorf("not found in %d schedules", canarySchedules)
		})
	}
}

// findDamage damages journals until one is not cut or refused as it must be.
func findDamage(first uint64, n int) error {
	var sum outcome
	for seed := first; seed < first+uint64(n); seed++ {
		if err := damage(seed, &sum); err != nil {
			return err
		}
	}
	return nil
}

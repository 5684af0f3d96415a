//go:build canary

package detect

import "testing"

// TestCanary plants each bug and looks whether the storm finds it.
func TestCanary(t *testing.T) {
	defer Plant(NoBug)
	for bug := NeverSuspect; bug <= OldLives; bug++ {
		Plant(bug)
		found := ""
		for seed := uint64(0); seed < 40 && found == ""; seed++ {
			storm(t, seed, func(what string) { found = what })
		}
		if found == "" {
			t.Errorf("bug %d was not found", bug)
		}
		t.Logf("bug %d: %s", bug, found)
	}
}

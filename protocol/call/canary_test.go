//go:build canary

package call

import "testing"

// TestCanary plants each bug and looks whether a storm finds it. Those that follow do harm that a storm does not see;
// the judges of the simulator do.
func TestCanary(t *testing.T) {
	defer Plant(NoBug)
	for bug := Renumber; bug <= Credulous; bug++ {
		Plant(bug)
		found := ""
		for seed := uint64(0); seed < 300 && found == ""; seed++ {
			storm(seed, func(what string) {
				if found == "" {
					found = what
				}
			})
		}
		if found == "" {
			t.Errorf("bug %d was not found", bug)
		}
		t.Logf("bug %d: %s", bug, found)
	}
}

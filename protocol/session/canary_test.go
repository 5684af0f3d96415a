//go:build canary

package session

import "testing"

// TestCanary plants each bug and looks whether a storm finds it.
func TestCanary(t *testing.T) {
	defer Plant(NoBug)
	for bug := Forgetful; bug <= Hasty; bug++ {
		Plant(bug)
		found := ""
		for seed := uint64(0); seed < 40 && found == ""; seed++ {
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

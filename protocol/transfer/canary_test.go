//go:build canary

package transfer

import "testing"

// TestCanary plants each bug and looks whether one of the judged runs finds it.
func TestCanary(t *testing.T) {
	defer Plant(NoBug)
	for bug := SkipLost; bug <= Forgetful; bug++ {
		Plant(bug)
		found := ""
		complain := func(what string) {
			if found == "" {
				found = what
			}
		}
		for seed := uint64(0); seed < 60 && found == ""; seed++ {
			storm(t, seed, complain)
		}
		if found == "" {
			otherCut(t, complain)
		}
		if found == "" {
			differ(t, 0, complain)
		}
		if found == "" {
			t.Errorf("bug %d was not found", bug)
		}
		t.Logf("bug %d: %s", bug, found)
	}
}

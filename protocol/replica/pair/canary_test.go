//go:build canary

package pair

import "testing"

// TestJudgesFindPlantedBugs: each planted bug is found by some random schedule.
func TestJudgesFindPlantedBugs(t *testing.T) {
	for bug, name := range map[Bug]string{
		AnswersEarly: "answers early", BothGoOn: "both go on", KeepsOld: "keeps old",
		BelievesDigests: "believes digests", DropsHeld: "drops held",
		PairsUnsaved: "pairs unsaved", TrustsShorter: "trusts shorter",
	} {
		t.Run(name, func(t *testing.T) {
			Plant(bug)
			defer Plant(NoBug)
			for seed := uint64(1); seed <= 2000; seed++ {
				r := newTrial(t, seed)
				if bug >= PairsUnsaved {
					r = newLogTrial(t, seed)
				}
				if wrong := r.run1(); wrong != "" {
					t.Logf("seed %d: %s", seed, wrong)
					return
				}
			}
			t.Error("no schedule finds it")
		})
	}
}

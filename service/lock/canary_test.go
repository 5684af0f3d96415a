//go:build canary

package lock

import "testing"

// TestCanary: each planted bug of the service is found by the random runs, within their budget. Those of holders show in the
// simulator only, where there are clocks.
func TestCanary(t *testing.T) {
	for bug, name := range map[Bug]string{
		Crowded: "crowded", QueueJumper: "queue jumper", Forgetful: "forgetful", Haunted: "haunted", StaleLeave: "stale leave",
		Rewound: "rewound", LastWins: "last wins", Eager: "eager", DigestBlind: "digest blind", Unbroken: "unbroken", Starving: "starving", Floorless: "floorless",
		Counts: "counts", Mixed: "mixed", Lingering: "lingering", Coy: "coy", Undead: "undead", BackOfQueue: "back of queue",
	} {
		t.Run(name, func(t *testing.T) {
			Plant(bug)
			defer Plant(NoBug)
			for seed := range uint64(propertySeeds) {
				if verdict := check(seed); verdict != "" {
					t.Logf("%.150s", verdict)
					return
				}
			}
			t.Error("not found")
		})
	}
}

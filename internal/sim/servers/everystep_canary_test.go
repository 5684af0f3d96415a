//go:build canary

package servers

import (
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/replica/checkpointed"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
)

// TestCanaryEveryStep proves that striking one step after another finds bugs of both styles by the judges that are there for them.
func TestCanaryEveryStep(t *testing.T) {
	for _, p := range []struct {
		bug               string
		plant             func()
		scene, blow, want string
	}{
		{"pair.BelievesDigests", func() { pair.Plant(pair.BelievesDigests) }, "freeze", flips, "honesty"},
		{"pair.AnswersEarly", func() { pair.Plant(pair.AnswersEarly) }, "prefer", "crash-sending", "retention"},
		{"checkpointed.AnswersEarly", func() { checkpointed.Plant(checkpointed.AnswersEarly) }, "checkpointed", "crash", "execution"},
		{"checkpointed.SkipsLog", func() { checkpointed.Plant(checkpointed.SkipsLog) }, "checkpointed", "power-of-all", "agreement"},
	} {
		t.Run(p.bug, func(t *testing.T) {
			p.plant()
			defer func() {
				pair.Plant(pair.NoBug)
				checkpointed.Plant(checkpointed.NoBug)
			}()
			find(t, p.scene, p.blow, p.want)
		})
	}
}

// find strikes until the judge of a promise reports it.
func find(t *testing.T, in, name, want string) {
	others := map[string]int{}
	for _, s := range scenes() {
		if s.name != in {
			continue
		}
		_, steps, datagrams := s.strike(nil, 0, 0)
		for _, b := range blows() {
			for n := uint64(1); n <= max(steps, datagrams) && b.name == name; n++ {
				for on := range 2 {
					r, _, _ := s.strike(&b, n, on)
					by, _, _ := strings.Cut(r.Text, ": ")
					if by == want {
						t.Logf("found at step %d, of process %d: %.120s; by others before: %v", n, on+1, r.Text, others)
						return
					}
					if r.Failed() {
						others[by]++
					}
				}
			}
		}
	}
	t.Errorf("not found by the judge of %q; by others: %v", want, others)
}

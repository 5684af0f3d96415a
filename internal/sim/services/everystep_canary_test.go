//go:build canary

package services

import (
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/replica/active"
	"github.com/holdfast-ha/holdfast/protocol/replica/passive"
	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// TestCanaryEveryStep proves that striking one step after another finds a bug of each kind by the judge that is there for it; two of
// them need more luck than seeds have, a cut or a slow clock at the right moment.
func TestCanaryEveryStep(t *testing.T) {
	memory, disks := scene{}, scene{durable: true}
	locks := scene{locks: true}
	in := func(s scene, style replicated.Style) scene {
		s.style = style
		return s
	}
	for _, p := range []struct {
		bug   string
		plant func()
		scene scene
		blow  string
		want  string
	}{
		{"replicated.KeepsAhead", func() { replicated.Plant(replicated.KeepsAhead) }, in(disks, replicated.Passive), "left-alone", "agreement"},
		{"session.Hasty", func() { session.Plant(session.Hasty) }, in(locks, replicated.Active), "quiet", "lease"},
		{"session.Hasty", func() { session.Plant(session.Hasty) }, in(locks, replicated.Voted), "quiet", "lease"},
		{"replicated.AnswersUnsaved", func() { replicated.Plant(replicated.AnswersUnsaved) }, in(disks, replicated.Active), "power-of-all", "retention"},
		{"replicated.WritesAhead", func() { replicated.Plant(replicated.WritesAhead) }, in(disks, replicated.Passive), "left-alone", "agreement"},
		{"active.AnswersEarly", func() { active.Plant(active.AnswersEarly) }, in(memory, replicated.Active), "crash-sending", "execution"},
		{"passive.AnswersEarly", func() { passive.Plant(passive.AnswersEarly) }, in(memory, replicated.Passive), "crash-sending", "execution"},
		{"voted.AnswersOwn", func() { voted.Plant(voted.AnswersOwn) }, in(memory, replicated.Voted), flips, "linearizability"},
		{"lock.Unbroken", func() { lock.Plant(lock.Unbroken) }, locks, "lock-broken", "fencing"},
		{"lock.QueueJumper", func() { lock.Plant(lock.QueueJumper) }, locks, "client-cut", "queue"},
		{"lock.Crowded", func() { lock.Plant(lock.Crowded) }, locks, "pause", "exclusion"},
	} {
		t.Run(p.bug, func(t *testing.T) {
			p.plant()
			defer func() {
				active.Plant(active.NoBug)
				passive.Plant(passive.NoBug)
				voted.Plant(voted.NoBug)
				lock.Plant(lock.NoBug)
				session.Plant(session.NoBug)
				replicated.Plant(replicated.NoBug)
			}()
			find(t, p.scene, p.blow, p.want)
		})
	}
}

// find strikes until the judge of a promise reports it.
func find(t *testing.T, s scene, name, want string) {
	others, stride := map[string]int{}, uint64(1)
	if s.locks {
		stride = 7
	}
	_, steps, datagrams := s.strike(nil, 0, 0)
	for _, b := range blows() {
		if b.name != name {
			continue
		}
		for n := uint64(1); n <= max(steps, datagrams); n += stride {
			for on := range s.members() {
				r, _, _ := s.strike(&b, n, on)
				if !r.Failed() {
					continue
				}
				by, _, _ := strings.Cut(r.Text, ": ")
				if by == want {
					t.Logf("found at step %d, of member %d: %.120s; by others before: %v", n, on+1, r.Text, others)
					return
				}
				others[by]++
			}
		}
	}
	t.Errorf("not found by the judge of %q; by others: %v", want, others)
}

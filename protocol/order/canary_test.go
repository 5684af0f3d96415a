//go:build canary

package order

import (
	"fmt"
	"testing"
)

// TestCanary: each planted bug is found by TestMixed's or TestClose's runs, within their budget.
func TestCanary(t *testing.T) {
	for _, c := range []struct {
		bug    Bug
		name   string
		engine Engine
	}{
		{Premature, "premature", Sequencer}, {Premature, "premature", Lamport}, {Premature, "premature", ISIS},
		{Blind, "blind", Sequencer}, {Blind, "blind", Lamport}, {Blind, "blind", ISIS},
		{Hasty, "hasty", Sequencer}, {Hasty, "hasty", Lamport}, {Hasty, "hasty", ISIS},
		{Unagreed, "unagreed", Sequencer}, {Unagreed, "unagreed", Lamport}, {Unagreed, "unagreed", ISIS},
		{Unfixed, "unfixed", Sequencer}, {Unfixed, "unfixed", ISIS},
		{OwnFirst, "own first", Sequencer}, {OwnFirst, "own first", Lamport}, {OwnFirst, "own first", ISIS},
		{Stubborn, "stubborn", Sequencer},
		{FirstProposal, "first proposal", ISIS},
		{Deaf, "deaf", Lamport},
		{Careless, "careless", Sequencer}, {Careless, "careless", Lamport}, {Careless, "careless", ISIS},
	} {
		t.Run(c.name+"/"+c.engine.String(), func(t *testing.T) {
			Plant(c.bug)
			defer Plant(NoBug)
			for seed := range uint64(closeSeeds) {
				if verdict := found(t, c.engine, seed); verdict != "" {
					t.Logf("seed %d: %.200s", seed, verdict)
					return
				}
			}
			t.Error("not found")
		})
	}
}

// found is what the runs of a seed find; a panic is a find too.
func found(t *testing.T, engine Engine, seed uint64) (verdict string) {
	defer func() {
		if why := recover(); why != nil {
			verdict = fmt.Sprint(why)
		}
	}()
	if seed < mixedSeeds {
		if _, verdict = mixed(t, engine, seed); verdict != "" {
			return verdict
		}
	}
	return closed(t, engine, seed)
}

package stateproxy

import (
	"math/rand/v2"
	"testing"
)

// set is gaps as nobody would write it: every settled number by itself.
type set map[uint64]bool

func (s set) upto() uint64 {
	n := uint64(0)
	for s[n+1] {
		n++
	}
	return n
}

// runs is how many separate runs lie beyond upto.
func (s set) runs() int {
	n := 0
	for k := range s {
		if k > s.upto() && !s[k-1] {
			n++
		}
	}
	return n
}

// TestGapsAgainstASet does the same things to gaps and to a set.
func TestGapsAgainstASet(t *testing.T) {
	const most = 60
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var g gaps
		s := set{}
		for range 40 {
			if rng.IntN(5) == 0 {
				n := rng.Uint64N(most / 2)
				g.settle(n)
				for k := uint64(1); k <= n; k++ {
					s[k] = true
				}
			} else {
				from := 1 + rng.Uint64N(most)
				to := from + rng.Uint64N(6)
				if !g.add(span{from, to}) {
					t.Fatalf("seed %d: no room for a run although there are %d", seed, len(g.spans))
				}
				for k := from; k <= to; k++ {
					s[k] = true
				}
			}
			equal(t, seed, &g, s, most+10)
		}
		g.reset()
		equal(t, seed, &g, set{}, most)
	}
}

func equal(t *testing.T, seed uint64, g *gaps, s set, most uint64) {
	t.Helper()
	if g.upto != s.upto() || len(g.spans) != s.runs() {
		t.Fatalf("seed %d: upto %d and %d runs, want %d and %d: %+v", seed, g.upto, len(g.spans), s.upto(), s.runs(), g)
	}
	highest := uint64(0)
	missing := set{}
	for n := uint64(1); n <= most; n++ {
		if g.settled(n) != s[n] {
			t.Fatalf("seed %d: %d is settled: %v, want %v: %+v", seed, n, g.settled(n), s[n], g)
		}
		if s[n] {
			highest = n
		}
		missing[n] = !s[n]
	}
	if g.highest() != highest {
		t.Fatalf("seed %d: the highest is %d, want %d: %+v", seed, g.highest(), highest, g)
	}
	g.missing(func(m span) bool {
		for n := m.from; n <= m.to; n++ {
			if !missing[n] {
				t.Fatalf("seed %d: %d is told as missing: %+v", seed, n, g)
			}
			delete(missing, n)
		}
		return true
	})
	for n := range missing {
		if missing[n] && n < highest {
			t.Fatalf("seed %d: %d is missing and not told: %+v", seed, n, g)
		}
	}
}

func TestGapsAreBounded(t *testing.T) {
	var g gaps
	for i := range uint64(gapsMax) {
		if !g.add(span{10 + 2*i, 10 + 2*i}) {
			t.Fatalf("no room for run %d; there must be for %d", i, gapsMax)
		}
	}
	if g.add(span{10_000, 10_000}) || len(g.spans) != gapsMax {
		t.Errorf("a run too many is taken: %d", len(g.spans))
	}
	if !g.add(span{11, 11}) || len(g.spans) != gapsMax-1 {
		t.Error("a run that joins two others is not taken")
	}
}

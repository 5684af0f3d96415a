package seal

import (
	"math/rand/v2"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestWindowAgainstModel compares the window with a set that forgets nothing.
func TestWindowAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var w window
		over := map[uint64]map[int]bool{} // accepted counter -> links it came over
		var top uint64
		for range 20_000 {
			counter := top + 1
			switch rng.IntN(10) {
			case 0:
				counter = top + rng.Uint64N(3*64*windowWords) // a jump, small or beyond the window
			case 1, 2, 3, 4:
				counter = top - min(top, rng.Uint64N(200))
			case 5:
				counter = top - min(top, rng.Uint64N(2*64*windowWords))
			}
			if counter == 0 {
				continue
			}
			link := rng.IntN(LinkMax)
			want := wire.OK
			switch links := over[counter]; {
			case counter <= top && top/64-counter/64 >= windowWords:
				want = wire.Stale
			case links[link]:
				want = wire.Replayed
			case links != nil:
				want = wire.Duplicate
				links[link] = true
			}
			if have := w.judge(counter, link); have != want {
				t.Fatalf("seed %d: counter %d over link %d with top %d is %q, want %q", seed, counter, link, top, have, want)
			}
			if want == wire.OK && rng.IntN(8) > 0 { // some turn out to be forged
				w.take(counter, link)
				over[counter] = map[int]bool{link: true}
				top = max(top, counter)
			}
		}
	}
}

// TestWindowJudgesWithoutTaking checks that a forged counter, however high, leaves the
// window where it was.
func TestWindowJudgesWithoutTaking(t *testing.T) {
	var w window
	w.take(10, 0)
	before := w
	for _, counter := range []uint64{1, 9, 11, 1000, CounterMax} {
		if reason := w.judge(counter, 1); reason != wire.OK {
			t.Errorf("counter %d is %q, want ok", counter, reason)
		}
	}
	if w != before {
		t.Error("judging new counters changed the window")
	}
}

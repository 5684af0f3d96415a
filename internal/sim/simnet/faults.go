package simnet

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Faults is what happens to the datagrams of one way, from one node to another over one
// link. Each chance is between 0 and 1 and is taken for each datagram by itself.
type Faults struct {
	Delay  time.Duration // every datagram takes at least this long
	Jitter time.Duration // and up to this much longer, without overtaking another

	Loss      float64
	Damage    float64 // up to three bits flipped, or the end cut off
	Duplicate float64 // a second copy, up to Late after the first
	Reorder   float64 // up to Late longer on the way, so that later ones overtake it
	Late      time.Duration

	// Burst is the chance that a datagram begins a burst of losses, as a full queue
	// makes them; BurstMost is how many are lost in a row at most.
	Burst     float64
	BurstMost int
}

// Calm is a network that does no harm: a switch between two machines.
func Calm() Faults { return Faults{Delay: 100 * time.Microsecond} }

// Draw draws which faults a network has, and how strong they are, each in about half
// of the draws: a run in which everything goes wrong a little hides what only one
// strong fault shows.
func Draw(r *rand.Rand) Faults {
	f := Faults{
		Delay:  logarithmic(r, 50*time.Microsecond, 20*time.Millisecond),
		Jitter: sometimes(r, func() time.Duration { return logarithmic(r, 10*time.Microsecond, 20*time.Millisecond) }),
		Loss:   sometimes(r, func() float64 { return chance(r, 0.6) }),
		Damage: sometimes(r, func() float64 { return chance(r, 0.1) }),
		Late:   logarithmic(r, time.Millisecond, 3*time.Second),
	}
	f.Duplicate = sometimes(r, func() float64 { return chance(r, 0.3) })
	f.Reorder = sometimes(r, func() float64 { return chance(r, 0.3) })
	if r.IntN(4) == 0 {
		f.Burst, f.BurstMost = chance(r, 0.05), 1+r.IntN(200)
	}
	if r.IntN(8) == 0 {
		f.Delay = logarithmic(r, 20*time.Millisecond, 400*time.Millisecond) // far away
	}
	return f
}

// Mild draws a local network that loses little: what goes on in it is not hidden behind what the network does.
func Mild(r *rand.Rand) Faults {
	loss := [...]float64{0, 0.01, 0.05}
	return Faults{
		Delay: 100 * time.Microsecond, Loss: loss[r.IntN(len(loss))], Duplicate: 0.02, Reorder: 0.02, Late: 5 * time.Millisecond,
	}
}

// String gives the faults that there are.
func (f Faults) String() string {
	s := fmt.Sprintf("delay=%v", f.Delay)
	for _, part := range []struct {
		name  string
		value float64
	}{{"loss", f.Loss}, {"damage", f.Damage}, {"duplicate", f.Duplicate}, {"reorder", f.Reorder}, {"burst", f.Burst}} {
		if part.value > 0 {
			s += fmt.Sprintf(" %s=%.3g", part.name, part.value)
		}
	}
	if f.Jitter > 0 {
		s += fmt.Sprintf(" jitter=%v", f.Jitter)
	}
	if f.Duplicate > 0 || f.Reorder > 0 {
		s += fmt.Sprintf(" late=%v", f.Late)
	}
	if f.Burst > 0 {
		s += fmt.Sprintf(" burst_most=%d", f.BurstMost)
	}
	return s
}

func sometimes[T any](r *rand.Rand, draw func() T) (none T) {
	if r.IntN(2) == 0 {
		return none
	}
	return draw()
}

// chance is small more often than large.
func chance(r *rand.Rand, most float64) float64 {
	c := r.Float64()
	return most * c * c
}

// logarithmic draws so that each power of two between the two is as likely.
func logarithmic(r *rand.Rand, least, most time.Duration) time.Duration {
	d := least
	for d < most && r.IntN(8) != 0 {
		d *= 2
		if r.IntN(4) == 0 {
			break
		}
	}
	d += time.Duration(r.Int64N(int64(d)))
	return min(d, most)
}

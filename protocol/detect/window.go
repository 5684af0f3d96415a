package detect

import (
	"math"
	"time"
)

// window is the last intervals between heartbeats of a peer, in whole microseconds, and
// their sums. Integers keep the sums exact however many intervals pass through.
type window struct {
	ring    [windowSize]uint32
	count   int
	next    int
	sum     uint64
	squares uint64
}

// add takes an interval, and gives up the oldest if the window is full. An interval is
// between zero and suspectMax*patienceMax; what is outside counts as the nearest.
func (w *window) add(interval time.Duration) {
	us := uint64(min(max(interval, 0), patienceMax*suspectMax) / time.Microsecond)
	if w.count == windowSize {
		old := uint64(w.ring[w.next])
		w.sum -= old
		w.squares -= old * old
	} else {
		w.count++
	}
	w.ring[w.next] = uint32(us)
	w.next = (w.next + 1) % windowSize
	w.sum += us
	w.squares += us * us
}

// normal is the mean and the deviation of the intervals, in microseconds; zeros if there
// are none.
func (w *window) normal() (mean, deviation float64) {
	if w.count == 0 {
		return 0, 0
	}
	n := float64(w.count)
	mean = float64(w.sum) / n
	return mean, math.Sqrt(max(0, float64(w.squares)/n-mean*mean))
}

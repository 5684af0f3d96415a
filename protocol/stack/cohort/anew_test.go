package cohort

import (
	"testing"
	"time"
)

// TestWhoComesInAnewAgainAndAgainPausesLongerEachTime, whatever happens between: a minute of it costs the others few views.
func TestWhoComesInAnewAgainAndAgainPausesLongerEachTime(t *testing.T) {
	var a anew
	now := time.Unix(1000, 0)
	for i, want := range []time.Duration{0, 100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		if got := a.next(now); got != want*time.Millisecond || a.rests(now) != (want > 0) || a.rests(now.Add(got)) {
			t.Errorf("time %d: it pauses for %v, want %v", i+1, got, want*time.Millisecond)
		}
		now = now.Add(a.pause + 400*time.Microsecond) // in, and out again
	}
	now = a.until.Add(anewForget - time.Nanosecond)
	if got := a.next(now); got != anewMax {
		t.Errorf("after nearly %v it pauses for %v", anewForget, got)
	}
	now = a.until.Add(anewForget)
	if got := a.next(now); got != 0 {
		t.Errorf("after %v it pauses for %v", anewForget, got)
	}
	times := 0
	for end := now.Add(time.Minute); now.Before(end); now = now.Add(a.next(now) + 400*time.Microsecond) {
		times++
	}
	if times > 20 {
		t.Errorf("it comes in %d times in a minute", times)
	}
}

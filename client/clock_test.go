package client

import (
	"testing"
	"time"
)

// TestTheClock holds what the clock makes of the two that it looks at.
func TestTheClock(t *testing.T) {
	boot, wall := time.Hour, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := newClock(func() time.Duration { return boot }, func() time.Time { return wall })
	from := c.read()
	for _, s := range []struct {
		what       string
		boot, wall time.Duration // what goes by
		want       time.Duration // by the clock
	}{
		{"time goes by", time.Second, time.Second, time.Second},
		{"the clocks are read one after the other", time.Second, time.Second + 9*time.Millisecond, time.Second},
		{"the wall clock is set forward", time.Second, time.Minute, time.Minute},
		{"the wall clock is set back", time.Second, -time.Hour, time.Second},
		{"both stand still", 0, 0, 0},
		{"the kernel's clock goes back, which it does not", -time.Second, 0, 0},
		{"it is where it was", time.Second, time.Second, time.Second},
		{"a sleeping machine: what is read goes on", time.Hour, time.Hour, time.Hour},
	} {
		before := c.read()
		boot, wall = boot+s.boot, wall.Add(s.wall)
		now := c.read()
		if got := now.Sub(before); got != s.want {
			t.Errorf("%s: %v, want %v", s.what, got, s.want)
		}
		if now.Before(from) {
			t.Errorf("%s: it went back", s.what)
		}
	}
}

func TestTheKernelsClock(t *testing.T) {
	c := newClock(sinceBoot, time.Now)
	// The processor may be taken away between any two of these.
	before, from, after := time.Now(), c.read(), time.Now()
	<-time.After(20 * time.Millisecond)
	least, by, most := time.Since(after), c.read().Sub(from), time.Since(before)
	if by < least-5*time.Millisecond || by > most+time.Second {
		t.Errorf("%v to %v have gone by, and the clock says %v", least, most, by)
	}
	if n := testing.AllocsPerRun(100, func() { c.read() }); n != 0 {
		t.Errorf("looking at the clock allocates %v times", n)
	}
}

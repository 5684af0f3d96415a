package sim

import "time"

// Clock is the clock of one node. It never goes backwards and is not quite as fast as it
// should be: a node knows no other time.
type Clock struct {
	start time.Duration // true time at which it shows base
	base  time.Time
	drift int64 // parts in a million that it is too fast
}

// DriftMost is the most that a clock drifts, in parts in a million. A crystal drifts by
// 50; what a virtual machine shows may be off by more.
const DriftMost = 500

// NewClock makes a clock that shows base at the true time start, and gains drift
// millionths.
func NewClock(start time.Duration, base time.Time, drift int64) Clock {
	return Clock{start, base, drift}
}

// Read is what the clock shows at a true time.
func (c Clock) Read(now time.Duration) time.Time {
	d := now - c.start
	return c.base.Add(d + c.gain(d))
}

// gain is how much the clock gains in d; it is written so that it does not overflow.
func (c Clock) gain(d time.Duration) time.Duration {
	return time.Duration(int64(d)/1_000_000*c.drift + int64(d)%1_000_000*c.drift/1_000_000)
}

// When is the first true time at which the clock shows t or later.
func (c Clock) When(t time.Time) time.Duration {
	shown := t.Sub(c.base)
	if shown <= 0 {
		return c.start
	}
	// Each correction leaves an error that is smaller by the drift; the last steps are
	// those of rounding.
	d := shown
	for off := shown - d - c.gain(d); off > 1 || off < -1; off = shown - d - c.gain(d) {
		d += off
	}
	for d+c.gain(d) < shown {
		d++
	}
	for d > 0 && d-1+c.gain(d-1) >= shown {
		d--
	}
	return c.start + d
}

// Ahead is the clock after it has jumped ahead at the true time now.
func (c Clock) Ahead(now, by time.Duration) Clock { return Clock{now, c.Read(now).Add(by), c.drift} }

// Gaining is the clock that gains drift millionths from the true time now on: fewer than none, and it is slow.
func (c Clock) Gaining(now time.Duration, drift int64) Clock { return Clock{now, c.Read(now), drift} }

package replica

import "time"

// Clock tells what a member thinks that the agreed time is: that of the last command, and what
// has gone by since on its own clock. So it never runs ahead of real time but for drift.
type Clock struct {
	base time.Duration
	at   time.Time
}

// Set says that the agreed time is base now.
func (c *Clock) Set(now time.Time, base time.Duration) { c.base, c.at = base, now }

// Agreed is the agreed time, now.
func (c *Clock) Agreed(now time.Time) time.Duration { return c.base + max(0, now.Sub(c.at)) }

// When is at what time of the own clock an agreed time comes.
func (c *Clock) When(agreed time.Duration) time.Time { return c.at.Add(agreed - c.base) }

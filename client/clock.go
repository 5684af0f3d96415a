package client

import (
	"sync"
	"time"
)

// clock is the time by which leases count. It never goes back, and goes on while the machine sleeps,
// which the clock of package time does not: a lease that ended meanwhile must be seen to have ended.
// A virtual machine that stood still knows of it, if at all, by its wall clock that was set forward;
// so this clock follows that. It may end a lease too early, and never too late.
type clock struct {
	booted func() time.Duration // since the machine was started, sleep included
	walled func() time.Time

	mu   sync.Mutex
	boot time.Duration // at the last look
	wall time.Time
	now  time.Time
}

func newClock(booted func() time.Duration, walled func() time.Time) *clock {
	c := &clock{booted: booted, walled: walled}
	c.boot, c.now = booted(), walled()
	c.wall = c.now.Round(0)
	return c
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	boot, wall := c.booted(), c.walled().Round(0)
	gone := max(0, boot-c.boot)
	if ahead := wall.Sub(c.wall) - gone; ahead > stepMin {
		gone += ahead
	}
	c.boot, c.wall, c.now = max(boot, c.boot), wall, c.now.Add(gone)
	return c.now
}

// NewClock gives a function that reads a clock like that of [Client.Now]; any goroutine may call it.
func NewClock() (now func() time.Time) { return newClock(sinceBoot, time.Now).read }

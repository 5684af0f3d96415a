package detect

import "time"

// clock counts the time in which this process was run. Silence of others is measured in
// it, so that neither a pause of this process (SIGSTOP, a virtual machine being moved) nor
// a step of the clock that gives now is taken for their silence.
type clock struct {
	last time.Time     // now of the last call
	ran  time.Duration // time run up to then
}

// at is the time run up to now, and how long this process was not run. due is when (in
// time run) it should have been called: up to then being silent is its right, and later
// than tolerance after that it was paused. A now before the last one adds nothing.
func (c *clock) at(now time.Time, due, tolerance time.Duration) (ran, paused time.Duration) {
	elapsed := now.Sub(c.last) // saturates, so no step is too large
	idle := max(due-c.ran, 0)
	switch {
	case elapsed <= 0:
		return c.ran, 0
	case elapsed-idle > tolerance && canary != CountPause:
		return c.ran + idle, elapsed - idle
	}
	return c.ran + elapsed, 0
}

// advance moves the clock on to now and says how long this process was not run.
func (c *clock) advance(now time.Time, due, tolerance time.Duration) (paused time.Duration) {
	c.ran, paused = c.at(now, due, tolerance)
	c.last = now
	return paused
}

// when is the moment at which that much time will have been run.
func (c *clock) when(ran time.Duration) time.Time { return c.last.Add(ran - c.ran) }

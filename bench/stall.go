package main

import "time"

// stallEvery is how often the watch looks: the interval of the probes.
const stallEvery = time.Millisecond

// watchStalls finds the longest time in which this process was not run, until the
// function that it returns is called, which gives it. Client and server are in this
// process: while it stands still, they see a silence that no firewall has caused.
func watchStalls() (stop func() time.Duration) {
	end, longest := make(chan struct{}), make(chan time.Duration)
	go func() {
		ticker := time.NewTicker(stallEvery)
		defer ticker.Stop()
		var most time.Duration
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
				now := time.Now()
				most = max(most, now.Sub(last)-stallEvery)
				last = now
			case <-end:
				longest <- most
				return
			}
		}
	}()
	return func() time.Duration {
		close(end)
		return <-longest
	}
}

package demo

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/internal/lab/traffic"
)

// sample is what was known of the load at one time.
type sample struct {
	at       time.Duration // since the start of the demonstration
	answered int           // probes, since the start of the load
	heard    int           // long transfers that have got what was sent after the fault
}

// sampler looks at a load all the time, for the pictures. It is safe for concurrent
// use.
type sampler struct {
	start time.Time
	bed   *lab.Lab
	load  *traffic.Load
	stop  context.CancelFunc
	done  chan struct{}

	mu      sync.Mutex
	fine    bool
	fault   time.Time // of this phase; zero: none
	samples []sample
	report  traffic.Report // the latest
	base    int            // probes answered before the phase
	quiet   time.Duration  // when the latest answer was seen
	paused  time.Duration  // the longest time in this phase by which a sample was late
	bits    float64        // a second, towards the client
	bytes   uint64
	bytesAt time.Time
}

func newSampler(ctx context.Context, start time.Time, bed *lab.Lab, load *traffic.Load) *sampler {
	ctx, stop := context.WithCancel(ctx)
	s := &sampler{start: start, bed: bed, load: load, stop: stop, done: make(chan struct{})}
	go s.run(ctx)
	return s
}

func (s *sampler) run(ctx context.Context) {
	defer close(s.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(s.take())
		}
	}
}

// close ends the sampling, before the load may be closed.
func (s *sampler) close() {
	s.stop()
	<-s.done
}

// take takes a sample and says how long to wait for the next.
func (s *sampler) take() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := sampleCoarse
	if s.fine {
		wait = sampleFine
	}
	if n := len(s.samples); n > 0 {
		s.paused = max(s.paused, time.Since(s.start)-s.samples[n-1].at-wait)
	}
	s.look()
	s.measure()
	return wait
}

// freshness is how long ago a transfer must have been sent what it has got to count as
// alive when there was no fault: longer than the time between two chunks.
const freshness = 500 * time.Millisecond

func (s *sampler) look() {
	now := time.Now()
	since := s.fault
	if since.IsZero() {
		since = now.Add(-freshness)
	}
	s.report = s.load.Report(since)
	p := s.report.Probes
	answered := s.base + p.Sent - p.Lost
	at := now.Sub(s.start)
	if n := len(s.samples); n == 0 || s.samples[n-1].answered < answered {
		s.quiet = at
	}
	if len(s.samples) < samplesMax {
		s.samples = append(s.samples, sample{at, answered, s.report.WentOn()})
	}
}

// measureEvery is over how long a rate is taken.
const measureEvery = 500 * time.Millisecond

// measure takes the rate at which bytes reach the client.
func (s *sampler) measure() {
	now := time.Now()
	if now.Sub(s.bytesAt) < measureEvery {
		return
	}
	c, err := s.bed.Counters(lab.Client, lab.LAN)
	if err != nil {
		return
	}
	if !s.bytesAt.IsZero() {
		s.bits = float64(c.ReceivedBytes-s.bytes) * 8 / now.Sub(s.bytesAt).Seconds()
	}
	s.bytes, s.bytesAt = c.ReceivedBytes, now
}

// closer says whether samples are wanted more often.
func (s *sampler) closer(fine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fine = fine
}

// begin begins a phase of the load; fault says whether one comes now.
func (s *sampler) begin(fault bool) (at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.paused = time.Time{}, 0
	s.look()
	s.base = s.samples[len(s.samples)-1].answered
	s.load.Mark()
	at = time.Now()
	if fault {
		s.fault = at
	}
	return at
}

// end ends it. late is the longest time by which a sample was late: for so long this
// machine did not run the demonstration, and perhaps nobody.
func (s *sampler) end() (late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = time.Time{}
	return s.paused
}

// seen gives the samples between two times since the start, and one before.
func (s *sampler) seen(from, to time.Duration) []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seen []sample
	for i, x := range s.samples {
		if x.at > to {
			break
		}
		if x.at >= from || i+1 < len(s.samples) && s.samples[i+1].at >= from {
			seen = append(seen, x)
		}
	}
	return seen
}

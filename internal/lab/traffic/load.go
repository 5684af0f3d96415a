package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab"
)

// Load is a running load. It is safe for concurrent use.
type Load struct {
	start    time.Time
	server   *server
	streams  *streams
	probes   *probes   // nil for none
	requests *requests // nil for none
	once     sync.Once

	mu     sync.Mutex
	marked time.Time
}

// Start opens all flows and returns when each has had its first chunk, a probe is
// answered, and requests have begun. It needs a firewall that holds the virtual addresses. One load runs
// on a lab at a time; the caller closes it before the lab.
func Start(ctx context.Context, l *lab.Lab, c Config) (*Load, error) {
	if err := c.check(); err != nil {
		return nil, &OpError{Op: "check its configuration", Err: err}
	}
	load := &Load{start: time.Now()}
	if err := load.open(ctx, l, c); err != nil {
		load.Close()
		return nil, err
	}
	load.Mark()
	return load, nil
}

func (l *Load) open(ctx context.Context, bed *lab.Lab, c Config) (err error) {
	if l.server, err = newServer(bed, c, l.start); err != nil {
		return &OpError{Op: "start the server", Err: err}
	}
	if l.streams, err = newStreams(bed, c, l.start); err != nil {
		return &OpError{Op: "open flows", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, openingMax)
	defer cancel()
	select {
	case <-l.streams.ready:
	case <-ctx.Done():
	}
	if count, reason := l.streams.broken(); count > 0 {
		return &OpError{Op: "open flows", Err: fmt.Errorf("%d of %d could not be opened: %s", count, c.Flows+c.FastFlows, reason)}
	}
	if c.ProbeInterval > 0 {
		if l.probes, err = newProbes(bed, c, l.start); err != nil {
			return &OpError{Op: "start probes", Err: err}
		}
		select {
		case <-l.probes.ready: // from now on their silence can be told
		case <-ctx.Done():
			return &OpError{Op: "start probes", Err: errors.New("the server answers none")}
		}
	}
	if c.Requests.Rate > 0 {
		if l.requests, err = newRequests(bed, c.Requests, 0, l.start); err != nil {
			return &OpError{Op: "start requests", Err: err}
		}
	}
	return nil
}

// Mark begins a phase: from now on flows that go on are counted as such, silences are
// measured anew (one that has begun before keeps its beginning), and requests under way
// are watched.
func (l *Load) Mark() {
	l.mu.Lock()
	l.marked = time.Now()
	l.mu.Unlock()
	l.streams.mark()
	if l.probes != nil {
		l.probes.mark()
	}
	if l.requests != nil {
		l.requests.mark()
	}
}

// settleEvery is how often Settle looks.
const settleEvery = 5 * time.Millisecond

// Settle waits until the fate of everything is known: each flow has ended, or has got
// what was sent after the time since (which the caller took after the fault); a probe
// sent after it was answered; and the requests under way at the mark have ended. When
// ctx is done first, flows that are still silent count as lost.
func (l *Load) Settle(ctx context.Context, since time.Time) Report {
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	after := int64(since.Sub(l.start))
	for !l.settled(after) && ctx.Err() == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return l.Report(since)
}

func (l *Load) settled(since int64) bool {
	return l.streams.settled(since) &&
		(l.probes == nil || l.probes.settled(since)) &&
		(l.requests == nil || l.requests.settled())
}

// Report tells the phase so far. A flow that has got nothing that was sent after the
// time since counts as lost.
func (l *Load) Report(since time.Time) Report {
	after := int64(since.Sub(l.start))
	l.mu.Lock()
	r := Report{Length: time.Since(l.marked)}
	l.mu.Unlock()
	r.Slow, r.Fast = l.streams.report(false, after), l.streams.report(true, after)
	if l.probes != nil {
		r.Probes = l.probes.report()
	}
	if l.requests != nil {
		r.Requests = l.requests.report()
	}
	return r
}

// Close ends the load and closes every socket of it. It may be called more than once.
func (l *Load) Close() error {
	l.once.Do(func() {
		if l.requests != nil {
			l.requests.close()
		}
		if l.probes != nil {
			l.probes.close()
		}
		if l.streams != nil {
			l.streams.close()
		}
		if l.server != nil {
			l.server.close()
		}
	})
	return nil
}

// Fetch makes count short requests, as fast as it goes or at the rate given, and
// returns when the last has ended. No [Load] may run on the lab. When ctx is done first
// it gives what was seen, and the error of ctx.
func Fetch(ctx context.Context, l *lab.Lab, count int, c Requests) (RequestsSeen, error) {
	err := c.check()
	if err == nil && (count < 1 || count > requestsMax) {
		err = fmt.Errorf("the count is %d; it must be from 1 to %d", count, requestsMax)
	}
	if err == nil {
		err = descriptors(2 * c.Concurrency)
	}
	if err != nil {
		return RequestsSeen{}, &OpError{Op: "check its configuration", Err: err}
	}
	start := time.Now()
	s, err := newServer(l, Config{Requests: c}, start)
	if err != nil {
		return RequestsSeen{}, &OpError{Op: "start the server", Err: err}
	}
	defer s.close()
	r, err := newRequests(l, c, count, start)
	if err != nil {
		return RequestsSeen{}, &OpError{Op: "start requests", Err: err}
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		err = &OpError{Op: "fetch", Err: ctx.Err()}
	}
	r.close()
	return r.report(), err
}

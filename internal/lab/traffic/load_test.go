package traffic_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/internal/lab/traffic"
)

// patience bounds every wait of a test that is expected to succeed.
const patience = 10 * time.Second

func open(t *testing.T) *lab.Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, and CI must skip nothing")
		}
		t.Skip("needs root: run sudo -E go test ./internal/lab/...")
	}
	l, err := lab.Open(lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// hold gives the virtual addresses to a firewall by hand.
func hold(t *testing.T, l *lab.Lab, firewall string) {
	t.Helper()
	for _, v := range []struct{ name, address string }{
		{lab.LAN, lab.VirtualLAN4}, {lab.LAN, lab.VirtualLAN6},
		{lab.WAN, lab.VirtualWAN4}, {lab.WAN, lab.VirtualWAN6},
	} {
		if err := l.Node(firewall).AddAddress(v.name, v.address); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{lab.Client, lab.Server} {
		if err := l.Node(name).ForgetNeighbours(); err != nil {
			t.Fatal(err)
		}
	}
}

// small is a load that leaves the machine to others.
func small() traffic.Config {
	c := traffic.Default()
	c.Flows, c.FlowInterval = 50, 50*time.Millisecond
	c.FastFlows = 4
	c.ProbeInterval = 2 * time.Millisecond
	c.Requests = traffic.DefaultRequests(200)
	return c
}

func start(t *testing.T, l *lab.Lab, c traffic.Config) *traffic.Load {
	t.Helper()
	load, err := traffic.Start(t.Context(), l, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { load.Close() })
	return load
}

// settle waits until all is known, or for the time at most.
func settle(t *testing.T, load *traffic.Load, within time.Duration) traffic.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return load.Settle(ctx, time.Now())
}

func TestQuietNetworkLosesNothing(t *testing.T) {
	l := open(t)
	hold(t, l, lab.FW1)
	ignore := goleak.IgnoreCurrent()
	load := start(t, l, small())
	r := settle(t, load, patience)
	if r.Slow.Before != 50 || r.Fast.Before != 4 || r.WentOn() != 54 || r.Lost() != 0 {
		t.Errorf("flows: %+v, %+v", r.Slow, r.Fast)
	}
	if r.Fast.Silence.Max <= 0 || r.Fast.Silence.Max > patience || r.Slow.Silence.Median < 10*time.Millisecond {
		t.Errorf("silences that cannot be: fast %+v, slow %+v", r.Fast.Silence, r.Slow.Silence)
	}
	if r.Probes.Sent == 0 || r.Probes.Lost != 0 {
		t.Errorf("probes: %+v", r.Probes)
	}
	// A later phase has the requests that an empty first one may lack.
	load.Mark()
	r = settle(t, load, patience)
	for r.Requests.OK == 0 && t.Context().Err() == nil && r.Length < patience {
		r = settle(t, load, patience)
	}
	if r.Requests.OK == 0 || r.Requests.Failed+r.Requests.Retried != 0 {
		t.Errorf("requests: %+v", r.Requests)
	}
	load.Close()
	goleak.VerifyNone(t, ignore)
}

// The load tells a silence of a known length, and that nothing was lost by it.
func TestSilenceIsMeasured(t *testing.T) {
	l := open(t)
	hold(t, l, lab.FW1)
	load := start(t, l, small())
	// Less than the kernel's least retransmission time, which must not show.
	const outage = 100 * time.Millisecond
	load.Mark()
	began := time.Now()
	if err := l.Cut(lab.FW1); err != nil {
		t.Fatal(err)
	}
	r := settle(t, load, outage)
	if r.Before() != 54 || r.Lost() != 54 || len(r.Slow.Reasons) == 0 {
		t.Errorf("during the cut all are silent: %+v, %+v", r.Slow, r.Fast)
	}
	if err := l.Mend(lab.FW1); err != nil {
		t.Fatal(err)
	}
	r = settle(t, load, patience)
	length := time.Since(began)
	if r.WentOn() != 54 || r.Lost() != 0 {
		t.Errorf("after the cut all go on: %+v, %+v", r.Slow, r.Fast)
	}
	for name, silence := range map[string]time.Duration{
		"probes": r.Probes.Silence, "fast flows": r.Fast.Silence.Median, "slow flows": r.Slow.Silence.Median,
	} {
		// What began shortly before the cut's effect may be as much shorter.
		if silence < outage*8/10 || silence > length+50*time.Millisecond {
			t.Errorf("%s: silence of %v in an outage of at least %v in %v", name, silence, outage, length)
		}
	}
	if lost := time.Duration(r.Probes.LostInRow) * 2 * time.Millisecond; lost < outage/4 || r.Probes.Lost < r.Probes.LostInRow {
		t.Errorf("probes lost: %+v", r.Probes)
	}
}

// Without the state on the other firewall every flow of TCP is lost. A demonstration
// that replicates nothing must fail here.
func TestTakeoverWithoutStateLosesEveryFlow(t *testing.T) {
	l := open(t)
	hold(t, l, lab.FW1)
	load := start(t, l, small())
	if err := l.PowerOff(lab.FW1); err != nil {
		t.Fatal(err)
	}
	load.Mark()
	hold(t, l, lab.FW2)
	r := settle(t, load, time.Second)
	if r.Before() != 54 || r.WentOn() != 0 {
		t.Errorf("%d of %d flows went on without their state", r.WentOn(), r.Before())
	}
	if r.Probes.Sent == r.Probes.Lost {
		t.Errorf("the other firewall does not work at all: %+v", r.Probes)
	}
}

func TestFetch(t *testing.T) {
	l := open(t)
	hold(t, l, lab.FW1)
	r, err := traffic.Fetch(t.Context(), l, 500, traffic.DefaultRequests(0))
	if err != nil || r.OK != 500 || r.Failed != 0 {
		t.Errorf("want 500 answers, got %+v, %v", r, err)
	}
	// With nobody in between requests fail, in bounded time and counted.
	if err := l.Cut(lab.FW1); err != nil {
		t.Fatal(err)
	}
	c := traffic.DefaultRequests(0)
	c.Timeout = 50 * time.Millisecond
	r, err = traffic.Fetch(t.Context(), l, 10, c)
	if err != nil || r.OK != 0 || r.Failed != 10 || r.Retried != 10 || len(r.Reasons) == 0 {
		t.Errorf("want 10 failures, got %+v, %v", r, err)
	}
	c.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err = traffic.Fetch(ctx, l, 10, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want the deadline's error, got %v", err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for name, change := range map[string]func(*traffic.Config){
		"flows":       func(c *traffic.Config) { c.Flows = 1 << 30 },
		"interval":    func(c *traffic.Config) { c.FlowInterval = 0 },
		"fast":        func(c *traffic.Config) { c.FastInterval = time.Hour },
		"percent":     func(c *traffic.Config) { c.IPv6Percent = 101 },
		"probes":      func(c *traffic.Config) { c.ProbeInterval = time.Nanosecond },
		"rate":        func(c *traffic.Config) { c.Requests.Rate = -1 },
		"concurrency": func(c *traffic.Config) { c.Requests.Concurrency = 0 },
		"timeout":     func(c *traffic.Config) { c.Requests.Timeout = 0 },
		"response":    func(c *traffic.Config) { c.Requests.Response = 1 << 30 },
	} {
		c := small()
		change(&c)
		_, err := traffic.Start(t.Context(), nil, c)
		var op *traffic.OpError
		if !errors.As(err, &op) {
			t.Errorf("%s: want an OpError, got %v", name, err)
		}
	}
}

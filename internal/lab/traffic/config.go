package traffic

import (
	"fmt"
	"syscall"
	"time"
)

// Config says how much of each kind runs. A count of zero means none of that kind.
type Config struct {
	Flows        int           // long transfers, slow
	FlowInterval time.Duration // between their chunks

	FastFlows    int // long transfers, fast
	FastInterval time.Duration

	IPv6Percent int // of the long transfers, how many go over IPv6, from 0 to 100

	ProbeInterval time.Duration // between probes; zero for none

	Requests Requests
}

// Requests says how short requests are made.
type Requests struct {
	Rate        int           // a second; zero for none, and in Fetch for as fast as it goes
	Concurrency int           // most in flight at a time
	Timeout     time.Duration // after which one is given up, and tried once more
	Response    int           // bytes of the answer's body
}

// Default is the load of the demo: 1,000 slow and 20 fast flows, a fifth of them over
// IPv6, a probe a millisecond, and 100 requests a second. Two cores carry it with most
// of their time left.
func Default() Config {
	return Config{
		Flows: 1000, FlowInterval: 200 * time.Millisecond,
		FastFlows: 20, FastInterval: 5 * time.Millisecond,
		IPv6Percent:   20,
		ProbeInterval: time.Millisecond,
		Requests:      DefaultRequests(100),
	}
}

// DefaultRequests is requests for 4 KiB at the rate given, at most 64 at a time.
func DefaultRequests(rate int) Requests {
	return Requests{Rate: rate, Concurrency: 64, Timeout: 3 * time.Second, Response: 4096}
}

func (c *Config) check() error {
	interval := func(name string, d time.Duration) error {
		if d < intervalMin || d > intervalMax {
			return fmt.Errorf("%s is %v; it must be from %v to %v", name, d, intervalMin, intervalMax)
		}
		return nil
	}
	if c.Flows < 0 || c.FastFlows < 0 || c.Flows+c.FastFlows > flowsMax {
		return fmt.Errorf("Flows %d and FastFlows %d; together they must be from 0 to %d", c.Flows, c.FastFlows, flowsMax)
	}
	if c.IPv6Percent < 0 || c.IPv6Percent > 100 {
		return fmt.Errorf("IPv6Percent is %d; it must be from 0 to 100", c.IPv6Percent)
	}
	if c.Flows > 0 {
		if err := interval("FlowInterval", c.FlowInterval); err != nil {
			return err
		}
	}
	if c.FastFlows > 0 {
		if err := interval("FastInterval", c.FastInterval); err != nil {
			return err
		}
	}
	if c.ProbeInterval != 0 {
		if err := interval("ProbeInterval", c.ProbeInterval); err != nil {
			return err
		}
	}
	if c.Requests.Rate != 0 {
		if err := c.Requests.check(); err != nil {
			return err
		}
	}
	return descriptors(2*(c.Flows+c.FastFlows) + 2*c.Requests.Concurrency)
}

func (r *Requests) check() error {
	switch {
	case r.Rate < 0 || r.Rate > rateMax:
		return fmt.Errorf("a Rate of %d: it must be from 0 to %d requests a second", r.Rate, rateMax)
	case r.Concurrency < 1 || r.Concurrency > concurrencyMax:
		return fmt.Errorf("a Concurrency of %d: it must be from 1 to %d", r.Concurrency, concurrencyMax)
	case r.Timeout < intervalMin || r.Timeout > time.Minute:
		return fmt.Errorf("a Timeout of %v: it must be from %v to %v", r.Timeout, intervalMin, time.Minute)
	case r.Response < 1 || r.Response > responseMax:
		return fmt.Errorf("a Response of %d bytes: it must be from 1 to %d", r.Response, responseMax)
	}
	return nil
}

// descriptors checks that the process may hold so many sockets.
func descriptors(sockets int) error {
	const others = 64
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if uint64(sockets+others) > limit.Cur {
		return fmt.Errorf("%d sockets are needed and the process may open %d files: run ulimit -n %d, or ask for fewer flows", sockets, limit.Cur, sockets+others)
	}
	return nil
}

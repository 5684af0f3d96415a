// Package pair runs the two firewalls of the test bed with the program to be measured on
// both: Holdfast as its users run it, Debian's conntrackd, or keepalived and conntrackd
// together. A benchmark asks both in the same words: start, how many states does the
// standby hold, what have the processes used, what does the link between them carry.
//
// Each program has the settings that are best for it among those its own manual
// recommends; where they are not its defaults, the file that writes them says so.
package pair

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/bench/usage"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// OpError says which step failed.
type OpError struct {
	Op  string // such as "start conntrackd on fw1"
	Err error
}

// Error gives the step and its cause.
func (e *OpError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Disturbance is a standby that has taken over, or tried to, before anybody harmed the
// active: to it, a machine that stands still looks dead.
type Disturbance struct {
	Program string
	What    string // as its log tells it
}

// Error tells both.
func (d *Disturbance) Error() string {
	return d.Program + ": the standby took over before the fault: " + d.What
}

// Pair is a program that runs on both firewalls of a test bed, FW1 being active.
type Pair interface {
	// Name is the program's name.
	Name() string
	// Held is how many states of FW1 the daemon on FW2 holds, or has put into its kernel.
	Held(ctx context.Context) (int, error)
	// Told is how many times FW2 was told of a new, changed or ended state, or 0 where the
	// program does not count that.
	Told(ctx context.Context) (int, error)
	// Use is what the processes of one firewall have used until now.
	Use(node string) (usage.Use, error)
	// Undisturbed is nil if FW2 has been standby all the time, or else a [*Disturbance].
	Undisturbed() error
	// Kill ends every process of one firewall by SIGKILL, those that daemons started too.
	Kill(node string) error
	// Fault is what went wrong that nobody waited for: "" for nothing.
	Fault(ctx context.Context) string
	// Close ends everything that was started.
	Close() error
}

// Active and Standby are the firewalls by what they are until something happens.
const (
	Active  = lab.FW1
	Standby = lab.FW2
)

// pollEvery is how often a condition is looked at; what is looked at answers in less
// than a millisecond, and this is never inside what is measured.
const pollEvery = 10 * time.Millisecond

// await looks until the condition holds. What the condition says last is in the error.
func await(ctx context.Context, what string, condition func() (ok bool, seen string)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		ok, seen := condition()
		if ok {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return &OpError{"wait until " + what, fmt.Errorf("%w; last seen: %s", ctx.Err(), seen)}
		}
	}
}

// AwaitHeld waits until the standby holds a number of states, or more.
func AwaitHeld(ctx context.Context, p Pair, count int) error {
	return await(ctx, fmt.Sprintf("the standby of %s holds %d states", p.Name(), count), func() (bool, string) {
		held, err := p.Held(ctx)
		if err != nil {
			return false, err.Error()
		}
		return held >= count, fmt.Sprint(held)
	})
}

// AwaitCalm waits until the number of states that the standby holds has not changed for
// a while, and gives it.
func AwaitCalm(ctx context.Context, p Pair, while time.Duration) (held int, err error) {
	since := time.Now()
	err = await(ctx, "the standby of "+p.Name()+" is told nothing new", func() (bool, string) {
		n, err := p.Held(ctx)
		if err != nil {
			return false, err.Error()
		}
		if n != held {
			held, since = n, time.Now()
		}
		return time.Since(since) >= while, fmt.Sprint(n)
	})
	return held, err
}

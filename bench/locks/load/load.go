// Package load is a process of contenders, for the benchmark of locks: each has a session with a
// lock service, and enters and leaves a lock again and again until the time is over. What the
// service is, is the program's that imports this package; how it is asked and what is
// measured is here, the same for all.
//
// The process is told by its arguments what to do, and writes to its standard output, a line
// each: "begin" when all sessions are open and warm and what counts begins, "end" when it is
// over, and a [Result] as JSON. Asked -leader it writes the number of the member that leads.
package load

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ha/holdfast/bench/usage"
)

// Service is a lock service as a program sees it.
type Service interface {
	// Leader gives the place in the list of servers, from 1, of the member that leads: that
	// puts commands in order. 0: there is none now.
	Leader(ctx context.Context) (int, error)
	// Open opens a contender's session.
	Open(ctx context.Context) (Session, error)
}

// Session is one contender's. It has at most one lock at a time.
type Session interface {
	Enter(ctx context.Context, name string) error
	Leave(ctx context.Context) error
	Close()
}

// Order is what the arguments say.
type Order struct {
	Servers    []string // addresses or sockets, in the order in which they are to be asked
	Contenders int
	Same       bool          // all for one lock; else each has its own
	Warm, Time time.Duration // before what counts, and what counts
	Try        time.Duration // how long one attempt may take before it is made again, for programs whose library leaves that to its user; 0: as long as it takes
	Leader     bool          // tell who leads, and nothing else
}

// Result is what was measured.
type Result struct {
	Cycles  int           `json:"cycles"`          // of enter and leave that ended in the time
	Elapsed time.Duration `json:"elapsed_ns"`      // from "begin" until the last of them ended
	P50     time.Duration `json:"p50_ns"`          // of one enter and leave together
	P99     time.Duration `json:"p99_ns"`          //
	Pause   time.Duration `json:"pause_ns"`        // the longest time in which some contender completed nothing
	CPU     time.Duration `json:"cpu_ns"`          // that this process used meanwhile
	Fault   string        `json:"fault,omitempty"` // the first thing that went wrong
}

// Main carries out the order in the process's arguments, and ends the process.
func Main(open func(Order) (Service, error)) {
	var o Order
	servers := flag.String("servers", "", "addresses or sockets of members, with commas between")
	flag.IntVar(&o.Contenders, "contenders", 1, "how many")
	flag.BoolVar(&o.Same, "same", false, "all for one lock")
	flag.DurationVar(&o.Warm, "warm", 0, "before what counts")
	flag.DurationVar(&o.Time, "time", time.Second, "what counts")
	flag.DurationVar(&o.Try, "try", 0, "of one attempt; 0: as long as it takes")
	flag.BoolVar(&o.Leader, "leader", false, "tell who leads")
	flag.Parse()
	o.Servers = strings.Split(*servers, ",")
	if err := carryOut(o, open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func carryOut(o Order, open func(Order) (Service, error)) error {
	s, err := open(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.Warm+o.Time+slack)
	defer cancel()
	if o.Leader {
		leader, err := s.Leader(ctx)
		if err != nil {
			return err
		}
		if leader == 0 {
			return errors.New("nobody leads")
		}
		fmt.Println(leader)
		return nil
	}
	r, err := Run(ctx, o, s, func(moment string) { fmt.Println(moment) })
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// slack is how much longer than ordered everything may take.
const slack = 15 * time.Second

// contender is one of them, with what it has seen.
type contender struct {
	Session
	name   string
	inside *atomic.Int32 // how many believe to hold the lock
	took   []time.Duration
	last   time.Time
	pause  time.Duration
	fault  error
}

// Run opens the sessions and lets all enter and leave. It tells "begin" and "end".
func Run(ctx context.Context, o Order, s Service, tell func(moment string)) (r Result, err error) {
	all := make([]*contender, o.Contenders)
	shared := new(atomic.Int32)
	defer func() {
		for _, c := range all {
			if c != nil {
				c.Close()
			}
		}
	}()
	for i := range all {
		session, err := s.Open(ctx)
		if err != nil {
			return r, err
		}
		all[i] = &contender{Session: session, name: fmt.Sprintf("bench-%d", i), inside: new(atomic.Int32)}
		if o.Same {
			all[i].name, all[i].inside = "bench", shared
		}
	}
	each := func(while time.Duration) (elapsed time.Duration, fault error) {
		var running sync.WaitGroup
		began := time.Now()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		for _, c := range all {
			running.Go(func() {
				if c.run(ctx, began, began.Add(while)); c.fault != nil {
					stop() // what the others do is worth nothing more
				}
			})
		}
		running.Wait()
		for _, c := range all {
			if c.fault != nil && (fault == nil || errors.Is(fault, context.Canceled)) {
				fault = c.fault
			}
		}
		return time.Since(began), fault
	}
	if _, err := each(o.Warm); err != nil {
		return r, err
	}
	before, err := usage.Of(os.Getpid())
	if err != nil {
		return r, err
	}
	tell("begin")
	var fault error
	r.Elapsed, fault = each(o.Time)
	tell("end")
	after, err := usage.Of(os.Getpid())
	if err != nil {
		return r, err
	}
	r.CPU = after.Since(before).CPU
	if fault != nil {
		r.Fault = fault.Error()
	}
	var took []time.Duration
	for _, c := range all {
		took = append(took, c.took...)
		r.Pause = max(r.Pause, c.pause)
	}
	if r.Cycles = len(took); r.Cycles > 0 {
		slices.Sort(took)
		r.P50, r.P99 = took[len(took)/2], took[len(took)*99/100]
	}
	return r, nil
}

// run enters and leaves until a moment. What has begun before is completed.
func (c *contender) run(ctx context.Context, began, end time.Time) {
	c.took, c.pause, c.last = c.took[:0], 0, began
	for now := began; now.Before(end) && ctx.Err() == nil; {
		if c.fault = c.cycle(ctx); c.fault != nil {
			c.pause = max(c.pause, time.Since(c.last))
			return
		}
		done := time.Now()
		c.took = append(c.took, done.Sub(now))
		c.pause = max(c.pause, done.Sub(c.last))
		c.last, now = done, done
	}
}

// cycle enters and leaves once. In between nobody else may be inside.
func (c *contender) cycle(ctx context.Context) error {
	if err := c.Enter(ctx, c.name); err != nil {
		return fmt.Errorf("enter %s: %w", c.name, err)
	}
	if others := c.inside.Add(1) - 1; others > 0 {
		return fmt.Errorf("%d others are inside %s", others, c.name)
	}
	c.inside.Add(-1)
	if err := c.Leave(ctx); err != nil {
		return fmt.Errorf("leave %s: %w", c.name, err)
	}
	return nil
}

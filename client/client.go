// Package client calls replicated services: it finds a member that serves, keeps a session
// alive, and makes each call happen as often as its caller says, over
// takeovers, restarts and lost connections.
//
//	c, err := client.Dial(client.Config{Servers: []string{"/run/holdfast/a.sock", "/run/holdfast/b.sock"}, Lease: 10 * time.Second})
//	…
//	var enter = client.Method{Name: "enter", How: client.ExactlyOnce, Timeout: time.Minute}
//	…
//	reply, err := c.Invoke(ctx, &enter, body)
//
// How often a call may be executed is declared for each method ([Method], [Semantics]), and an error says of which class
// its failure may have been ([Class]). Who serves is found by the client: it asks the member that was right last, goes where
// that one sends it, and tries the next when there is silence. docs/guides/services.md shows a service with its client.
//
// What is promised of a call is in protocol/call, whose machine runs here; what a failed call
// may have done is said by [Error.Outcome]. Leases count by a clock that goes on while the
// machine sleeps ([Client.Now]).
package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config is what a client needs.
type Config struct {
	// Servers are the sockets of the members, in the order of the members' names: all of
	// them, or those that can be reached from here.
	Servers []string
	// Lease is how long the session outlives this client's silence. 0: 10 s.
	Lease time.Duration
	// Margin is how long before the end of the lease the client gives the session up. 0: a fifth of the
	// lease. Less than half of it.
	Margin time.Duration
	// Label says who this is, for people. "": host and process number.
	Label string
	// Hedge is after what time a call of a method that is declared idempotent is sent to a second member as well; 0: never.
	Hedge time.Duration
	// RetryMax is how long at most a call waits for an answer before it is sent again, to the next member. A takeover is
	// noticed that much later; but each repeat is work for all members, so a service that
	// is slow because there is too much to do, or calls are large, becomes slower still if it is short. 0: 250 ms. At least 20 ms.
	RetryMax time.Duration

	// Identity is the name that this client has in all its lives, for jobs ([Client.Run]): "billing at web1". Two processes that
	// live at the same time have two, unless one is to follow the other. "": no jobs.
	Identity string
	// Notes is a file, for this process alone, in which jobs are noted before they are sent, so that the next life can have
	// them ended (extermination), and knows that it is a later one though the clock was set back. "": nothing is noted.
	Notes string
	// Owns is asked, with gentle reincarnation, whether this client wants a job that a former life of it began and that
	// still runs; [Client.Resume] waits for its result. nil: it wants none. As Notice.
	Owns func(of Job) bool

	// Notice is told what the service says unasked, and Renewed from when on the lease counts
	// anew: the moment, by [Client.Now], at which the request that renewed it was sent. Ended is told that
	// the session has ended, with ErrStale or ErrLapsed, and a new one is opened by itself; or with a *LeaseError that there
	// will be none, and the client is closed. They may be nil. They are called
	// one at a time, and must not call the client (but Now) or wait.
	Notice  func(body []byte)
	Renewed func(sent time.Time, lease time.Duration)
	Ended   func(cause error)
}

// Client is a session with a service. Its methods may be called by any goroutine.
type Client struct {
	cfg   Config
	clock *clock

	mu      sync.Mutex
	m       *call.Machine
	out     call.Output
	links   []*link
	waiting map[uint64]chan answer
	sent    time.Time // from when the lease counts
	timer   *time.Timer
	jobs    *jobs
	closing bool
	closed  bool
	refusal error         // why there can be no session; nil: there can
	shut    chan struct{} // closed when the session was ended by Close
	running sync.WaitGroup
}

type answer struct {
	body []byte
	err  error
}

// Dial begins a session. It does not wait: calls do. The error says what is wrong with the configuration.
func Dial(cfg Config) (*Client, error) {
	if cfg.Lease == 0 {
		cfg.Lease = leaseDefault
	}
	if cfg.Margin == 0 {
		cfg.Margin = cfg.Lease / marginPart
	}
	if cfg.RetryMax == 0 {
		cfg.RetryMax = retryDefault
	}
	if cfg.Label == "" {
		host, _ := os.Hostname()
		cfg.Label = fmt.Sprintf("%.60s:%d", host, os.Getpid())
	}
	cfg.Servers = append([]string(nil), cfg.Servers...)
	ids := make([]view.ID, len(cfg.Servers))
	for i := range ids {
		ids[i] = view.ID(i + 1)
	}
	m, err := call.New(call.Config{
		Servers: ids, Label: cfg.Label, Lease: cfg.Lease, Margin: cfg.Margin, Hedge: cfg.Hedge, RetryMin: max(retryMin, cfg.RetryMax/retryPart), RetryMax: cfg.RetryMax,
	}, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if err != nil {
		return nil, err
	}
	jobs, err := newJobs(&cfg)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, jobs: jobs, clock: newClock(sinceBoot, time.Now), m: m, waiting: map[uint64]chan answer{}, shut: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(time.Hour, c.tick)
	now := c.Now()
	for _, id := range ids {
		c.m.Reachable(now, id, false, &c.out) // until the first connection, which is used at once
	}
	for i, path := range cfg.Servers {
		c.links = append(c.links, newLink(c, ids[i], path))
	}
	c.m.Open(now, &c.out)
	c.carryOut()
	return c, nil
}

// Now is the time by which leases count: like time.Now, but it goes on while the machine sleeps, follows a wall
// clock that is set forward, and never goes back.
func (c *Client) Now() time.Time { return c.clock.read() }

// step runs something on the machine and carries out what follows. It reports false, and does nothing, if
// the client is closed.
func (c *Client) step(do func(now time.Time)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	do(c.Now())
	c.carryOut()
	return true
}

func (c *Client) tick() {
	c.step(func(now time.Time) { c.m.Tick(now, &c.out) })
}

// carryOut does what the machine asks. The caller has the lock.
func (c *Client) carryOut() {
	for len(c.out.Send)+len(c.out.Results)+len(c.out.Events) > 0 {
		out := c.out
		c.out = call.Output{}
		for _, e := range out.Events {
			c.changed(e)
		}
		for _, r := range out.Results {
			c.resolve(r)
		}
		for _, m := range out.Send {
			c.links[m.To-1].send(m.Data)
		}
	}
	if c.closed {
		return
	}
	for _, l := range c.links {
		l.flush()
	}
	c.renewed()
	if d := c.m.Deadline(); !d.IsZero() {
		c.timer.Reset(max(0, d.Sub(c.Now())))
	}
}

// changed follows a change of the session.
func (c *Client) changed(e call.Event) {
	if e.State != call.Idle {
		return
	}
	c.sent = time.Time{}
	switch e.Cause {
	case call.Shut:
		c.end()
		return
	case call.LongLease:
		c.refusal = &LeaseError{Lease: c.cfg.Lease, Most: e.Most}
		c.tell(c.refusal)
		c.end()
		return
	}
	if e.Stale {
		c.tell(ErrStale)
	} else {
		c.tell(ErrLapsed)
	}
	c.m.Open(c.Now(), &c.out)
}

// tell tells the owner why the session has ended.
func (c *Client) tell(why error) {
	if c.cfg.Ended != nil {
		c.cfg.Ended(why)
	}
}

// renewed tells that the lease counts from a later moment.
func (c *Client) renewed() {
	end := c.m.LeaseEnd()
	if end.IsZero() {
		return
	}
	if sent := end.Add(c.cfg.Margin - c.cfg.Lease); sent.After(c.sent) {
		c.sent = sent
		if c.cfg.Renewed != nil {
			c.cfg.Renewed(sent, c.cfg.Lease)
		}
	}
}

func (c *Client) resolve(r call.Result) {
	w, is := c.waiting[r.ID]
	if !is {
		return // nobody waits any more
	}
	delete(c.waiting, r.ID)
	if r.Cause == call.None {
		w <- answer{append([]byte(nil), r.Body...), nil}
		return
	}
	if r.Cause == call.LongLease && c.refusal != nil {
		w <- answer{nil, c.refusal}
		return
	}
	w <- answer{nil, c.failure(r, 0)}
}

// await makes a call and waits for its end.
func (c *Client) await(ctx context.Context, q call.Call) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, &Error{Outcome: NotExecuted, Cause: call.Abandoned, Servers: c.cfg.Servers})
	}
	done := make(chan answer, 1)
	id, err := c.submit(ctx, q, done)
	if err != nil {
		return nil, c.timely(ctx, err)
	}
	select {
	case a := <-done:
		return a.body, c.timely(ctx, a.err)
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.Canceled) { // at a deadline the machine's has come too, and it says what it was waiting for
		c.step(func(now time.Time) { c.m.Cancel(now, id, &c.out) })
	}
	enough := time.NewTimer(knowMax)
	defer enough.Stop()
	select {
	case a := <-done:
		return a.body, c.timely(ctx, a.err)
	case <-enough.C:
	}
	c.mu.Lock()
	delete(c.waiting, id) // the machine goes on asking, and nobody hears what it learns
	err = c.failure(call.Result{Outcome: Unknown, Cause: call.Abandoned}, 0)
	c.mu.Unlock()
	select {
	case a := <-done:
		return a.body, c.timely(ctx, a.err)
	default:
		return nil, c.timely(ctx, err)
	}
}

// timely joins an error with that of the context, if it has ended, or its deadline has passed.
func (c *Client) timely(ctx context.Context, err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		if errors.As(err, &e) && e.Cause == call.Abandoned && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			e.Cause = call.NoAnswer // nobody wanted it to end
		}
		return errors.Join(ctx.Err(), err)
	case errors.As(err, &e) && (e.Cause == call.NoAnswer || e.Cause == call.Stopped || e.Cause == call.CannotLocate || e.Cause == call.Unadmitted || e.Cause == call.TooLate):
		return errors.Join(context.DeadlineExceeded, err) // the machine has looked at its clock sooner
	}
	return err
}

// submit gives a call to the machine.
func (c *Client) submit(ctx context.Context, q call.Call, done chan answer) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusal != nil {
		return 0, c.refusal
	}
	if c.closed || c.closing {
		return 0, ErrClosed
	}
	now := c.Now()
	c.m.Tick(now, &c.out) // a lease that has ended is followed by a new session, in which there is room for the call
	c.carryOut()
	left := patience
	if d, has := ctx.Deadline(); has {
		left = max(1, time.Until(d))
	}
	q.Deadline = now.Add(left)
	id, why := c.m.Submit(now, q, &c.out)
	if why == call.None {
		c.waiting[id] = done
	}
	c.carryOut()
	if why != call.None {
		return 0, c.failure(call.Result{Outcome: NotExecuted, Cause: why}, len(q.Body))
	}
	return id, nil
}

// Close ends the session and waits until the service has heard of it, or ctx is done: then it ends
// with its lease. Calls that wait end.
func (c *Client) Close(ctx context.Context) error {
	c.step(func(now time.Time) {
		c.closing = true
		c.m.Close(now, &c.out)
		if c.m.State() == call.Idle {
			c.end()
		}
	})
	var err error
	select {
	case <-c.shut:
	case <-ctx.Done():
		c.mu.Lock()
		if !c.closed {
			err = fmt.Errorf("client: %w while closing the session; it ends within its lease, %v", ctx.Err(), c.cfg.Lease)
			c.end()
		}
		c.mu.Unlock()
	}
	c.running.Wait()
	return err
}

// end ends everything. The caller has the lock.
func (c *Client) end() {
	if c.closed {
		return
	}
	c.closed = true
	c.timer.Stop()
	for id, w := range c.waiting { //tidy:unordered all end alike
		delete(c.waiting, id)
		if c.refusal != nil {
			w <- answer{nil, c.refusal}
			continue
		}
		w <- answer{nil, ErrClosed}
	}
	for _, l := range c.links {
		l.close()
	}
	if c.jobs.notes != nil {
		c.jobs.notes.close()
	}
	close(c.shut)
}

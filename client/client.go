// Package client calls replicated services: it finds a member that serves, keeps a session
// alive, and makes each call happen as often as its caller says ([session] semantics), over
// takeovers, restarts and lost connections.
//
//	c, err := client.Dial(client.Config{Servers: []string{"/run/holdfast/a.sock", "/run/holdfast/b.sock"}, Lease: 10 * time.Second})
//	…
//	reply, err := c.Call(ctx, client.ExactlyOnce, command)
//
// What is promised of a call is in protocol/call, whose machine runs here; what a failed call
// may have done is said by [Error.Outcome].
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
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Semantics is how often a call may be executed.
type Semantics = session.Semantics

// The semantics.
const (
	Maybe       = session.Maybe       // sent once; nothing is promised
	AtLeastOnce = session.AtLeastOnce // repeated until answered: for what is idempotent
	AtMostOnce  = session.AtMostOnce  // never executed twice
	ExactlyOnce = session.ExactlyOnce // repeated until answered, and never executed twice
)

// Outcome is what is known of a call that failed.
type Outcome = call.Outcome

// The outcomes.
const (
	Executed    = call.Executed
	NotExecuted = call.NotExecuted
	Unknown     = call.Unknown
)

// Config is what a client needs.
type Config struct {
	// Servers are the sockets of the members, in the order of the members' names: all of
	// them, or those that can be reached from here.
	Servers []string
	// Lease is how long the session outlives this client's silence. 0: 10 s.
	Lease time.Duration
	// Label says who this is, for people. "": host and process number.
	Label string
	// Hedge is after what time a call is sent to a second member as well; 0: never.
	Hedge time.Duration

	// Notice is told what the service says unasked, and Renewed from when on the lease counts
	// anew: the moment at which the request that renewed it was sent. Ended is told that
	// the session has ended; a new one is opened by itself. They may be nil. They are called
	// one at a time, and must not call the client or wait.
	Notice  func(body []byte)
	Renewed func(sent time.Time, lease time.Duration)
	Ended   func(cause error)
}

// Error is why a call failed.
type Error struct {
	Outcome Outcome
	Cause   call.Cause
	Servers []string
}

// Error gives the cause, what it means for the call, and who was asked.
func (e *Error) Error() string {
	fate := map[Outcome]string{
		NotExecuted: "it was not executed", Unknown: "whether it was executed is not known", Executed: "it was executed",
	}[e.Outcome]
	return fmt.Sprintf("call: %v; %s; asked were %v", e.Cause, fate, e.Servers)
}

// ErrClosed is the error of calls after Close.
var ErrClosed = errors.New("client: it is closed")

// Client is a session with a service. Its methods may be called by any goroutine.
type Client struct {
	cfg Config

	mu      sync.Mutex
	m       *call.Machine
	out     call.Output
	links   []*link
	waiting map[uint64]chan answer
	opened  chan struct{} // closed when there is a session
	sent    time.Time     // from when the lease counts
	timer   *time.Timer
	closed  bool
	shut    chan struct{} // closed when the session was ended by Close
	running sync.WaitGroup
}

type answer struct {
	body []byte
	err  error
}

// Dial begins a session. It does not wait: calls do.
func Dial(cfg Config) (*Client, error) {
	if cfg.Lease == 0 {
		cfg.Lease = 10 * time.Second
	}
	if cfg.Label == "" {
		host, _ := os.Hostname()
		cfg.Label = fmt.Sprintf("%.60s:%d", host, os.Getpid())
	}
	ids := make([]view.ID, len(cfg.Servers))
	for i := range ids {
		ids[i] = view.ID(i + 1)
	}
	m, err := call.New(call.Config{
		Servers: ids, Label: cfg.Label, Lease: cfg.Lease, Hedge: cfg.Hedge,
	}, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, m: m, waiting: map[uint64]chan answer{}, opened: make(chan struct{}), shut: make(chan struct{})}
	c.timer = time.AfterFunc(time.Hour, c.tick)
	for i, path := range cfg.Servers {
		c.links = append(c.links, newLink(c, ids[i], path))
	}
	c.step(func(now time.Time) { c.m.Open(now, &c.out) })
	return c, nil
}

// step runs something on the machine and carries out what follows.
func (c *Client) step(do func(now time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		do(time.Now())
		c.carryOut()
	}
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
	c.renewed()
	if d := c.m.Deadline(); !d.IsZero() {
		c.timer.Reset(max(0, time.Until(d)))
	}
}

// changed follows a change of the session.
func (c *Client) changed(e call.Event) {
	switch e.State {
	case call.Opened:
		close(c.opened)
	case call.Idle:
		c.opened, c.sent = make(chan struct{}), time.Time{}
		if e.Cause == call.Shut {
			c.end()
			return
		}
		if c.cfg.Ended != nil {
			c.cfg.Ended(&Error{Unknown, e.Cause, c.cfg.Servers})
		}
		c.m.Open(time.Now(), &c.out)
	}
}

// renewed tells that the lease counts from a later moment.
func (c *Client) renewed() {
	end := c.m.LeaseEnd()
	if end.IsZero() {
		return
	}
	if sent := end.Add(c.cfg.Lease/marginPart - c.cfg.Lease); sent.After(c.sent) {
		c.sent = sent
		if c.cfg.Renewed != nil {
			c.cfg.Renewed(sent, c.cfg.Lease)
		}
	}
}

// marginPart is the part of the lease that the machine keeps as its margin, its default.
const marginPart = 5

func (c *Client) resolve(r call.Result) {
	w, is := c.waiting[r.ID]
	if !is {
		return
	}
	delete(c.waiting, r.ID)
	if r.Cause == call.None {
		w <- answer{append([]byte(nil), r.Body...), nil}
		return
	}
	w <- answer{nil, &Error{r.Outcome, r.Cause, c.cfg.Servers}}
}

// Call asks the service to execute a command, and waits for the reply. When ctx is done it
// is cancelled; the error then says whether it was executed, as far as that is known.
func (c *Client) Call(ctx context.Context, how Semantics, body []byte) ([]byte, error) {
	done := make(chan answer, 1)
	var id uint64
	for id == 0 {
		opened, err := c.submit(ctx, how, body, done, &id)
		if err != nil {
			return nil, err
		}
		if id != 0 {
			break
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), &Error{NotExecuted, call.CannotLocate, c.cfg.Servers})
		}
	}
	select {
	case a := <-done:
		return a.body, a.err
	case <-ctx.Done():
		c.step(func(now time.Time) { c.m.Cancel(now, id, &c.out) })
		a := <-done
		if a.err != nil {
			a.err = errors.Join(ctx.Err(), a.err)
		}
		return a.body, a.err
	}
}

// submit gives a call to the machine; without a session it gives what is closed when there is one.
func (c *Client) submit(ctx context.Context, how Semantics, body []byte, done chan answer, id *uint64) (opened chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	deadline, has := ctx.Deadline()
	if !has {
		deadline = time.Now().Add(patience)
	}
	n, why := c.m.Submit(time.Now(), call.Call{How: how, Deadline: deadline, Body: body}, &c.out)
	switch {
	case why == call.NoSession:
		return c.opened, nil
	case why != call.None:
		return nil, &Error{NotExecuted, why, c.cfg.Servers}
	}
	*id = n
	c.waiting[n] = done
	c.carryOut()
	return nil, nil
}

// patience is the deadline of a call whose context has none.
const patience = 24 * time.Hour

// Close ends the session and waits until the service has heard of it, or ctx is done: then it ends
// with its lease.
func (c *Client) Close(ctx context.Context) error {
	c.step(func(now time.Time) {
		c.m.Close(now, &c.out)
		if c.m.State() == call.Idle {
			c.end()
		}
	})
	var err error
	select {
	case <-c.shut:
	case <-ctx.Done():
		err = fmt.Errorf("client: %w while closing the session; it ends within its lease, %v", ctx.Err(), c.cfg.Lease)
	}
	c.mu.Lock()
	c.end()
	c.mu.Unlock()
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
		w <- answer{nil, ErrClosed}
	}
	for _, l := range c.links {
		l.close()
	}
	close(c.shut)
}

// Package lock is the client of the lock service: locks that a whole cluster shares, and that
// are given on when their owner dies.
//
//	locks, err := lock.Open(lock.Config{Servers: []string{"/run/holdfast/locks.locks"}})
//	…
//	l, err := locks.Enter(ctx, "nightly-report", lock.Options{})
//	…
//	defer l.Leave(context.Background())
//	work(l.Context(), l.Token()) // cancelled before anybody else can have the lock
//
// What is promised: of two clients that believe to hold an exclusive lock, at most one is
// right, and it is the one with the greater token; a client whose clock is not broken
// stops believing (its context is cancelled) before the service grants the lock to
// another. What a process does that was stopped just before it wrote, no lock can prevent:
// give the token to the resource and let it refuse older ones (package guard).
//
// A lock is a goroutine's as well: of several goroutines that enter the same lock with one client, one has it and the others
// wait for their turn, be it shared or not. For goroutines that share a lock at the same time open a client for each.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/service/lock"
)

const (
	leaseDefault = 10 * time.Second

	// marginPart is the part of the lease that is the margin by default.
	marginPart = 4

	// retryMax is how long a request waits for an answer before another member is asked. It adds to the time of a
	// takeover, and there are few requests for locks.
	retryMax = 40 * time.Millisecond

	// askEvery is how often a client that waits asks whether it has been granted the lock: a
	// notice tells it sooner, and may be lost.
	askEvery = time.Second

	// checkPart is after which part of the lease a client asks whether its locks are still its own: the notice that one was
	// broken may be lost, too.
	checkPart = 3

	// doubtRounds is in how many looks, a checkPart of the lease apart, an Enter that was given up is waited for. By then the
	// service has long heard, as a rule, that it is not to be executed.
	doubtRounds = 3 * checkPart

	// lookMax is how long the clock is not looked at while something is held: timers stand still while the machine sleeps.
	lookMax = time.Second

	// settleMax is how long Enter, when its context is done, waits to be out of the queue; then that goes on by itself.
	settleMax = 250 * time.Millisecond
)

// Config is what a program needs to use locks.
type Config struct {
	// Servers are the sockets of the lock service's members, in the order of their names.
	Servers []string
	// Lease is for how long locks outlive this process's silence. 0: 10 s.
	Lease time.Duration
	// Margin is how long before the end of the lease the contexts are cancelled: what the
	// work needs to stop. 0: a fourth of the lease. Less than half of it.
	Margin time.Duration
	// Label says who this is, for people. "": host and process number.
	Label string
}

// Caller is a way to a lock service: a [client.Client] goes by the sockets of servers, and package lock/peers by a group whose members
// serve one another.
type Caller interface {
	// Call asks the service to execute a command, see client.Client.Call.
	Call(ctx context.Context, how client.Semantics, body []byte) ([]byte, error)
	// Now is the time by which leases count.
	Now() time.Time
	// Close ends the session, or gives up when ctx is done.
	Close(ctx context.Context) error
}

// Told is what a [Caller] tells, one at a time: see the fields of client.Config of these names.
type Told struct {
	Notice  func(body []byte)
	Renewed func(sent time.Time, lease time.Duration)
	Ended   func(cause error)
}

// Client is a session with the lock service. Its methods may be called by any goroutine.
type Client struct {
	cfg  Config
	c    Caller
	life context.Context // ends with Close
	die  context.CancelFunc

	running sync.WaitGroup

	mu      sync.Mutex
	sent    time.Time        // from when the lease counts
	session uint64           // counts sessions: what was granted in a former one is not held
	held    map[uint64]*Lock // by token
	doors   map[string]*door // of locks that this client is in, or wants to be in
	doubts  map[string]doubt // of locks that it may yet come to be in, and does not want
	timer   *time.Timer
}

// Open begins a session with the lock service. It does not wait: Enter does. The error says what is wrong with the
// configuration.
func Open(cfg Config) (*Client, error) {
	return Over(cfg, func(cfg Config, told Told) (Caller, error) {
		return client.Dial(client.Config{
			Servers: cfg.Servers, Lease: cfg.Lease, Margin: cfg.Margin, Label: cfg.Label, RetryMax: retryMax,
			Notice: told.Notice, Renewed: told.Renewed, Ended: told.Ended,
		})
	})
}

// Over is Open by way of another [Caller] than the sockets of servers. It is given the configuration with its defaults.
func Over(cfg Config, dial func(Config, Told) (Caller, error)) (*Client, error) {
	if cfg.Lease == 0 {
		cfg.Lease = leaseDefault
	}
	if cfg.Margin == 0 {
		cfg.Margin = cfg.Lease / marginPart
	}
	if cfg.Label == "" {
		host, _ := os.Hostname()
		cfg.Label = fmt.Sprintf("%.60s:%d", host, os.Getpid())
	}
	h, err := lock.NewHolder(lock.HolderConfig{Margin: cfg.Margin})
	if err != nil {
		return nil, err
	}
	if _, err := h.Usable(cfg.Lease); err != nil {
		return nil, err
	}
	k := &Client{cfg: cfg, session: 1, held: map[uint64]*Lock{}, doors: map[string]*door{}, doubts: map[string]doubt{}}
	k.life, k.die = context.WithCancel(context.Background())
	k.mu.Lock() // so that what is told finds the client
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(time.Hour, k.tick)
	k.c, err = dial(cfg, Told{Notice: k.notice, Renewed: k.renewed, Ended: k.ended})
	if err != nil {
		k.timer.Stop()
		k.die()
		return nil, fmt.Errorf("lock: %w", err)
	}
	k.running.Go(k.check)
	return k, nil
}

// Close ends the session: all its locks go to who is next, and all calls end. If ctx is done before the service has heard of it, they
// do when the lease ends.
func (k *Client) Close(ctx context.Context) error {
	k.mu.Lock()
	for _, l := range k.held { //tidy:unordered all end alike
		l.end(lock.Given)
	}
	k.timer.Stop()
	k.die()
	k.mu.Unlock()
	err := k.c.Close(ctx)
	k.running.Wait()
	return err
}

// ask calls the service and reads what it says.
func (k *Client) ask(ctx context.Context, how client.Semantics, q lock.Request) (lock.Reply, error) {
	b, err := k.c.Call(ctx, how, q.Append(nil))
	if err != nil {
		return lock.Reply{}, fmt.Errorf("lock %q: %w", q.Name, err)
	}
	p, err := lock.ParseReply(b)
	if err != nil {
		return lock.Reply{}, fmt.Errorf("lock %q: %w", q.Name, err)
	}
	return p, nil
}

// leave tells the service that a lock is not held any more.
func (k *Client) leave(ctx context.Context, name string, token uint64) error {
	p, err := k.ask(ctx, client.ExactlyOnce, lock.Request{Kind: lock.Leave, Name: name, Number: token})
	if err != nil {
		return err
	}
	return p.Err(name)
}

// current is which session this is.
func (k *Client) current() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.session
}

// settle leaves a lock, or its queue, whichever it is, for as long as it takes; then it lets the next of this
// client's goroutines ask for it. A session that has ended is in no lock.
func (k *Client) settle(name string, session uint64) (settled chan struct{}) {
	settled = make(chan struct{})
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life.Err() != nil { // the end of the session settles everything
		k.next(name, k.doors[name])
		close(settled)
		return settled
	}
	k.running.Go(func() {
		defer close(settled)
		defer k.open(name)
		for k.life.Err() == nil && k.current() == session {
			ctx, cancel := context.WithTimeout(k.life, k.cfg.Lease)
			p, err := k.ask(ctx, client.ExactlyOnce, lock.Request{Kind: lock.Cancel, Name: name})
			if err == nil && p.Status == lock.Granted {
				p, err = k.ask(ctx, client.ExactlyOnce, lock.Request{Kind: lock.Leave, Name: name, Number: p.Number})
			}
			cancel()
			var e *client.Error
			if err == nil || !errors.As(err, &e) {
				return
			}
		}
	})
	return settled
}

// check asks now and then whether what is held is held.
func (k *Client) check() {
	again := time.NewTicker(k.cfg.Lease / checkPart)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-k.life.Done():
			return
		}
		k.mu.Lock()
		session := k.session
		var held []*Lock
		for _, l := range k.held { //tidy:unordered each for itself
			if l.session == session {
				held = append(held, l)
			}
		}
		k.mu.Unlock()
		ctx, cancel := context.WithTimeout(k.life, k.cfg.Lease/checkPart)
		for _, l := range held {
			p, err := k.ask(ctx, client.AtLeastOnce, lock.Request{Kind: lock.Ask, Name: l.name})
			mine := err != nil || p.Status == lock.Granted && p.Number == l.token
			k.mu.Lock()
			// In a session that has begun meanwhile the service may not have heard of the lock yet: see assert.
			if !mine && l.session == session && k.session == session && (p.Status == lock.NotWaiting || p.Status == lock.Granted) {
				l.end(lock.BrokenBy)
			}
			k.mu.Unlock()
		}
		k.clear(ctx, session)
		cancel()
	}
}

// notice takes what the service says unasked.
func (k *Client) notice(body []byte) {
	n, err := lock.ParseNotice(body)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch l := k.held[n.Number]; {
	case n.What == lock.Granted:
		if d := k.doors[string(n.Name)]; d != nil {
			select {
			case d.wake <- struct{}{}:
			default:
			}
		}
	case l == nil:
	case n.What == lock.Broken:
		l.end(lock.BrokenBy)
	case n.What == lock.Lost:
		l.end(lock.LostTo)
	}
}

func (k *Client) renewed(sent time.Time, lease time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent = sent
	for _, l := range k.held { //tidy:unordered each for itself
		if l.session == k.session { // a lock that is being asserted has the former session's lease until it is believed
			l.holder.Renewed(k.c.Now(), sent, lease)
		}
		l.look()
	}
	k.arm()
}

func (k *Client) ended(cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent = time.Time{}
	k.session++
	for _, l := range k.held { //tidy:unordered each for itself
		phase := l.holder.Tick(k.c.Now())
		switch {
		case errors.Is(cause, client.ErrStale) && phase == lock.Held && k.life.Err() == nil:
			// The service does not know the session, though its lease is not over: it has lost its state. Until it
			// has said that it grants this lock anew, or the lease ends, nobody else can have it.
			k.assert(l)
		case !errors.Is(cause, client.ErrLapsed) || l.holder.Why() == lock.NoCause:
			// Where nobody has renewed the session, the service has not ended it yet: there is the
			// margin to stop in.
			l.holder.Revoke(k.c.Now(), l.token, lock.SessionOver)
		}
		l.look()
	}
}

func (k *Client) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.held { //tidy:unordered each for itself
		l.holder.Tick(k.c.Now())
		l.look()
	}
	k.arm()
}

// arm sets the timer to the next moment at which a lock's phase may change.
func (k *Client) arm() {
	var next time.Time
	for _, l := range k.held { //tidy:unordered the least is taken
		if d := l.holder.Deadline(); !d.IsZero() && (next.IsZero() || d.Before(next)) {
			next = d
		}
	}
	if !next.IsZero() && k.life.Err() == nil {
		k.timer.Reset(min(lookMax, max(0, next.Sub(k.c.Now()))))
	}
}

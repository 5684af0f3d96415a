// Package lock is the client of the lock service: locks that a whole cluster shares, and that
// are given on when their owner dies.
//
//	locks, err := lock.Open(lock.Config{Servers: []string{"/run/holdfast/locks.sock"}})
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

// Config is what a program needs to use locks.
type Config struct {
	// Servers are the sockets of the lock service's members, in the order of their names.
	Servers []string
	// Lease is for how long locks outlive this process's silence. 0: 10 s.
	Lease time.Duration
	// Margin is how long before the end of the lease the contexts are cancelled: what the
	// work needs to stop. 0: a fourth of the lease.
	Margin time.Duration
	// Label says who this is, for people. "": host and process number.
	Label string
}

// Options are of one Enter.
type Options struct {
	Shared  bool   // together with others that are shared
	Try     bool   // do not wait: ErrHeld
	Loose   bool   // shared requests may overtake; otherwise first come, first served
	Purpose string // for people
	// Queued is told the place in the queue, 1 being next, when the lock is not granted at
	// once; nil for nothing.
	Queued func(place int)
}

// ErrHeld is the error of a Try when somebody else has the lock; errors.As a *Refusal says who.
var ErrHeld = errors.New("lock: somebody else has it")

// Refusal is why the service refuses something: it names who has the lock, and what to do.
type Refusal = lock.Refusal

// Client is a session with the lock service. Its methods may be called by any goroutine.
type Client struct {
	cfg   Config
	c     *client.Client
	lease time.Duration

	mu    sync.Mutex
	sent  time.Time        // from when the lease counts
	held  map[uint64]*Lock // by token
	wakes map[string][]chan struct{}
	timer *time.Timer
}

// Open begins a session with the lock service. It does not wait: Enter does.
func Open(cfg Config) (*Client, error) {
	if cfg.Lease == 0 {
		cfg.Lease = 10 * time.Second
	}
	if cfg.Margin == 0 {
		cfg.Margin = cfg.Lease / 4
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
	k := &Client{cfg: cfg, lease: cfg.Lease, held: map[uint64]*Lock{}, wakes: map[string][]chan struct{}{}}
	k.timer = time.AfterFunc(time.Hour, k.tick)
	k.c, err = client.Dial(client.Config{
		Servers: cfg.Servers, Lease: cfg.Lease, Label: cfg.Label, Notice: k.notice, Renewed: k.renewed, Ended: k.ended,
	})
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	return k, nil
}

// Close ends the session: all its locks go to who is next.
func (k *Client) Close(ctx context.Context) error {
	k.mu.Lock()
	for _, l := range k.held { //tidy:unordered all end alike
		l.end(lock.Given)
	}
	k.timer.Stop()
	k.mu.Unlock()
	return k.c.Close(ctx)
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

// askEvery is how often a client that waits asks whether it has been granted the lock: a
// notice tells it sooner, and may be lost.
const askEvery = time.Second

// Enter waits for a lock, or, with Try, does not. When ctx is done it leaves the queue.
func (k *Client) Enter(ctx context.Context, name string, o Options) (*Lock, error) {
	if err := lock.CheckName(name); err != nil {
		return nil, err
	}
	q := lock.Request{Kind: lock.Enter, Name: name, Try: o.Try, Order: lock.Strict, Label: k.cfg.Label, Purpose: o.Purpose}
	if o.Shared {
		q.Mode = lock.Shared
	}
	if o.Loose {
		q.Order = lock.Loose
	}
	wake := k.listen(name)
	defer k.deafen(name, wake)
	p, err := k.ask(ctx, client.ExactlyOnce, q)
	for err == nil {
		switch {
		case p.Status == lock.Granted:
			if l := k.hold(name, p.Number); l != nil {
				return l, nil
			}
			err = errors.Join(k.leave(context.WithoutCancel(ctx), name, p.Number),
				fmt.Errorf("lock %q: it was granted, and the lease is nearly over; enter again", name))
			continue
		case p.Status == lock.Queued:
			if o.Queued != nil {
				o.Queued(p.Place)
			}
		case o.Try && p.Status.Refused():
			return nil, errors.Join(ErrHeld, p.Err(name))
		default:
			return nil, p.Err(name)
		}
		select {
		case <-wake:
		case <-time.After(askEvery):
		case <-ctx.Done():
			return nil, k.giveUp(ctx, name)
		}
		p, err = k.ask(ctx, client.AtLeastOnce, lock.Request{Kind: lock.Ask, Name: name})
	}
	if ctx.Err() != nil {
		return nil, k.giveUp(ctx, name)
	}
	return nil, err
}

// giveUp leaves the queue, or the lock if it was granted meanwhile.
func (k *Client) giveUp(ctx context.Context, name string) error {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.lease)
	defer cancel()
	p, err := k.ask(out, client.ExactlyOnce, lock.Request{Kind: lock.Cancel, Name: name})
	if err == nil && p.Status == lock.Granted {
		err = k.leave(out, name, p.Number)
	}
	return errors.Join(fmt.Errorf("lock %q: %w while waiting for it", name, ctx.Err()), err)
}

func (k *Client) leave(ctx context.Context, name string, token uint64) error {
	p, err := k.ask(ctx, client.ExactlyOnce, lock.Request{Kind: lock.Leave, Name: name, Number: token})
	if err != nil {
		return err
	}
	return p.Err(name)
}

// hold notes that a lock is held; nil if the lease is nearly over.
func (k *Client) hold(name string, token uint64) *Lock {
	h, err := lock.NewHolder(lock.HolderConfig{Margin: k.cfg.Margin})
	if err != nil {
		panic(err) // Open has made one of the same
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !h.Granted(time.Now(), token, k.sent, k.lease) {
		return nil
	}
	l := &Lock{k: k, name: name, token: token, holder: h}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	k.held[token] = l
	k.arm()
	return l
}

// listen gives a channel that is told of notices about a lock.
func (k *Client) listen(name string) chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := make(chan struct{}, 1)
	k.wakes[name] = append(k.wakes[name], c)
	return c
}

func (k *Client) deafen(name string, c chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	kept := k.wakes[name][:0]
	for _, other := range k.wakes[name] {
		if other != c {
			kept = append(kept, other)
		}
	}
	if k.wakes[name] = kept; len(kept) == 0 {
		delete(k.wakes, name)
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
		for _, c := range k.wakes[string(n.Name)] {
			select {
			case c <- struct{}{}:
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
		l.holder.Renewed(time.Now(), sent, lease)
		l.look()
	}
	k.arm()
}

func (k *Client) ended(error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent = time.Time{}
	for _, l := range k.held { //tidy:unordered each for itself
		l.end(lock.SessionOver)
	}
}

func (k *Client) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.held { //tidy:unordered each for itself
		l.holder.Tick(time.Now())
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
	if !next.IsZero() {
		k.timer.Reset(max(0, time.Until(next)))
	}
}

// Lock is a lock that this process holds.
type Lock struct {
	k      *Client
	name   string
	token  uint64
	holder *lock.Holder
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Name is the lock's name.
func (l *Lock) Name() string { return l.name }

// Token is a number that grows from owner to owner: give it to whatever the lock guards, and
// let that refuse smaller ones.
func (l *Lock) Token() uint64 { return l.token }

// Context is cancelled when the work under the lock has to stop: a margin before the lease can
// end, or when the lock was left or taken away; its cause says why.
func (l *Lock) Context() context.Context { return l.ctx }

// Holds says whether the lock is held at this moment. Ask right before each step that others
// see.
func (l *Lock) Holds() bool {
	l.k.mu.Lock()
	defer l.k.mu.Unlock()
	held := l.holder.Holds(time.Now())
	l.look()
	return held
}

// Leave gives the lock to who is next, and cancels the context.
func (l *Lock) Leave(ctx context.Context) error {
	l.k.mu.Lock()
	l.end(lock.Given)
	l.k.mu.Unlock()
	return l.k.leave(ctx, l.name, l.token)
}

// end ends the holding for a reason. The caller has the client's lock.
func (l *Lock) end(why lock.Cause) {
	l.holder.Revoke(time.Now(), l.token, why)
	l.look()
}

// look cancels the context if the work may not go on.
func (l *Lock) look() {
	if why := l.holder.Why(); why != lock.NoCause {
		l.cancel(why)
		delete(l.k.held, l.token)
	}
}

// Grace is for how long what runs under the lock may still take to stop when the context is
// cancelled: the margin.
func (l *Lock) Grace() time.Duration { return l.k.cfg.Margin }

package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// Options are of one Enter.
type Options struct {
	Shared  bool   // together with others that are shared
	Try     bool   // do not wait: ErrHeld
	Loose   bool   // shared requests may overtake; otherwise first come, first served
	Purpose string // for people
	// Queued is told the place in the queue, 1 being next, when the lock is not granted at
	// once, and again whenever it is looked at; nil for nothing.
	Queued func(place int)
	// Recovering is told before Queued, likewise, for how long nothing is granted yet, because the
	// service begins, or has lost its state and hears from its clients what they had; nil for nothing.
	Recovering func(left time.Duration)
}

// ErrRecovering is the error of a Try while the service grants nothing yet: see Options.Recovering. errors.As a *Refusal says for how
// much longer.
var ErrRecovering error = lock.Recovering

// ErrHeld is the error of a Try when somebody else has the lock; errors.As a *Refusal says who, unless it is
// another goroutine of this client.
var ErrHeld = errors.New("lock: somebody else has it")

// Refusal is why the service refuses something: it names who has the lock, and what to do.
type Refusal = lock.Refusal

// door lets one goroutine at a time into a lock, or into its queue: for the service they are one.
type door struct {
	queue []chan struct{} // who waits, first come, first served
	wake  chan struct{}   // something was said of the lock
}

// pass waits at the door of a lock.
func (k *Client) pass(ctx context.Context, name string, try bool) (*door, error) {
	k.mu.Lock()
	d := k.doors[name]
	switch {
	case k.life.Err() != nil:
		k.mu.Unlock()
		return nil, client.ErrClosed
	case d == nil:
		d = &door{wake: make(chan struct{}, 1)}
		k.doors[name] = d
		k.mu.Unlock()
		return d, nil
	case try:
		k.mu.Unlock()
		return nil, fmt.Errorf("%w: this client is in lock %q already; wait for it, or try again later", ErrHeld, name)
	}
	turn := make(chan struct{})
	d.queue = append(d.queue, turn)
	k.mu.Unlock()
	var err error
	select {
	case <-turn:
		return d, nil
	case <-ctx.Done():
		err = fmt.Errorf("lock %q: %w while this client was in it already", name, ctx.Err())
	case <-k.life.Done():
		err = client.ErrClosed
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if i := slices.Index(d.queue, turn); i >= 0 {
		d.queue = slices.Delete(d.queue, i, i+1)
	} else {
		k.next(name, d) // it had the turn, and does not take it
	}
	return nil, err
}

// open lets the next through the door.
func (k *Client) open(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next(name, k.doors[name])
}

// next is open for who has the client's lock.
func (k *Client) next(name string, d *door) {
	if len(d.queue) == 0 {
		delete(k.doors, name)
		return
	}
	close(d.queue[0])
	d.queue = d.queue[1:]
}

// Enter waits for a lock, or, with Try, does not. When ctx is done it leaves the queue, and the error unwraps to that of ctx.
// If the session ends meanwhile it begins anew, at the end of the queue; but if the service has lost its state, and is told in
// time, at the same place. Who has entered must
// Leave, also after the lock was lost.
func (k *Client) Enter(ctx context.Context, name string, o Options) (*Lock, error) {
	if err := lock.CheckName(name); err != nil {
		return nil, err
	}
	d, err := k.pass(ctx, name, o.Try)
	if err != nil {
		return nil, err
	}
	l, session, err := k.enter(ctx, name, o, d)
	if err == nil {
		return l, nil
	}
	var no *Refusal
	if session == 0 || errors.As(err, &no) {
		k.open(name)
		return nil, err
	}
	k.suspect(name, session, err)
	enough := time.NewTimer(settleMax)
	defer enough.Stop()
	select {
	case <-k.settle(name, session):
	case <-enough.C:
	}
	return nil, err
}

// enter is Enter behind the door. With an error it gives the session that may be in the lock, or in its queue; 0:
// none is.
func (k *Client) enter(ctx context.Context, name string, o Options, d *door) (*Lock, uint64, error) {
	q := request(lock.Enter, name, o.Shared, o.Loose)
	q.Try, q.Label, q.Purpose = o.Try, k.cfg.Label, o.Purpose
	var asked uint64 // the session that has asked for the lock
	var turn uint64  // in the queue, of the last session that waited
	for {
		if err := ctx.Err(); err != nil {
			return nil, asked, fmt.Errorf("lock %q: %w while waiting for it", name, err)
		}
		session, how, r := k.current(), client.AtLeastOnce, lock.Request{Kind: lock.Ask, Name: name}
		if asked != session {
			how, r, asked = client.ExactlyOnce, q, session
			if turn != 0 { // the service may have lost its state, and give the place back
				r.Kind, r.Try, r.Waited, r.Number = lock.Reassert, false, true, turn
			}
		}
		p, err := k.ask(ctx, how, r)
		switch {
		case sessionEnded(err):
			continue
		case err != nil && ctx.Err() != nil:
			return nil, asked, fmt.Errorf("%w while waiting for it", err)
		case err != nil:
			return nil, asked, err
		case p.Status == lock.Granted:
			// What was granted in a session that has ended since is not held; with a lease that is
			// nearly over, asking once more is what renews it.
			if l := k.hold(name, p.Number, session, &o); l != nil {
				return l, 0, nil
			}
			continue
		case r.Kind == lock.Reassert && p.Status != lock.Queued, r.Kind == lock.Ask && p.Status == lock.NotWaiting:
			asked, turn = 0, 0 // to the end of the queue
			continue
		case p.Status == lock.Busy:
			return nil, 0, fmt.Errorf("%w: %w", ErrHeld, p.Err(name))
		case p.Status != lock.Queued:
			return nil, 0, p.Err(name)
		}
		turn = p.Number
		if o.Recovering != nil && p.Until != 0 {
			o.Recovering(p.Until - p.Now)
		}
		if o.Queued != nil {
			o.Queued(p.Place)
		}
		k.await(ctx, d)
	}
}

// request is one to be in a lock.
func request(kind lock.Kind, name string, shared, loose bool) lock.Request {
	q := lock.Request{Kind: kind, Name: name, Order: lock.Strict}
	if shared {
		q.Mode = lock.Shared
	}
	if loose {
		q.Order = lock.Loose
	}
	return q
}

// await waits until there may be something new.
func (k *Client) await(ctx context.Context, d *door) {
	again := time.NewTimer(askEvery)
	defer again.Stop()
	select {
	case <-d.wake:
	case <-again.C:
	case <-ctx.Done():
	case <-k.life.Done():
	}
}

// sessionEnded says whether a call failed because its session has ended.
func sessionEnded(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Cause == call.SessionEnded
}

// hold notes that a lock is held; nil if the session that was granted it has ended, or its lease is nearly over.
func (k *Client) hold(name string, token, session uint64, o *Options) *Lock {
	h, err := lock.NewHolder(lock.HolderConfig{Margin: k.cfg.Margin})
	if err != nil {
		panic(err) // Open has made one of the same
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if session != k.session || k.life.Err() != nil || !h.Granted(k.c.Now(), token, k.sent, k.cfg.Lease) {
		return nil
	}
	l := &Lock{k: k, name: name, token: token, session: session, holder: h, shared: o.Shared, loose: o.Loose, why: o.Purpose}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	k.held[token] = l
	k.arm()
	return l
}

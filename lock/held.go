package lock

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/service/lock"
)

// Lock is a lock that this process holds. Its methods may be called by any goroutine.
type Lock struct {
	k       *Client
	name    string
	token   uint64
	session uint64
	ctx     context.Context
	cancel  context.CancelCauseFunc

	// Under the client's lock.
	holder *lock.Holder
	shared bool
	loose  bool
	why    string        // what for, for people
	anew   chan struct{} // closed when it is known whether the service believes that the lock is held; nil: it need not be told
	left   bool
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
	held := l.holder.Holds(l.k.c.Now())
	l.look()
	return held
}

// Left is for how long nobody else can have the lock, unless it is broken: what runs under it must have
// stopped then. It is 0 when the lock is not held any more.
func (l *Lock) Left() time.Duration {
	l.k.mu.Lock()
	defer l.k.mu.Unlock()
	now := l.k.c.Now()
	l.holder.Tick(now)
	l.look()
	if end := l.holder.Ends(); !end.IsZero() {
		return max(0, end.Sub(now))
	}
	return 0
}

// Leave gives the lock to who is next, and cancels the context. If the lock was lost before, the error unwraps to the cause;
// nil says that it was held until now. If ctx is done before the service has heard of it, the client goes on telling it.
// Again, it does nothing.
func (l *Lock) Leave(ctx context.Context) error {
	k := l.k
	k.mu.Lock()
	if l.left {
		k.mu.Unlock()
		return nil
	}
	l.left = true
	if anew := l.anew; anew != nil {
		// What is being asserted can be left when the service has heard of it, and has until then the lease to do so.
		k.mu.Unlock()
		select {
		case <-anew:
		case <-ctx.Done():
		}
		k.mu.Lock()
	}
	l.holder.Tick(k.c.Now())
	lost, same, anew := l.holder.Why(), l.session == k.session, l.anew
	l.end(lock.Given)
	k.mu.Unlock()
	if lost == lock.Given {
		lost = lock.NoCause // the client was closed
	}
	if anew != nil {
		return l.abandon(anew, lost)
	}
	var err error
	if same && lost != lock.BrokenBy && lost != lock.LostTo && k.life.Err() == nil {
		err = k.leave(ctx, l.name, l.token)
	}
	if err != nil {
		k.settle(l.name, l.session)
	} else {
		k.open(l.name)
	}
	return l.outcome(lost, err)
}

// abandon leaves a lock that is being asserted as soon as it is known what has become of that.
func (l *Lock) abandon(anew chan struct{}, lost lock.Cause) error {
	k := l.k
	k.mu.Lock()
	if k.life.Err() == nil {
		k.running.Go(func() {
			<-anew
			k.settle(l.name, k.current())
		})
	} else {
		k.next(l.name, k.doors[l.name])
	}
	k.mu.Unlock()
	return l.outcome(lost, nil)
}

// outcome is the error of Leave.
func (l *Lock) outcome(lost lock.Cause, err error) error {
	if lost != lock.NoCause {
		return fmt.Errorf("lock %q was lost before it was left: %w", l.name, lost)
	}
	return err
}

// end ends the holding for a reason. The caller has the client's lock.
func (l *Lock) end(why lock.Cause) {
	l.holder.Revoke(l.k.c.Now(), l.token, why)
	l.look()
}

// look cancels the context if the work may not go on.
func (l *Lock) look() {
	if why := l.holder.Why(); why != lock.NoCause {
		l.cancel(why)
		delete(l.k.held, l.token)
	}
}

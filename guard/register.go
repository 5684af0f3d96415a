package guard

import (
	"context"
	"fmt"
	"sync"
)

// Register remembers the greatest tokens of locks, and who is at it.
type Register interface {
	// Admit waits until what was admitted before, under tokens that t makes stale or that exclude t, is done. Then
	// it lets in who comes with t, until done is called; done is called once. The error is a [*Stale] if t is
	// stale, that of ctx if it ends before, or an [*OpError] if the register cannot be kept: then nobody is let in.
	Admit(ctx context.Context, t Token) (done func(), err error)
}

// memoryMax is how many locks a Memory knows. None can be forgotten, for the next to come might be stale.
const memoryMax = 65536

// Memory is a Register that is gone when the process ends. Many may be in under the same token, and under shared
// ones. It may be used by several goroutines; the zero value is ready.
type Memory struct {
	mu    sync.Mutex
	locks map[string]*room
}

// room is a lock, and who is in.
type room struct {
	seen    seen
	in      int   // how many
	under   Token // which token they have, or one of the shared ones
	changed chan struct{}
}

// Admit is that of Register.
func (m *Memory) Admit(ctx context.Context, t Token) (func(), error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	for {
		r, wait, err := m.try(t)
		if err != nil {
			return nil, err
		}
		if wait == nil {
			return func() { m.done(r) }, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// try lets t in, or gives what to wait for. Who waits has been seen, so that nobody with less gets in before.
func (m *Memory) try(t Token) (*room, chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.locks[t.Lock]
	if r == nil {
		if len(m.locks) >= memoryMax {
			return nil, nil, &OpError{"admit", fmt.Errorf("lock %q is one too many: %d are known already; use a Memory for each kind of resource", t.Lock, memoryMax)}
		}
		if m.locks == nil {
			m.locks = map[string]*room{}
		}
		r = &room{}
		m.locks[t.Lock] = r
	}
	if r.seen.stale(t) {
		return nil, nil, &Stale{t, r.seen.greatest()}
	}
	r.seen = r.seen.with(t)
	if r.in > 0 && r.under != t && !(r.under.Shared && t.Shared) {
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		return nil, r.changed, nil
	}
	r.in++
	r.under = t
	return r, nil, nil
}

// done lets one out, and wakes those who wait when nobody is in any more.
func (m *Memory) done(r *room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.in--; r.in == 0 && r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

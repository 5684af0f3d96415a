package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/internal/lab/trio"
	"github.com/holdfast-ha/holdfast/lock"
	"github.com/holdfast-ha/holdfast/protocol/session"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// recovering is the members of a service that hears from its clients when it has lost its state.
func recovering(t *testing.T, window time.Duration) *trio.Trio {
	t.Helper()
	return trio.New(t, func() session.Service {
		s, err := service.New(service.Config{Window: window})
		if err != nil {
			panic(err)
		}
		return s
	})
}

// lose has all members crash, and starts them again: nobody knows anything.
func lose(t *testing.T, m *trio.Trio) {
	t.Helper()
	var errs []error
	for i := range m.Sockets {
		errs = append(errs, m.Stop(i))
	}
	for i := range m.Sockets {
		errs = append(errs, m.Start(i))
	}
	if err := errors.Join(append(errs, m.Await())...); err != nil {
		t.Fatal(err)
	}
}

// A service that has lost its state is told by its clients who held what, and who waited in which order; the
// owner's work goes on without a word.
func TestAServiceThatLostItsStateHearsItFromItsClients(t *testing.T) {
	const window = 4 * time.Second
	m := recovering(t, window)
	cfg := lock.Config{Servers: m.Sockets, Lease: window}
	l := enter(t, open(t, cfg), "x", lock.Options{Purpose: "to see"})
	readers := []*lock.Lock{enter(t, open(t, cfg), "y", lock.Options{Shared: true}), enter(t, open(t, cfg), "y", lock.Options{Shared: true})}
	first := waits(t, open(t, cfg), "x", lock.Options{})
	second := waits(t, open(t, cfg), "x", lock.Options{Shared: true})
	lose(t, m)

	// Who comes now waits until it is known who was there before.
	var told error
	for told == nil {
		other, err := open(t, cfg).Enter(within(t), "y", lock.Options{Try: true})
		if err == nil {
			leave(t, other)
			t.Fatal("granted while owners may come back")
		}
		told = err
	}
	if !errors.Is(told, lock.ErrRecovering) || !strings.Contains(told.Error(), "hears from former owners for another") {
		t.Errorf("a try is told %v", told)
	}
	third := waits(t, open(t, cfg), "x", lock.Options{})
	for _, held := range append(readers, l) {
		select {
		case <-held.Context().Done():
			t.Fatalf("lock %s was lost: %v", held.Name(), context.Cause(held.Context()))
		case <-time.After(window / 3):
		}
		if !held.Holds() {
			t.Errorf("lock %s is not held any more", held.Name())
		}
	}
	looker := open(t, cfg)
	r, err := looker.Explain(within(t), "x")
	if err != nil || len(r.Holders) != 1 || r.Holders[0].Number != l.Token() || r.Holders[0].Purpose != "to see" || len(r.Waiting) != 3 {
		t.Errorf("it has %+v, %v", r, err)
	}
	leave(t, l)
	last := l.Token()
	for i, got := range []chan *lock.Lock{first, second, third} {
		l := receive(t, got, "the lock")
		if l.Token() <= last {
			t.Errorf("owner %d has token %d after %d", i, l.Token(), last)
		}
		last = l.Token()
		leave(t, l)
	}
	for _, l := range readers {
		leave(t, l)
	}
}

// Who was stopped, and finds the service in another life that takes no assertions, is told so.
func TestWhoComesBackTooLateIsTold(t *testing.T) {
	m := recovering(t, 0)
	l := enter(t, open(t, lock.Config{Servers: m.Sockets, Lease: 9 * time.Second}), "x", lock.Options{})
	lose(t, m)
	if why := ends(t, l); !errors.Is(why, service.TooLate) {
		t.Errorf("the cause is %v", why)
	}
	if err := l.Leave(within(t)); !errors.Is(err, service.TooLate) {
		t.Errorf("to leave it is answered %v", err)
	}
	other := enter(t, open(t, lock.Config{Servers: m.Sockets}), "x", lock.Options{})
	if other.Token() <= l.Token() {
		t.Errorf("token %d after %d in the life before", other.Token(), l.Token())
	}
	leave(t, other)
}

// What is left while it is being asserted is free.
func TestWhatIsLeftWhileItIsAssertedIsFree(t *testing.T) {
	const window = 3 * time.Second
	m := recovering(t, window)
	k := open(t, lock.Config{Servers: m.Sockets, Lease: window})
	l := enter(t, k, "x", lock.Options{})
	for i := range m.Sockets {
		if err := m.Stop(i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range m.Sockets {
		if err := m.Start(i); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_ = l.Leave(ctx) // somewhere on the way
	if err := m.Await(); err != nil {
		t.Fatal(err)
	}
	again, err := k.Enter(within(t), "x", lock.Options{})
	for errors.Is(err, client.ErrLapsed) { // a busy machine may let the session end meanwhile
		again, err = k.Enter(within(t), "x", lock.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	leave(t, again)
	leave(t, enter(t, open(t, lock.Config{Servers: m.Sockets, Lease: window}), "x", lock.Options{}))
}

// A lease that is longer than the window is refused: its owner might still believe when another is granted its lock.
func TestALeaseThatIsLongerThanTheWindowIsRefused(t *testing.T) {
	const window = 2 * time.Second
	m := recovering(t, window)
	k := open(t, lock.Config{Servers: m.Sockets, Lease: 2 * window})
	for range 2 {
		_, err := k.Enter(within(t), "x", lock.Options{})
		var no *client.LeaseError
		if !errors.As(err, &no) || no.Most != window || no.Lease != 2*window {
			t.Errorf("it is refused with %v", err)
		}
	}
	leave(t, enter(t, open(t, lock.Config{Servers: m.Sockets, Lease: window}), "x", lock.Options{}))
}

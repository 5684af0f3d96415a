package lock_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/guard"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// replica is an executor of a lock service, and its clock.
type replica struct {
	e     *session.Executor
	locks *lock.Service
	at    time.Duration
}

func newReplica(t *testing.T) *replica {
	t.Helper()
	s, err := lock.New(lock.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &replica{e: session.NewExecutor(s), locks: s}
}

// open opens a session with a lease of ten seconds.
func (r *replica) open(t *testing.T, nonce uint64) session.ID {
	t.Helper()
	q := session.Request{Verb: session.Open, At: r.at, Nonce: nonce, Lease: 10 * time.Second}
	p, why := session.ParseReply(r.e.Execute(q.Append(nil), nil))
	if why != 0 || p.Status != session.OK {
		t.Fatalf("open: %v, %v", p.Status, why)
	}
	return p.Session
}

// call asks the lock service something exactly once.
func (r *replica) call(t *testing.T, id session.ID, nonce, number uint64, body lock.Request) lock.Reply {
	t.Helper()
	q := session.Request{Verb: session.Call, How: session.ExactlyOnce, At: r.at, After: r.e.Index(), Session: id, Nonce: nonce, Number: number, Body: body.Append(nil)}
	p, why := session.ParseReply(r.e.Execute(q.Append(nil), nil))
	if why != 0 || p.Status != session.OK {
		t.Fatalf("call: %v, %v", p.Status, why)
	}
	reply, err := lock.ParseReply(p.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// TestThePausedHolder from end to end: a client is granted a lock and is stopped; its session ends and the lock
// goes to who waits, whose notice says so; the first wakes up, sees that it is over, and what it sends all the
// same is refused at the resource.
func TestThePausedHolder(t *testing.T) {
	r := newReplica(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first, second := r.open(t, 1), r.open(t, 2)
	holder, err := lock.NewHolder(lock.HolderConfig{Margin: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	granted := r.call(t, first, 1, 1, lock.Request{Kind: lock.Enter, Name: "file"})
	if !holder.Granted(start, granted.Number, start, 10*time.Second) {
		t.Fatal("not held")
	}
	r.at = 6 * time.Second
	if p := r.call(t, second, 2, 1, lock.Request{Kind: lock.Enter, Name: "file"}); p.Status != lock.Queued || p.Place != 1 {
		t.Fatalf("%+v", p)
	}

	r.e.Pass(11 * time.Second)
	var later uint64
	r.locks.Notices(func(n lock.Notice) {
		if n.Session == second && n.What == lock.Granted {
			later = n.Number
		}
	})
	if later <= granted.Number {
		t.Fatalf("the second token is %d, the first %d", later, granted.Number)
	}

	var resource guard.Memory
	write := func(number uint64) error {
		done, err := resource.Admit(context.Background(), guard.Token{Lock: "file", Number: number})
		if err == nil {
			done()
		}
		return err
	}
	if err := write(later); err != nil {
		t.Fatal(err)
	}
	if holder.Holds(start.Add(20*time.Second)) || holder.Why() != lock.LeaseOver {
		t.Errorf("the first holds: %v", holder.Why())
	}
	if err := write(granted.Number); !errors.Is(err, guard.ErrStale) {
		t.Errorf("the first writes: %v", err)
	}
}

// TestAnExecutorOfLocksIsRestored: table and locks together.
func TestAnExecutorOfLocksIsRestored(t *testing.T) {
	r := newReplica(t)
	first, second := r.open(t, 1), r.open(t, 2)
	r.call(t, first, 1, 1, lock.Request{Kind: lock.Enter, Name: "x"})
	r.call(t, second, 2, 1, lock.Request{Kind: lock.Enter, Name: "x"})
	var b bytes.Buffer
	if err := r.e.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	other := newReplica(t)
	if err := other.e.Restore(&b); err != nil {
		t.Fatal(err)
	}
	leave := lock.Request{Kind: lock.Leave, Name: "x", Number: 1}
	for _, r := range []*replica{r, other} {
		r.at = time.Second
		r.call(t, first, 1, 2, leave)
	}
	if r.e.Digest() != other.e.Digest() || r.locks.Digest() != other.locks.Digest() {
		t.Error("the replicas differ")
	}
	if p := other.call(t, second, 2, 2, lock.Request{Kind: lock.Ask, Name: "x"}); p.Status != lock.Granted || p.Number != 3 {
		t.Errorf("%+v", p)
	}
}

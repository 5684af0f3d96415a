package peers_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/internal/lab/trio"
	"github.com/holdfast-ha/holdfast/lock"
	"github.com/holdfast-ha/holdfast/lock/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// addresses are those of members on this machine.
func addresses(names ...string) map[string][]string {
	all := map[string][]string{}
	for i, at := range trio.Addresses(len(names)) {
		all[names[i]] = []string{at}
	}
	return all
}

// cluster is a configuration for processes on this machine, here all in one program. Nobody is missed soon: on a busy machine
// one that lives is silent for some tenths of a second now and then.
func cluster(names ...string) holdfast.Config {
	return holdfast.Config{
		Cluster: "test", Members: addresses(names...), Insecure: true,
		Heartbeat: 20 * time.Millisecond, SuspectAfter: 5 * time.Second,
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// member is a process: its node, and its locks.
type member struct {
	node  *holdfast.Node
	locks *lock.Client
}

func start(t testing.TB, c holdfast.Config, cfg peers.Config, names ...string) []member {
	t.Helper()
	all := make([]member, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() {
			c := c
			c.Name = name
			var err error
			if all[i].node, err = holdfast.Open(c); err != nil {
				t.Error(err)
				return
			}
			if all[i].locks, err = peers.Join(within(t), all[i].node, cfg); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, m := range all {
		t.Cleanup(func() { stop(m) })
	}
	if t.Failed() {
		t.FailNow()
	}
	return all
}

func stop(m member) {
	if m.locks != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = m.locks.Close(ctx) // the others may be gone
	}
	if m.node != nil {
		m.node.Close()
	}
}

func enter(t *testing.T, m member, name string, o lock.Options) *lock.Lock {
	t.Helper()
	l, err := m.locks.Enter(within(t), name, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func leave(t *testing.T, l *lock.Lock) {
	t.Helper()
	if err := l.Leave(within(t)); err != nil {
		t.Error(err)
	}
}

// waits has a member wait for a lock, and returns when it is in the queue.
func waits(t *testing.T, m member, name string, o lock.Options) chan *lock.Lock {
	t.Helper()
	queued, got := make(chan struct{}), make(chan *lock.Lock, 1)
	var once sync.Once
	o.Queued = func(int) { once.Do(func() { close(queued) }) }
	go func() {
		l, err := m.locks.Enter(within(t), name, o)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	select {
	case <-queued:
	case <-time.After(patience):
		t.Fatal("it does not wait")
	}
	return got
}

func receive(t *testing.T, c chan *lock.Lock) *lock.Lock {
	t.Helper()
	select {
	case l := <-c:
		return l
	case <-time.After(patience):
		t.Fatal("it is not granted")
		panic("not reached")
	}
}

var three = []string{"a", "b", "c"}

// All come up together, so nobody waits for a lease; what is granted goes from one to the next in the order of asking.
func TestLocksGoFromOneToTheNext(t *testing.T) {
	from := time.Now()
	m := start(t, cluster(three...), peers.Config{Group: "locks", Lease: time.Minute}, three...)
	l := enter(t, m[0], "x", lock.Options{Purpose: "to see"})
	if d := time.Since(from); d > 40*time.Second {
		t.Errorf("the first lock came after %v, as if a lease had to pass", d)
	}
	second := waits(t, m[1], "x", lock.Options{})
	third := waits(t, m[2], "x", lock.Options{})
	if _, err := m[1].locks.Enter(within(t), "x", lock.Options{Try: true}); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("a try of what another has: %v", err)
	}
	r, err := m[2].locks.Explain(within(t), "x")
	if err != nil || len(r.Holders) != 1 || len(r.Waiting) != 2 || r.Holders[0].Purpose != "to see" {
		t.Errorf("%+v, %v", r, err)
	}
	leave(t, l)
	next := receive(t, second)
	if next.Token() <= l.Token() || !next.Holds() || l.Holds() {
		t.Errorf("token %d after %d; held %v and %v", next.Token(), l.Token(), next.Holds(), l.Holds())
	}
	leave(t, next)
	last := receive(t, third)
	if last.Token() <= next.Token() {
		t.Errorf("token %d after %d", last.Token(), next.Token())
	}
	leave(t, last)
	for _, i := range []int{0, 1} {
		leave(t, enter(t, m[i], "y", lock.Options{Shared: true}))
	}
}

func TestThreeCountTogether(t *testing.T) {
	m := start(t, cluster(three...), peers.Config{Group: "locks"}, three...)
	var all sync.WaitGroup
	var inside, turns atomic.Int64 // what the lock orders the race detector does not see: it goes through sockets
	var last atomic.Uint64
	from := time.Now()
	for i := range m {
		all.Go(func() {
			for range 30 {
				l, err := m[i].locks.Enter(within(t), "x", lock.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				if n, before := inside.Add(1), last.Swap(l.Token()); n != 1 || l.Token() <= before {
					t.Errorf("%d are inside; token %d after %d", n, l.Token(), before)
				}
				turns.Add(1)
				inside.Add(-1)
				if err := l.Leave(within(t)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d turns in %v", turns.Load(), time.Since(from))
}

// What a member that dies had goes on a lease after the others have missed it, and not before its own lease is over.
func TestWhatTheDeadHadGoesOnAfterALease(t *testing.T) {
	const lease = 3 * time.Second
	c := cluster(three...)
	c.SuspectAfter = 300 * time.Millisecond
	m := start(t, c, peers.Config{Group: "locks", Lease: lease}, three...)
	l := enter(t, m[2], "x", lock.Options{})
	got := waits(t, m[0], "x", lock.Options{})
	m[2].node.Close()
	from := time.Now()
	<-l.Context().Done()
	if !l.Holds() && l.Left() <= 0 {
		t.Errorf("there is no margin: %v", context.Cause(l.Context()))
	}
	for l.Left() > 0 {
		if len(got) > 0 {
			t.Fatal("another has it, and this one may believe still")
		}
		<-time.After(time.Millisecond)
	}
	next := receive(t, got)
	if d := time.Since(from); d < lease || d > lease+patience/2 || next.Token() <= l.Token() {
		t.Errorf("after %v with token %d, after %d", d, next.Token(), l.Token())
	}
	leave(t, next)
}

// A member leaves and joins again in the same process, with the locks of those who stayed as they are.
func TestAMemberComesBackInTheSameProcess(t *testing.T) {
	m := start(t, cluster(three...), peers.Config{Group: "locks"}, three...)
	gone, kept := enter(t, m[1], "gone", lock.Options{}), enter(t, m[0], "kept", lock.Options{})
	if err := m[1].locks.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if gone.Holds() {
		t.Error("who has left holds something")
	}
	leave(t, enter(t, m[2], "gone", lock.Options{}))
	var err error
	if m[1].locks, err = peers.Join(within(t), m[1].node, peers.Config{Group: "locks"}); err != nil {
		t.Fatal(err)
	}
	if _, err := m[1].locks.Enter(within(t), "kept", lock.Options{Try: true}); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("%v", err)
	}
	l := enter(t, m[1], "gone", lock.Options{})
	if l.Token() <= gone.Token() || !kept.Holds() {
		t.Errorf("token %d after %d; %v", l.Token(), gone.Token(), context.Cause(kept.Context()))
	}
	leave(t, l)
	leave(t, kept)
	if err := m[1].locks.Close(within(t)); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	c := cluster("a", "b", "c", "w")
	c.Witnesses, c.Votes = []string{"w"}, map[string]int{"w": 0}
	m := start(t, c, peers.Config{Group: "locks", Lease: 2 * time.Second}, "a", "b")
	c.Name = "c"
	n, err := holdfast.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	other, err := peers.Join(within(t), n, peers.Config{Group: "locks", Lease: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(within(t))
	if _, err := other.Enter(within(t), "x", lock.Options{}); err == nil || !strings.Contains(err.Error(), "a lease of 2s") {
		t.Errorf("with another lease: %v", err)
	}
	leave(t, enter(t, m[0], "x", lock.Options{}))
	c.Name = "w"
	w, err := holdfast.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for want, node := range map[string]*holdfast.Node{"is a witness": w, "a lease of 2ms": n} {
		if _, err := peers.Join(within(t), node, peers.Config{Group: "more", Lease: 2 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, which does not say %q", err, want)
		}
	}
	if _, err := m[0].locks.Enter(within(t), "", lock.Options{}); err == nil {
		t.Error("a lock without a name is entered")
	}
	if err := m[0].locks.Close(within(t)); err != nil {
		t.Error(err)
	}
	if _, err := m[0].locks.Enter(within(t), "x", lock.Options{}); err == nil {
		t.Error("a lock is entered after Close")
	}
}

// What one member of three pays for a lock that nobody else wants, all in one program.
func BenchmarkEnterAndLeave(b *testing.B) {
	m := start(b, cluster(three...), peers.Config{Group: "locks"}, three...)
	ctx := context.Background()
	for b.Loop() {
		l, err := m[0].locks.Enter(ctx, "x", lock.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Leave(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

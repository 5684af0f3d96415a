package lock_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/internal/lab/trio"
	"github.com/holdfast-ha/holdfast/lock"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

func members(t *testing.T) *trio.Trio {
	t.Helper()
	return recovering(t, 0)
}

func open(t *testing.T, cfg lock.Config) *lock.Client {
	t.Helper()
	k, err := lock.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = k.Close(ctx) // the members may be gone
	})
	return k
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func enter(t *testing.T, k *lock.Client, name string, o lock.Options) *lock.Lock {
	t.Helper()
	l, err := k.Enter(within(t), name, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// waits has a client wait for a lock, and returns when it is in the queue.
func waits(t *testing.T, k *lock.Client, name string, o lock.Options) chan *lock.Lock {
	t.Helper()
	queued, got := make(chan struct{}), make(chan *lock.Lock, 1)
	var once sync.Once
	o.Queued = func(int) { once.Do(func() { close(queued) }) }
	go func() {
		l, err := k.Enter(within(t), name, o)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	receive(t, queued, "word that it waits")
	return got
}

func receive[T any](t *testing.T, c chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s after %v", what, patience)
		panic("not reached")
	}
}

// ends waits for the end of a lock's context and gives its cause.
func ends(t *testing.T, l *lock.Lock) error {
	t.Helper()
	select {
	case <-l.Context().Done():
	case <-time.After(patience):
		t.Fatalf("the context is alive after %v", patience)
	}
	return context.Cause(l.Context())
}

func leave(t *testing.T, l *lock.Lock) {
	t.Helper()
	if err := l.Leave(within(t)); err != nil {
		t.Error(err)
	}
}

func TestEnterTryAndLeave(t *testing.T) {
	m := members(t)
	a, b := open(t, lock.Config{Servers: m.Sockets, Label: "first"}), open(t, lock.Config{Servers: m.Sockets})
	l := enter(t, a, "x", lock.Options{Purpose: "to see"})
	if !l.Holds() || l.Name() != "x" || l.Token() == 0 || l.Context().Err() != nil || l.Left() < 5*time.Second {
		t.Errorf("%q, token %d, held %v for %v, %v", l.Name(), l.Token(), l.Holds(), l.Left(), l.Context().Err())
	}
	_, err := b.Enter(within(t), "x", lock.Options{Try: true})
	var no *lock.Refusal
	if !errors.Is(err, lock.ErrHeld) || !errors.As(err, &no) || !strings.Contains(err.Error(), "first") {
		t.Errorf("a try is answered %v", err)
	}
	got := waits(t, b, "x", lock.Options{})
	leave(t, l)
	leave(t, l) // does nothing
	if l.Holds() || l.Left() != 0 || !errors.Is(context.Cause(l.Context()), service.Given) {
		t.Errorf("after Leave it is held for %v; %v", l.Left(), context.Cause(l.Context()))
	}
	next := receive(t, got, "the lock")
	if next.Token() <= l.Token() {
		t.Errorf("token %d after %d", next.Token(), l.Token())
	}
	leave(t, next)
	leave(t, enter(t, a, "x", lock.Options{Try: true}))
	if _, err := a.Enter(within(t), "", lock.Options{}); err == nil || errors.Is(err, lock.ErrHeld) {
		t.Errorf("a lock without a name: %v", err)
	}
}

func TestSharedLocks(t *testing.T) {
	m := members(t)
	a, b, c := open(t, lock.Config{Servers: m.Sockets}), open(t, lock.Config{Servers: m.Sockets}), open(t, lock.Config{Servers: m.Sockets})
	first, second := enter(t, a, "x", lock.Options{Shared: true}), enter(t, b, "x", lock.Options{Shared: true, Try: true})
	alone := waits(t, c, "x", lock.Options{})
	leave(t, first)
	if _, err := a.Enter(within(t), "x", lock.Options{Shared: true, Try: true}); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("who shares passes who waits: %v", err)
	}
	leave(t, second)
	leave(t, receive(t, alone, "the lock"))
}

func TestWhoWaitsIsServedInOrder(t *testing.T) {
	m := members(t)
	l := enter(t, open(t, lock.Config{Servers: m.Sockets}), "x", lock.Options{})
	var order []chan *lock.Lock
	for range 6 {
		order = append(order, waits(t, open(t, lock.Config{Servers: m.Sockets}), "x", lock.Options{}))
	}
	leave(t, l)
	for i, c := range order {
		l := receive(t, c, fmt.Sprintf("lock for client %d", i))
		for _, later := range order[i+1:] {
			if len(later) > 0 {
				t.Fatal("a later one has it already")
			}
		}
		leave(t, l)
	}
}

// Goroutines of one client exclude one another as clients do.
func TestGoroutinesOfOneClientTakeTurns(t *testing.T) {
	m := members(t)
	k := open(t, lock.Config{Servers: m.Sockets})
	var all sync.WaitGroup
	var inside, tokens = 0, map[uint64]bool{}
	for range 8 {
		all.Go(func() {
			for range 5 {
				l, err := k.Enter(within(t), "x", lock.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				if inside++; inside != 1 || tokens[l.Token()] {
					t.Errorf("%d are inside; token %d", inside, l.Token())
				}
				tokens[l.Token()] = true
				inside--
				if err := l.Leave(within(t)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	l := enter(t, k, "x", lock.Options{})
	if _, err := k.Enter(within(t), "x", lock.Options{Try: true}); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("a try of what another goroutine has: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := k.Enter(ctx, "x", lock.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for another goroutine: %v", err)
	}
	leave(t, l)
	leave(t, enter(t, k, "x", lock.Options{Try: true}))
}

func TestWhoGivesUpIsOutOfTheQueue(t *testing.T) {
	m := members(t)
	a, b, c := open(t, lock.Config{Servers: m.Sockets}), open(t, lock.Config{Servers: m.Sockets}), open(t, lock.Config{Servers: m.Sockets})
	l := enter(t, a, "x", lock.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	queued := make(chan int, 100)
	go func() {
		_, err := b.Enter(ctx, "x", lock.Options{Queued: func(place int) { queued <- place }})
		gone <- err
	}()
	receive(t, queued, "word that it waits")
	last := waits(t, c, "x", lock.Options{})
	cancel()
	if err := receive(t, gone, "the end of waiting"); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	r, err := a.Explain(within(t), "x")
	if err != nil || len(r.Waiting) != 1 {
		t.Errorf("%d wait, %v", len(r.Waiting), err)
	}
	leave(t, l)
	leave(t, receive(t, last, "the lock"))
}

func TestCloseFreesLocks(t *testing.T) {
	m := members(t)
	a, b := open(t, lock.Config{Servers: m.Sockets, Lease: time.Minute}), open(t, lock.Config{Servers: m.Sockets})
	l := enter(t, a, "x", lock.Options{})
	got := waits(t, b, "x", lock.Options{})
	from := time.Now()
	if err := a.Close(within(t)); err != nil {
		t.Error(err)
	}
	leave(t, receive(t, got, "the lock"))
	if d := time.Since(from); d > 40*time.Second {
		t.Errorf("it took %v, as if the lease had ended", d)
	}
	if l.Holds() || !errors.Is(ends(t, l), service.Given) {
		t.Errorf("the lock of a closed client is held, or %v", ends(t, l))
	}
	leave(t, l)
	if _, err := a.Enter(within(t), "x", lock.Options{}); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Enter after Close: %v", err)
	}
	if err := a.Close(within(t)); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// lateness watches how late timers come here: what this machine may add to any time that is measured. What it gives ends the
// watch, and says the worst.
func lateness() (end func() time.Duration) {
	const every = 2 * time.Millisecond
	stop, worst := make(chan struct{}), make(chan time.Duration)
	go func() {
		late := time.Duration(0)
		for {
			from := time.Now()
			select {
			case <-time.After(every):
				late = max(late, time.Since(from)-every)
			case <-stop:
				worst <- late
				return
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-worst
	}
}

// Without members the work is told to stop before the lease ends, and has its margin.
func TestContextsEndAMarginBeforeTheLease(t *testing.T) {
	m := members(t)
	const lease, margin = 3 * time.Second, time.Second
	k := open(t, lock.Config{Servers: m.Sockets, Lease: lease, Margin: margin})
	l := enter(t, k, "x", lock.Options{})
	<-time.After(lease) // it is renewed
	if !l.Holds() {
		t.Fatal(context.Cause(l.Context()))
	}
	for i := range 3 {
		if err := m.Stop(i); err != nil {
			t.Fatal(err)
		}
	}
	from, late := time.Now(), lateness()
	if err := ends(t, l); !errors.Is(err, service.LeaseEnding) {
		t.Errorf("the cause is %v", err)
	}
	left, gone, most := l.Left(), time.Since(from), late()
	if gone > lease-margin+most+100*time.Millisecond {
		t.Errorf("it was cancelled after %v; timers are %v late", gone, most)
	}
	if l.Holds() || left < margin-most-200*time.Millisecond || left > margin {
		t.Errorf("held %v, %v are left of a margin of %v; timers are %v late", l.Holds(), left, margin, most)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := l.Leave(ctx); !errors.Is(err, service.LeaseEnding) {
		t.Errorf("Leave says %v", err)
	}
	from = time.Now()
	if _, err := k.Enter(ctx, "y", lock.Options{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(from) > patience/2 {
		t.Errorf("after %v without members: %v", time.Since(from), err)
	}
}

// A lock is held through the crashes of members, one after the other.
func TestLocksOutliveMembers(t *testing.T) {
	m := members(t)
	k := open(t, lock.Config{Servers: m.Sockets, Lease: 15 * time.Second})
	other := open(t, lock.Config{Servers: m.Sockets, Lease: 15 * time.Second})
	l := enter(t, k, "x", lock.Options{})
	got := waits(t, other, "x", lock.Options{})
	for i := range 3 {
		if err := m.Stop(i); err != nil {
			t.Fatal(err)
		}
		from := time.Now()
		side := enter(t, k, "side", lock.Options{})
		t.Logf("the first lock after the crash of a member came after %v", time.Since(from))
		leave(t, side)
		if err := errors.Join(m.Start(i), m.Await()); err != nil {
			t.Fatal(err)
		}
		if !l.Holds() || len(got) > 0 {
			t.Fatalf("held %v; %v", l.Holds(), context.Cause(l.Context()))
		}
	}
	leave(t, l)
	leave(t, receive(t, got, "the lock"))
}

func TestBreak(t *testing.T) {
	m := members(t)
	a, b := open(t, lock.Config{Servers: m.Sockets}), open(t, lock.Config{Servers: m.Sockets})
	if _, err := b.Break(within(t), "x", 0, "me", "why not"); !errors.Is(err, service.NotHeld) {
		t.Errorf("breaking what nobody has: %v", err)
	}
	l := enter(t, a, "x", lock.Options{})
	waiter := waits(t, open(t, lock.Config{Servers: m.Sockets}), "x", lock.Options{})
	fence, err := b.Break(within(t), "x", l.Token(), "me", "why not")
	if err != nil || fence <= l.Token() {
		t.Fatalf("fence %d, %v", fence, err)
	}
	if err := ends(t, l); !errors.Is(err, service.BrokenBy) {
		t.Errorf("the cause is %v", err)
	}
	r, err := b.Explain(within(t), "x")
	if err != nil || r.Breaking.By != "me" || r.Breaking.Reason != "why not" {
		t.Errorf("%+v, %v", r, err)
	}
	if err := l.Leave(within(t)); !errors.Is(err, service.BrokenBy) {
		t.Errorf("Leave says %v", err)
	}
	next := receive(t, waiter, "the lock")
	if next.Token() <= fence {
		t.Errorf("token %d behind the fence %d", next.Token(), fence)
	}
	leave(t, next)
}

// mute passes everything between a client and a member but notices.
func mute(t *testing.T, member string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "mute.sock")
	in, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial("unix", member)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			conns = append(conns, c, d)
			mu.Unlock()
			all.Go(func() { _, _ = io.Copy(d, c); d.Close() })
			all.Go(func() { replies(c, d); c.Close() })
		}
	})
	t.Cleanup(func() {
		in.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return path
}

// replies copies replies, and leaves notices out.
func replies(to io.Writer, from io.Reader) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head)-1)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		if head[4] == 0 {
			if _, err := to.Write(slices.Concat(head, body)); err != nil {
				return
			}
		}
	}
}

// Nothing depends on notices: who waits asks now and then, and so does who holds.
func TestNoticesMayBeLost(t *testing.T) {
	m := members(t)
	a := open(t, lock.Config{Servers: m.Sockets})
	deaf := open(t, lock.Config{Servers: []string{mute(t, m.Sockets[0])}, Lease: 6 * time.Second})
	l := enter(t, a, "x", lock.Options{})
	got := waits(t, deaf, "x", lock.Options{})
	leave(t, l)
	l = receive(t, got, "the lock")
	if _, err := a.Break(within(t), "x", 0, "me", "to see"); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, l); !errors.Is(err, service.BrokenBy) {
		t.Errorf("the cause is %v", err)
	}
	if err := l.Leave(within(t)); !errors.Is(err, service.BrokenBy) {
		t.Errorf("Leave says %v", err)
	}
}

func TestListAndExplain(t *testing.T) {
	m := members(t)
	a, b := open(t, lock.Config{Servers: m.Sockets, Label: "owner"}), open(t, lock.Config{Servers: m.Sockets, Label: "waiter"})
	const n = 150 // more than a page
	for i := range n {
		enter(t, a, fmt.Sprintf("many/%03d", i), lock.Options{Purpose: "listing"})
	}
	got := waits(t, b, "many/007", lock.Options{})
	list, err := b.List(within(t), "many/")
	if err != nil {
		t.Fatal(err)
	}
	lines := list.Lines
	if len(lines) != n || list.Until != 0 || list.Now < lines[7].Owner.Since || lines[7].Waiters != 1 || lines[7].Owner.Label != "owner" || lines[149].Name != "many/149" {
		t.Errorf("%d lines at %v, until %v; the 8th is %+v", len(lines), list.Now, list.Until, lines[min(7, len(lines))])
	}
	r, err := b.Explain(within(t), "many/007")
	if err != nil || len(r.Holders) != 1 || len(r.Waiting) != 1 || r.Waiting[0].Label != "waiter" || r.Holders[0].Purpose != "listing" {
		t.Errorf("%+v, %v", r, err)
	}
	if list, err := b.List(within(t), "none"); err != nil || len(list.Lines) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := a.Close(within(t)); err != nil {
		t.Error(err)
	}
	leave(t, receive(t, got, "the lock"))
}

func TestWhatIsWrongWithAConfiguration(t *testing.T) {
	for _, cfg := range []lock.Config{
		{},
		{Servers: []string{"x"}, Lease: time.Second, Margin: -1},
		{Servers: []string{"x"}, Lease: time.Second, Margin: time.Second},
		{Servers: []string{"x"}, Lease: time.Second, Margin: 600 * time.Millisecond},
	} {
		if k, err := lock.Open(cfg); err == nil {
			_ = k.Close(context.Background())
			t.Errorf("%+v is taken", cfg)
		}
	}
}

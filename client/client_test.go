package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/internal/lab/trio"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnvironment) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

const patience = 20 * time.Second

// tally is a service that counts how often it was asked, and by how many sessions that have not ended.
type tally struct{ asked, ended uint64 }

// Apply counts, and answers the number and the body.
func (s *tally) Apply(c session.Command, reply []byte) []byte {
	s.asked++
	if string(c.Body) == "ended" {
		return binary.BigEndian.AppendUint64(reply, s.ended)
	}
	return append(binary.BigEndian.AppendUint64(reply, s.asked), c.Body...)
}

// Ended counts.
func (s *tally) Ended(time.Duration, session.ID) { s.ended++ }

// Passed does nothing.
func (s *tally) Passed(time.Duration) {}

// Next is never.
func (s *tally) Next() time.Duration { return 0 }

// Digest is of both numbers.
func (s *tally) Digest() uint64 { return s.asked<<32 + s.ended }

// Snapshot writes both numbers.
func (s *tally) Snapshot(w io.Writer) error { return binary.Write(w, binary.BigEndian, *s.pair()) }

// Restore reads both numbers.
func (s *tally) Restore(r io.Reader) error {
	var p [2]uint64
	err := binary.Read(r, binary.BigEndian, &p)
	s.asked, s.ended = p[0], p[1]
	return err
}

func (s *tally) pair() *[2]uint64 { return &[2]uint64{s.asked, s.ended} }

func members(t *testing.T) *trio.Trio {
	t.Helper()
	return trio.New(t, func() session.Service { return &tally{} })
}

func dial(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = c.Close(ctx) // the members may be gone
	})
	return c
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// count asks for one more and gives the number.
func count(t *testing.T, c *client.Client, how client.Semantics) uint64 {
	t.Helper()
	b, err := c.Call(within(t), how, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if string(b[8:]) != "x" {
		t.Fatalf("reply %q", b)
	}
	return binary.BigEndian.Uint64(b)
}

func TestEverySemanticsIsAnswered(t *testing.T) {
	c := dial(t, client.Config{Servers: members(t).Sockets})
	for i, how := range []client.Semantics{client.Maybe, client.AtLeastOnce, client.AtMostOnce, client.ExactlyOnce} {
		if n := count(t, c, how); n != uint64(i+1) {
			t.Errorf("%v: call %d is answered %d", how, i+1, n)
		}
	}
}

// Calls exactly once are executed once, though the member that is asked goes away again and again.
func TestCallsAreExecutedOnceWhoeverGoesAway(t *testing.T) {
	m := members(t)
	c := dial(t, client.Config{Servers: m.Sockets, RetryMax: 40 * time.Millisecond})
	const callers, each = 4, 150
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[uint64]bool{}
	progress := make(chan struct{}, callers*each)
	for range callers {
		all.Go(func() {
			for range each {
				b, err := c.Call(within(t), client.ExactlyOnce, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if n := binary.BigEndian.Uint64(b); seen[n] {
					t.Errorf("%d was answered twice", n)
				} else {
					seen[n] = true
				}
				mu.Unlock()
				progress <- struct{}{}
			}
		})
	}
	for i := range 2 {
		for range 100 {
			<-progress
		}
		var err error
		if i == 0 {
			err = m.Stop(0)
		} else {
			err = m.Leave(1)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Start(i), m.Await()); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if n := count(t, c, client.ExactlyOnce); n != callers*each+1 {
		t.Errorf("%d calls were executed %d times", callers*each, n-1)
	}
}

// The pause of a takeover is two times the time until a member is missed, and 50 ms.
func TestThePauseOfATakeover(t *testing.T) {
	m := members(t)
	c := dial(t, client.Config{Servers: m.Sockets, RetryMax: 40 * time.Millisecond})
	count(t, c, client.ExactlyOnce)
	if err := m.Stop(0); err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	count(t, c, client.ExactlyOnce)
	pause, bound := time.Since(from), 2*trio.SuspectAfter+50*time.Millisecond
	t.Logf("the pause was %v, and may be %v", pause, bound)
	if pause > 10*bound { // the promise is for processes that get a processor when they want one
		t.Errorf("the pause was %v; %v is promised", pause, bound)
	}
}

func TestWhatIsSaidWhenNobodyAnswers(t *testing.T) {
	folder := t.TempDir()
	absent := filepath.Join(folder, "absent.sock")
	c := dial(t, client.Config{Servers: []string{absent}})
	var err error
	await(t, "said what is wrong with "+absent, func() bool { // the first calls may end before the connection was tried
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, err = c.Call(ctx, client.ExactlyOnce, nil)
		expect(t, err, context.DeadlineExceeded, client.NotExecuted)
		return strings.Contains(err.Error(), absent) && strings.Contains(err.Error(), "no such file")
	})

	// somebody who listens and says nothing
	mute, err := net.Listen("unix", filepath.Join(folder, "mute.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	c = dial(t, client.Config{Servers: []string{mute.Addr().String()}})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Call(ctx, client.ExactlyOnce, nil)
	expect(t, err, context.DeadlineExceeded, client.NotExecuted) // it waits for a session: it was not sent
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("closing what was never open: %v", err)
	}
}

func expect(t *testing.T, err, is error, outcome client.Outcome) {
	t.Helper()
	var e *client.Error
	if !errors.Is(err, is) || !errors.As(err, &e) || e.Outcome != outcome {
		t.Errorf("%v (%T); want %v and %v", err, err, is, outcome)
	}
}

func TestACallCanBeCancelled(t *testing.T) {
	m := members(t)
	c := dial(t, client.Config{Servers: m.Sockets})
	done, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.Call(done, client.ExactlyOnce, nil)
	expect(t, err, context.Canceled, client.NotExecuted)
	count(t, c, client.ExactlyOnce)
	for i := range 3 {
		if err := m.Stop(i); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	from := time.Now()
	_, err = c.Call(ctx, client.ExactlyOnce, nil) // and no deadline
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if d := time.Since(from); d > patience {
		t.Errorf("it took %v to give up", d)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Call(ctx, client.AtLeastOnce, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Who closes ends calls that wait, and the session: the service hears of it.
func TestClose(t *testing.T) {
	m := members(t)
	c, other := dial(t, client.Config{Servers: m.Sockets}), dial(t, client.Config{Servers: m.Sockets})
	count(t, c, client.ExactlyOnce)
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(within(t)); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if _, err := c.Call(within(t), client.ExactlyOnce, nil); !errors.Is(err, client.ErrClosed) {
		t.Errorf("a call after Close: %v", err)
	}
	b, err := other.Call(within(t), client.ExactlyOnce, []byte("ended"))
	if err != nil || binary.BigEndian.Uint64(b) != 1 {
		t.Errorf("%x sessions have ended, %v", b, err)
	}

	for i := range 3 {
		if err := m.Stop(i); err != nil {
			t.Fatal(err)
		}
	}
	came := make(chan error, 1)
	go func() {
		_, err := other.Call(context.Background(), client.ExactlyOnce, nil)
		came <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := other.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close without members: %v", err)
	}
	select {
	case err := <-came:
		if err == nil {
			t.Error("who would have answered?")
		}
	case <-time.After(patience):
		t.Error("a call outlives its client")
	}
}

// A session whose lease was not renewed is followed by another, and its owner is told.
func TestASessionEndsWhenNobodyRenewsIt(t *testing.T) {
	m := members(t)
	var mu sync.Mutex
	var ends []error
	renewed := 0
	c := dial(t, client.Config{
		Servers: m.Sockets, Lease: 2 * time.Second,
		Ended: func(cause error) {
			mu.Lock()
			defer mu.Unlock()
			ends = append(ends, cause)
		},
		Renewed: func(time.Time, time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			renewed++
		},
	})
	count(t, c, client.ExactlyOnce)
	await(t, "renewed", func() bool { mu.Lock(); defer mu.Unlock(); return renewed > 2 })
	for i := range 3 {
		if err := m.Stop(i); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "ended", func() bool { mu.Lock(); defer mu.Unlock(); return len(ends) > 0 })
	if !errors.Is(ends[0], client.ErrLapsed) {
		t.Errorf("it ended because of %v", ends[0])
	}
	for i := range 3 {
		if err := m.Start(i); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, c, client.ExactlyOnce); n != 1 { // they have no memory
		t.Errorf("the first call of the new life is the %dth", n)
	}
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-end.C:
			t.Fatalf("after %v not %s", patience, what)
		}
	}
}

// A member that is stopped takes what is sent until its socket is full, and holds up nobody.
func TestAServerThatTakesNothingHoldsUpNobody(t *testing.T) {
	m := members(t)
	stopped, err := net.Listen("unix", filepath.Join(t.TempDir(), "stopped.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Close()
	c := dial(t, client.Config{Servers: append([]string{stopped.Addr().String()}, m.Sockets...), RetryMax: time.Second})
	for range 5 {
		from := time.Now()
		b, err := c.Call(within(t), client.ExactlyOnce, make([]byte, 300<<10))
		if err != nil || len(b) != 8+300<<10 {
			t.Fatal(len(b), err)
		}
		t.Logf("a large call took %v", time.Since(from))
	}
}

func TestWhatIsWrongWithAConfiguration(t *testing.T) {
	for _, cfg := range []client.Config{
		{},
		{Servers: []string{"x"}, Lease: time.Millisecond},
		{Servers: []string{"x"}, Lease: time.Second, Margin: time.Second},
		{Servers: []string{"x"}, RetryMax: time.Millisecond},
		{Servers: make([]string, 65)},
		{Servers: []string{"x"}, Label: strings.Repeat("l", 81)},
	} {
		if c, err := client.Dial(cfg); err == nil {
			_ = c.Close(context.Background())
			t.Errorf("%+v is taken", cfg)
		} else if _, wrong := fmt.Sscanf(err.Error(), "call: %s", new(string)); wrong != nil {
			t.Errorf("%q", err)
		}
	}
}

// late is a context whose deadline has passed, and which does not know it yet.
type late struct{ context.Context }

func (late) Deadline() (time.Time, bool) { return time.Now(), true }

func TestADeadlineThatPassesBeforeTheCallIsTheContexts(t *testing.T) {
	k, err := client.Dial(client.Config{Servers: []string{"/nowhere/a.sock"}})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(closed())
	for range 20 {
		if _, err := k.Call(late{context.Background()}, client.ExactlyOnce, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the error is %v", err)
		}
	}
}

// closed is a context that has ended.
func closed() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

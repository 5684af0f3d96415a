package lock

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// ask gives a service a request and reads the reply.
func ask(t *testing.T, s *Service, id session.ID, q Request) Reply {
	t.Helper()
	return askAt(t, s, 0, id, q)
}

// askAt is ask at an agreed time.
func askAt(t *testing.T, s *Service, at time.Duration, id session.ID, q Request) Reply {
	t.Helper()
	b := s.Apply(session.Command{At: at, Session: id, Body: q.Append(nil)}, nil)
	if len(b) > ReplyMax {
		t.Fatalf("%v is replied with %d bytes", &q, len(b))
	}
	p, err := ParseReply(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Order: 3}, "order 3"},
		{Config{Floor: numberMax}, "leaves no numbers"},
		{Config{Window: -1}, "longest lease"},
		{Config{Window: session.LeaseMax + 1}, "longest lease"},
		{Config{LeaseMost: -1}, "leases of up to"},
		{Config{Window: time.Second, LeaseMost: time.Second + 1}, "shorter than the longest lease"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	if year2262 := view.Epoch(1<<63 - 1); Floor(year2262) >= 1<<53 {
		t.Errorf("a floor of %d is not exact everywhere", Floor(year2262))
	}
}

func TestBounds(t *testing.T) {
	long := strings.Repeat("x", TextMax)
	s, _ := New(Config{})
	name := func(i int) string { return fmt.Sprintf("%0*d", NameMax, i) }
	for i := range SessionMax {
		if p := ask(t, s, 1, Request{Kind: Enter, Name: name(i), Label: long, Purpose: long}); p.Status != Granted {
			t.Fatalf("lock %d: %v", i, p.Status)
		}
	}
	if p := ask(t, s, 1, Request{Kind: Enter, Name: "x"}); p.Status != SessionFull || p.Most != SessionMax {
		t.Errorf("one lock too many: %+v", p)
	}
	if p := ask(t, s, 0, Request{Kind: List}); !p.More || len(p.Lines) < 20 {
		t.Errorf("a page has %d lines, more %v", len(p.Lines), p.More)
	}
	for i := range WaitersMax {
		if p := ask(t, s, session.ID(2+i), Request{Kind: Enter, Name: name(0), Label: long, Purpose: long}); p.Place != i+1 {
			t.Fatalf("waiter %d: %+v", i, p)
		}
	}
	if p := ask(t, s, 10000, Request{Kind: Enter, Name: name(0)}); p.Status != QueueFull || p.Most != WaitersMax {
		t.Errorf("one waiter too many: %+v", p)
	}
	seen, after := 0, uint64(0)
	for {
		p := ask(t, s, 0, Request{Kind: Explain, Name: name(0), Number: after})
		seen += len(p.Waiting)
		if !p.More {
			break
		}
		after = p.Waiting[len(p.Waiting)-1].Number
	}
	if seen != WaitersMax {
		t.Errorf("pages show %d waiters of %d", seen, WaitersMax)
	}
	for i := range EntriesMax - SessionMax - WaitersMax {
		if p := ask(t, s, session.ID(10000+i), Request{Kind: Enter, Name: "shared", Mode: Shared}); p.Status != Granted {
			t.Fatalf("owner %d: %+v", i, p)
		}
	}
	if p := ask(t, s, 2, Request{Kind: Enter, Name: "x"}); p.Status != ServiceFull || p.Most != EntriesMax {
		t.Errorf("one too many: %+v", p)
	}
	sameAgain(t, s)
	if p := ask(t, s, 0, Request{Kind: Break, Name: "shared"}); p.Status != Done {
		t.Errorf("break: %+v", p)
	}
	if n := s.NoticesDropped(); n != EntriesMax-SessionMax-WaitersMax-noticesMax {
		t.Errorf("%d notices dropped", n)
	}
	var last uint64
	s.Notices(func(n Notice) { last = n.Number })
	if last != EntriesMax {
		t.Errorf("the last notice is of token %d", last)
	}
}

// TestNumbersGrowOverLives: a service that loses everything, again and again, and gives numbers as fast as it
// can, never gives one that it has given before: if it lives for a while, the clocks by which lives
// begin may differ by nearly half of that.
func TestNumbersGrowOverLives(t *testing.T) {
	const start = view.Epoch(1_800_000_000_000_000_000)
	for _, c := range []struct{ life, pause, skew time.Duration }{
		{time.Millisecond, 20 * time.Millisecond, 0}, {time.Second, 20 * time.Millisecond, 480 * time.Millisecond}, {time.Hour, time.Second, 29 * time.Minute},
	} {
		s, _ := New(Config{})
		began, greatest := start, uint64(0)
		for life := range 6 {
			if life > 0 {
				_ = s.Restore(emptyState())
			}
			s.Founded(began)
			if s.number < greatest {
				t.Fatalf("%+v: life %d begins at %d, after %d", c, life, s.number, greatest)
			}
			for part := range 4 { // so fast that it is refused
				at := c.life * time.Duration(part) / 3
				s.number = max(s.number, s.floor+uint64(at)>>(floorShift+1)) // as if it had been so all the time
				for id := session.ID(1); ; id++ {
					p := askAt(t, s, at, id, Request{Kind: Enter, Name: "x", Mode: Shared})
					if p.Status == Exhausted {
						break
					}
					greatest = p.Number
					s.Ended(at, id)
				}
			}
			began += view.Epoch(c.life + c.pause)
			if life%2 == 0 {
				began -= view.Epoch(c.skew) // founded by one whose clock is behind
			} else {
				began += view.Epoch(c.skew)
			}
		}
	}
}

// emptyState is a snapshot of a service that has done nothing.
func emptyState() *bytes.Buffer {
	var b bytes.Buffer
	s, _ := New(Config{})
	_ = s.Snapshot(&b)
	return &b
}

// TestWhatIsInQueuesIsGrantedThoughNumbersAreSpent: they were counted when they asked.
func TestWhatIsInQueuesIsGrantedThoughNumbersAreSpent(t *testing.T) {
	s, _ := New(Config{Floor: 1000})
	ask(t, s, 1, Request{Kind: Enter, Name: "x"})
	ask(t, s, 2, Request{Kind: Enter, Name: "x"})
	s.number = 1000 + numbersFirst
	if p := ask(t, s, 3, Request{Kind: Enter, Name: "x"}); p.Status != Exhausted {
		t.Errorf("%+v", p)
	}
	ask(t, s, 1, Request{Kind: Leave, Name: "x", Number: 1001})
	if p := ask(t, s, 2, Request{Kind: Enter, Name: "x"}); p.Status != Granted || p.Number != 1000+numbersFirst+1 {
		t.Errorf("who waited: %+v", p)
	}
	if p := askAt(t, s, time.Millisecond, 3, Request{Kind: Enter, Name: "x"}); p.Status != Queued {
		t.Errorf("a millisecond later: %+v", p)
	}
}

// TestBeginsOnce: a service that has begun, or has a state, is not told another epoch.
func TestBeginsOnce(t *testing.T) {
	s, _ := New(Config{Window: time.Second})
	e := session.NewExecutor(s)
	e.Found(1 << 60)
	e.Found(1<<60 + 1<<20)
	if s.number != 1<<50 || s.until != time.Second || s.LeaseMost() != time.Second {
		t.Errorf("number %d, window until %v, leases up to %v", s.number, s.until, s.LeaseMost())
	}
	e.Pass(2 * time.Second)
	e.Found(1 << 61)
	if s.number != 1<<50 || s.until != 0 {
		t.Errorf("number %d, window until %v", s.number, s.until)
	}
}

// TestBreaksAreRememberedWhenNobodyHasTheLock, of the last brokenMax locks.
func TestBreaksAreRememberedWhenNobodyHasTheLock(t *testing.T) {
	s, _ := New(Config{})
	for i := range brokenMax + 10 {
		name := fmt.Sprint("lock", i)
		ask(t, s, 1, Request{Kind: Enter, Name: name, Order: Loose})
		ask(t, s, 0, Request{Kind: Break, Name: name, Label: "me", Purpose: "because"})
	}
	if len(s.all) != brokenMax || len(s.broken) != brokenMax {
		t.Errorf("%d locks, %d broken", len(s.all), len(s.broken))
	}
	if p := ask(t, s, 0, Request{Kind: List}); len(p.Lines) != 0 {
		t.Errorf("free locks are listed: %+v", p.Lines)
	}
	for i, want := range []string{9: "", 10: "me"} {
		if p := ask(t, s, 0, Request{Kind: Explain, Name: fmt.Sprint("lock", i)}); p.Breaking.By != want {
			t.Errorf("lock%d was broken by %q", i, p.Breaking.By)
		}
	}
	again := fmt.Sprint("lock", brokenMax)
	if p := ask(t, s, 2, Request{Kind: Enter, Name: again, Order: Strict}); p.Status != Granted {
		t.Errorf("a lock that was broken cannot be entered in another order: %+v", p)
	}
	ask(t, s, 0, Request{Kind: Break, Name: again, Label: "you"})
	if p := ask(t, s, 0, Request{Kind: Explain, Name: again}); p.Breaking.By != "you" || len(s.broken) != brokenMax {
		t.Errorf("broken by %q; %d broken", p.Breaking.By, len(s.broken))
	}
	sameAgain(t, s)
}

// TestOvertakingIsBounded: a writer that waits while readers come and go is passed
// OvertakesMax times.
func TestOvertakingIsBounded(t *testing.T) {
	s, _ := New(Config{Order: Loose})
	ask(t, s, 1, Request{Kind: Enter, Name: "x", Mode: Shared})
	ask(t, s, 2, Request{Kind: Enter, Name: "x"})
	passed := 0
	for id := session.ID(3); id < 100; id++ {
		if ask(t, s, id, Request{Kind: Enter, Name: "x", Mode: Shared}).Status == Granted {
			passed++
		}
	}
	if passed != OvertakesMax {
		t.Errorf("%d passed", passed)
	}
}

// TestNameCollision: two names with one hash are two locks.
func TestNameCollision(t *testing.T) {
	s, _ := New(Config{})
	ask(t, s, 1, Request{Kind: Enter, Name: "a"})
	a, _ := s.lookup([]byte("a"))
	// As if "b" had the hash of "a".
	_, hash := s.lookup([]byte("b"))
	delete(s.locks, a.hash)
	a.hash = hash
	s.locks[hash] = a
	ask(t, s, 2, Request{Kind: Enter, Name: "b"})
	if b, _ := s.lookup([]byte("b")); b == a || b.owners.head.client.id != 2 || b.chain != a {
		t.Fatal("b is not a lock of its own")
	}
	s.dropLock(a)
	if b, _ := s.lookup([]byte("b")); b == nil || b.chain != nil {
		t.Fatal("b is gone with a")
	}
}

func TestRefusalsAreErrors(t *testing.T) {
	s, _ := New(Config{})
	p := ask(t, s, 1, Request{Kind: Leave, Name: "x", Number: 1})
	err := p.Err("x")
	var refusal *Refusal
	if !errors.Is(err, NotOwner) || !errors.As(err, &refusal) || refusal.Name != "x" {
		t.Errorf("%v", err)
	}
	if err := CheckName("fine"); err != nil {
		t.Error(err)
	}
	if err := CheckName(strings.Repeat("x", 300)); !errors.Is(err, NameTooLong) || !strings.Contains(fmt.Sprint(err), "300 bytes, at most 200") {
		t.Errorf("%v", err)
	}
	for status := range Status(64) {
		if status.known() && strings.HasPrefix(status.String(), "status(") {
			t.Errorf("status %d has no name", status)
		}
		if err := (&Reply{Status: status}).Err("x"); status.known() && status.Refused() && !strings.Contains(fmt.Sprint(err), ";") {
			t.Errorf("%v has no remedy: %v", status, err)
		}
	}
}

// TestARefusedSnapshotSaysWhy is a table of what a snapshot cannot be.
func TestARefusedSnapshotSaysWhy(t *testing.T) {
	var b bytes.Buffer
	if err := full(t, Config{}).Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		edit func(b []byte) []byte
		want string
	}{
		{"empty", func([]byte) []byte { return nil }, "does not begin"},
		{"other magic", func(b []byte) []byte { b[0] = 'x'; return b }, "does not begin"},
		{"later version", func(b []byte) []byte { b[4] = 9; return b }, "version 9"},
		{"other order", func(b []byte) []byte { b[29] = byte(Loose); return b }, "that of the snapshot to order=loose"},
		{"counter behind", func(b []byte) []byte { b[20] = 0; return b }, "a number cannot be"},
		{"cut", func(b []byte) []byte { return b[:len(b)-20] }, "cannot be read"},
		{"longer", func(b []byte) []byte { return append(b, 0) }, "early, or late"},
		{"flipped", func(b []byte) []byte { b[len(b)-1]++; return b }, "its digest"},
	} {
		s, _ := New(Config{})
		err := s.Restore(bytes.NewReader(c.edit(bytes.Clone(b.Bytes()))))
		if err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

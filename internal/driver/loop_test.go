package driver

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLoop(t *testing.T) *Loop {
	t.Helper()
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// never is a deadline that never comes.
func never() time.Time { return time.Time{} }

func TestLoopServesDescriptorsCallsAndDeadlines(t *testing.T) {
	l := newLoop(t)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	var order []string
	if err := l.Watch(pipe[0], func(time.Time) {
		var b [1]byte
		_, _ = unix.Read(pipe[0], b[:])
		order = append(order, "descriptor")
	}); err != nil {
		t.Fatal(err)
	}
	l.Do(func(time.Time) {
		order = append(order, "call")
		_, _ = unix.Write(pipe[1], []byte{1})
	})
	due := time.Time{}
	err := l.Run(t.Context(), func() time.Time { return due }, func(now time.Time) bool {
		switch {
		case len(order) == 2 && due.IsZero():
			due = now.Add(3 * time.Millisecond)
		case !due.IsZero() && !now.Before(due):
			order = append(order, "deadline")
		}
		return len(order) == 3
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"call", "descriptor", "deadline"}
	for i := range want {
		if order[i] != want[i] {
			t.Fatalf("order %v, want %v", order, want)
		}
	}
}

func TestLoopDoesNotHearWhatItDoesNotListenTo(t *testing.T) {
	l := newLoop(t)
	fd, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC) // readable from the start
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	heard := 0
	if err := l.Watch(fd, func(time.Time) { heard++ }); err != nil {
		t.Fatal(err)
	}
	if err := l.Listen(fd, false); err != nil {
		t.Fatal(err)
	}
	steps := 0
	deadline := time.Now().Add(2 * time.Millisecond)
	_ = l.Run(t.Context(), func() time.Time { return deadline }, func(now time.Time) bool {
		steps++
		return !now.Before(deadline)
	})
	if heard != 0 {
		t.Errorf("heard %d times in %d steps", heard, steps)
	}
	if err := l.Listen(fd, true); err != nil {
		t.Fatal(err)
	}
	_ = l.Run(t.Context(), never, func(time.Time) bool { return heard > 0 })
}

func TestLoopEndsWithItsContextAndRefusesCallsOnceClosed(t *testing.T) {
	l := newLoop(t)
	ctx, cancel := context.WithCancel(t.Context())
	l.Do(func(time.Time) { cancel() })
	if err := l.Run(ctx, never, func(time.Time) bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	l.Close()
	if l.Do(func(time.Time) { t.Error("ran") }) {
		t.Error("a closed loop takes calls")
	}
}

func TestErrorsNameTheOperation(t *testing.T) {
	l := newLoop(t)
	err := l.Watch(-1, nil)
	var op *OpError
	if !errors.As(err, &op) || !errors.Is(err, unix.EBADF) {
		t.Errorf("Watch(-1): %v", err)
	}
}

package main

import (
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/lab/trio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is what all programs print.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func TestTwoCountInTurns(t *testing.T) {
	names, members := []string{"ann", "bob"}, trio.Addresses(2)
	for i, name := range names {
		members[i] = name + "=" + members[i]
	}
	var out lines
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			if err := run(t.Context(), []string{"-name", name, "-members", strings.Join(members, ","), "-turns", "3", "-step", "1ms"}, &out); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	next, turns := "1", 0
	for line := range strings.Lines(out.b.String()) {
		_, n, is := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case !is:
		case n != next:
			t.Fatalf("%s where %s is next:\n%s", n, next, out.b.String())
		case n == "5":
			next, turns = "1", turns+1
		default:
			next = string(next[0] + 1)
		}
	}
	if turns != 6 {
		t.Errorf("%d turns:\n%s", turns, out.b.String())
	}
}

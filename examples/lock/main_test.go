package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/lab/trio"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/service/lock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLinesAreWrittenOneAtATime(t *testing.T) {
	m := trio.New(t, func() session.Service {
		s, err := lock.New(lock.Config{})
		if err != nil {
			panic(err)
		}
		return s
	})
	path := filepath.Join(t.TempDir(), "lines")
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := run(t.Context(), []string{"-sockets", strings.Join(m.Sockets, ","), "-file", path, "-turns", "4", "-pause", "1ms"}, io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	b, err := os.ReadFile(path)
	if n := strings.Count(string(b), "\n"); n != 12 || err != nil {
		t.Errorf("%d lines, want 12; %v", n, err)
	}
}

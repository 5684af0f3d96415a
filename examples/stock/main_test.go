package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/lab/trio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hall is three members of the example.
type hall struct {
	t       *testing.T
	members string
	folder  string
	stop    map[string]func()
}

func (h *hall) start(name string) {
	ctx, cancel := context.WithCancel(context.Background())
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "-name", name, "-members", h.members, "-folder", h.folder}, out)
		_ = out.Close()
	}()
	h.stop[name] = func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("%s: %v", name, err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
}

// asks runs the client, until it is answered.
func (h *hall) asks(verb string, args ...string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	if err := run(ctx, append([]string{verb, "-members", h.members, "-folder", h.folder}, args...), &out); err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

func TestAMemberFailsAndNobodyNotices(t *testing.T) {
	h := &hall{t: t, folder: t.TempDir(), stop: map[string]func(){}}
	for i, at := range trio.Addresses(3) {
		h.members += fmt.Sprintf("%s%c=%s", [...]string{"", ","}[min(i, 1)], 'a'+i, at)
	}
	for _, name := range []string{"a", "b", "c"} {
		h.start(name)
	}
	defer func() {
		for _, stop := range h.stop {
			stop()
		}
	}()
	if got := h.asks("add", "screws", "100"); got != "100 screws, looked at 0 times" {
		t.Error(got)
	}
	if got := h.asks("look", "screws"); got != "100 screws, looked at 0 times" {
		t.Error(got)
	}
	h.stop["a"]()
	delete(h.stop, "a")
	if got := h.asks("take", "screws", "5"); !strings.HasPrefix(got, "95 screws") {
		t.Error(got)
	}
	if got := h.asks("take", "screws", "500"); got != "there are only 95 screws" {
		t.Error(got)
	}
	h.start("a")
	if got := h.asks("count", "screws"); got != "all shelves were searched for screws" {
		t.Error(got)
	}
}

func TestTheStateGoesFromMemberToMember(t *testing.T) {
	a, b := newStock(), newStock()
	for i := range 100 {
		a.put(fmt.Sprint("thing", i), shelf{uint64(i), uint64(i % 7)})
	}
	b.put("old", shelf{1, 1})
	var state bytes.Buffer
	if err := a.Snapshot(&state); err != nil {
		t.Fatal(err)
	}
	written := state.String()
	if err := b.Restore(&state); err != nil || b.Digest() != a.Digest() || len(b.shelves) != 100 {
		t.Errorf("%d shelves, digest %x of %x, %v", len(b.shelves), b.Digest(), a.Digest(), err)
	}
	state.Reset()
	if err := b.Snapshot(&state); err != nil || state.String() != written {
		t.Errorf("equal states are written differently, %v", err)
	}
	if err := b.Restore(strings.NewReader(written[:len(written)-1])); err == nil {
		t.Error("half a state is taken")
	}
}

package main

import (
	"net"
	"strings"
	"sync"
	"testing"
)

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
	var members []string
	var held []net.PacketConn
	names := []string{"ann", "bob"}
	for _, name := range names {
		p, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		members, held = append(members, name+"="+p.LocalAddr().String()), append(held, p)
	}
	for _, p := range held {
		p.Close()
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

package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/lab/trio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// process is one running counter.
type process struct {
	in    *io.PipeWriter
	out   *bufio.Scanner
	ended chan error
}

func start(t *testing.T, name, members string) *process {
	in, keys := io.Pipe()
	screen, out := io.Pipe()
	p := &process{in: keys, out: bufio.NewScanner(screen), ended: make(chan error, 1)}
	go func() {
		p.ended <- run(t.Context(), []string{"-name", name, "-members", members}, in, out)
		out.Close()
	}()
	return p
}

// expect reads the next line.
func (p *process) expect(t *testing.T, want string) {
	t.Helper()
	if !p.out.Scan() || p.out.Text() != want {
		t.Fatalf("line %q, want %q", p.out.Text(), want)
	}
}

func TestAJoinerIsGivenTheValue(t *testing.T) {
	at := trio.Addresses(3)
	for i, name := range []string{"a", "b", "c"} {
		at[i] = name + "=" + at[i]
	}
	members := strings.Join(at, ",")
	a, b := start(t, "a", members), start(t, "b", members)
	a.expect(t, "joined: 0 after 0 changes")
	b.expect(t, "joined: 0 after 0 changes")
	for i := range 10 {
		fmt.Fprintf(a.in, "%d\n", i)
		a.expect(t, fmt.Sprintf("added %d", i))
	}
	c := start(t, "c", members)
	c.expect(t, "joined: 45 after 10 changes")
	fmt.Fprintf(c.in, "-3\nx\n")
	c.expect(t, "added -3")
	c.expect(t, "type a number to add it")
	for _, p := range []*process{a, b, c} {
		p.in.Close()
		p.expect(t, "left: 42 after 11 changes")
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
	}
}

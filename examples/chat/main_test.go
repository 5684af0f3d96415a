package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/lab/trio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// members gives a free address to each name, in the form of the flag.
func members(names ...string) string {
	all := trio.Addresses(len(names))
	for i, name := range names {
		all[i] = name + "=" + all[i]
	}
	return strings.Join(all, ",")
}

// person is somebody at a terminal.
type person struct {
	keys  *io.PipeWriter
	seen  chan string
	ended chan error
}

func sit(t *testing.T, name, members string) *person {
	in, keys := io.Pipe()
	screen, out := io.Pipe()
	p := &person{keys: keys, seen: make(chan string, 1000), ended: make(chan error, 1)}
	go func() {
		p.ended <- run(t.Context(), []string{"-name", name, "-members", members}, in, out)
		out.Close()
	}()
	go func() {
		for lines := bufio.NewScanner(screen); lines.Scan(); {
			p.seen <- lines.Text()
		}
		close(p.seen)
	}()
	return p
}

// until gives the lines up to one that begins so.
func (p *person) until(t *testing.T, beginning string) []string {
	t.Helper()
	var lines []string
	for line := range p.seen {
		lines = append(lines, line)
		if strings.HasPrefix(line, beginning) {
			return lines
		}
	}
	t.Fatalf("the screen ends before a line that begins with %q: %q", beginning, lines)
	return nil
}

func TestThreePeopleSeeTheSameTalk(t *testing.T) {
	names := []string{"ann", "bob", "eve"}
	at := members(names...)
	var people []*person
	for _, name := range names {
		people = append(people, sit(t, name, at))
	}
	for _, p := range people {
		for line := ""; strings.Count(line, ",") != 2; {
			lines := p.until(t, "-- here are")
			line = lines[len(lines)-1]
		}
	}
	for i, p := range people {
		for n := range 10 {
			fmt.Fprintf(p.keys, "line %d of %s\n", n, names[i])
		}
	}
	var talk [][]string
	for _, p := range people {
		var said []string
		for len(said) < 30 {
			if line := <-p.seen; !strings.HasPrefix(line, "--") {
				said = append(said, line)
			}
		}
		talk = append(talk, said)
	}
	if !slices.Equal(talk[0], talk[1]) || !slices.Equal(talk[0], talk[2]) {
		t.Errorf("they saw different talks:\n%q\n%q\n%q", talk[0], talk[1], talk[2])
	}
	for _, p := range people {
		p.keys.Close()
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
	}
}

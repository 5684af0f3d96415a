package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/control"
)

// screen is a person at a terminal: what they see, and what they type.
type screen struct {
	master *os.File
	seen   bytes.Buffer
}

// openTerminal makes a pseudo-terminal (pty(7)).
func openTerminal(t *testing.T) (*screen, *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("needs pseudo-terminals (/dev/ptmx): %v", err)
	}
	master := os.NewFile(uintptr(fd), "ptmx") // non-blocking, so that it has deadlines
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close(); master.Close() })
	return &screen{master: master}, slave
}

// await reads until the words have been seen since the last call.
func (s *screen) await(t *testing.T, words string) {
	t.Helper()
	if err := s.master.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 4096)
	for {
		if i := strings.Index(s.seen.String(), words); i >= 0 {
			s.seen.Next(i + len(words))
			return
		}
		n, err := s.master.Read(chunk)
		if err != nil {
			t.Fatalf("%q was not seen, but %q: %v", words, s.seen.String(), err)
		}
		s.seen.Write(chunk[:n])
	}
}

func (s *screen) write(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		t.Fatal(err)
	}
}

// begin runs the program on a terminal; the channel gives its exit code.
func begin(t *testing.T, terminal *os.File, args ...string) <-chan int {
	t.Setenv("TERM", "xterm")
	code := make(chan int, 1)
	p := &Program{Input: terminal, Output: terminal, Errors: terminal}
	go func() { code <- p.Execute(context.Background(), args) }()
	return code
}

func TestWatchOnATerminal(t *testing.T) {
	s, terminal := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NO_COLOR", "")
	code := begin(t, terminal, "status", "--watch", "-s", serveFacts(t, healthy()))
	s.await(t, blue+"PROTECTED"+plain)
	s.await(t, "q quits")
	s.write(t, "xq")
	if got := <-code; got != codeDone {
		t.Errorf("exit code %d", got)
	}
	after, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *after != *before {
		t.Errorf("the terminal is left as %+v, was %+v", after, before)
	}
}

func TestWatchOutlivesTheNode(t *testing.T) {
	s, terminal := openTerminal(t)
	t.Setenv("NO_COLOR", "1")
	code := begin(t, terminal, "status", "--watch", "-s", t.TempDir()+"/absent.sock")
	s.await(t, "NO ANSWER")
	s.await(t, "looking for it")
	s.write(t, "q")
	if got := <-code; got != codeDone {
		t.Errorf("exit code %d", got)
	}
	if strings.Contains(s.seen.String(), orange) {
		t.Error("colours in spite of NO_COLOR")
	}
}

func TestQuestions(t *testing.T) {
	s, terminal := openTerminal(t)
	folder := t.TempDir()
	code := begin(t, terminal, "init", "firewall", "--folder", folder)
	for _, line := range [][2]string{
		{"name of the pair [edge]: ", ""},
		{"preferred node [fw1]: ", ""},
		{"other node [fw2]: ", "fw1"},
		{"needs another name", ""},
		{"label of a link [sync]: ", ""},
		{"address of fw1 there: ", "198.51.100"},
		{"is not an IP address", ""},
		{"address of fw1 there: ", "198.51.100.1"},
		{"address of fw2 there: ", "198.51.100.2"},
		{"further link (Enter: no more): ", ""},
		{"as in 192.0.2.1/24: ", "192.0.2.1/24"},
		{"on interface [eth0]: ", ""},
		{"a further one (Enter: no more): ", ""},
	} {
		s.await(t, line[0])
		if strings.HasSuffix(line[0], ": ") || line[0] == "needs another name" {
			s.write(t, line[1]+"\n")
		}
	}
	if got := <-code; got != codeDone {
		t.Fatalf("exit code %d", got)
	}
	s.await(t, "wrote")
	var out, errs bytes.Buffer
	p := &Program{Output: &out, Errors: &errs}
	if got := p.Execute(t.Context(), []string{"check", folder + "/fw1.hcl", folder + "/fw2.hcl"}); got != codeDone {
		t.Errorf("what init wrote does not pass check: %s", errs.String())
	}
}

// healthy is a node of which nothing bad can be said.
func healthy() control.Status {
	return control.Status{
		Cluster: "edge", Node: "fw1", Role: control.Active,
		Peers: []control.Peer{{
			Name: "fw2", Role: control.Standby, Incarnation: 1, Alive: true, Ready: true,
			Links: []control.Link{{Label: "sync", Heard: true}},
			Proof: control.Proof{State: control.Proven, DigestOurs: "aa", DigestTheirs: "aa"},
		}},
	}
}

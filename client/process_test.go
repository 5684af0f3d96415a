package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
)

// childEnvironment tells a process of this test's program that it is a client, and how.
const childEnvironment = "HOLDFAST_TEST_CLIENT"

// order is what a client process is to do.
type order struct {
	Servers  []string
	Identity string
	Notes    string
	Jobs     []string // each is run
	Owns     []uint64 // numbers of jobs of former lives that are wanted
	Serve    string   // if not "": be the only member of a service, with this socket
}

// alone is the only member that votes of a service, as a process of its own, whose jobs never end.
func alone(socket string) {
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	_ = p.Close()
	n, err := holdfast.Open(holdfast.Config{
		Cluster: "alone", Name: "a", Members: map[string][]string{"a": {p.LocalAddr().String()}, "b": {"127.0.0.1:9"}},
		Votes: map[string]int{"b": 0}, Insecure: true,
	})
	if err != nil {
		panic(err)
	}
	s, err := n.Serve(holdfast.ServiceConfig{Name: "alone", Service: &tally{}, Socket: socket, Jobs: &holdfast.Jobs{
		Run: func(ctx context.Context, j holdfast.Job) ([]byte, error) {
			fmt.Printf("begun %s\n", j.Body)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
	}})
	if err != nil || !s.Await(patience) {
		panic(err)
	}
	fmt.Println("life 1")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// child is a client as a process of its own: it runs its jobs, tells their ends line by line, resumes what
// it owns, and stays until its input ends.
func child() {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(childEnvironment)), &o); err != nil {
		panic(err)
	}
	if o.Serve != "" {
		alone(o.Serve)
		return
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	wanted := make(chan client.Job, 16)
	c, err := client.Dial(client.Config{Servers: o.Servers, Identity: o.Identity, Notes: o.Notes, Owns: func(of client.Job) bool {
		for _, n := range o.Owns {
			if of.Number == n {
				wanted <- of
				return true
			}
		}
		return false
	}})
	if err != nil {
		say("cannot: %v", err)
		os.Exit(1)
	}
	for _, body := range o.Jobs {
		go func() {
			b, err := c.Run(context.Background(), []byte(body))
			say("%s: %s %v", body, b, err)
		}()
	}
	go func() {
		for of := range wanted {
			go func() {
				b, err := c.Resume(context.Background(), of)
				say("resumed %d: %s %v", of.Number, b, err)
			}()
		}
	}()
	say("life %d", c.Life())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// process is a client process.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Closer
	lines chan string
}

func begin(t *testing.T, o order) *process {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(os.Args[0]), lines: make(chan string, 100)}
	p.cmd.Env = append(os.Environ(), childEnvironment+"="+string(b))
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have gone
		<-read
		_ = p.cmd.Wait() // it was killed
	})
	p.hears("life ")
	return p
}

// hears waits for a line that has a text.
func (p *process) hears(text string) {
	p.t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, text) {
				return
			}
			p.t.Errorf("a client says %q, and %q was expected", line, text)
		case <-end.C:
			p.t.Fatalf("no client says %q", text)
		}
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

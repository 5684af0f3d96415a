package locks_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/check"
	judges "github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/internal/lab/segment"
)

var (
	rounds = flag.Int("rounds", 3, "how many rounds of drawn faults to run, each with the next style")
	from   = flag.Uint64("from", 1, "the seed of the first round")
	length = flag.Duration("length", 8*time.Second, "how long faults are drawn in a round")
)

const (
	lease    = 2 * time.Second
	suspect  = 200 * time.Millisecond
	waitMost = 60 * time.Second
	clients  = 6
)

// process is one life of a member or a client.
type process struct {
	name     string // of the machine
	what     string // its role
	settings settings
	cmd      *exec.Cmd
	input    io.Closer
	output   output
	gone     chan struct{}
	stopped  time.Time // until when; zero: it runs

	serving  bool
	tampered bool          // strace stands before it: only one can
	killed   time.Duration // when; 0: not by the test
	doomed   string        // what it must say when it ends by itself; "": it must not end
}

// output is what a process has said.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write takes more of it.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String gives all of it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (p *process) isGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

func (p *process) kill() {
	if !p.isGone() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.gone
		p.killed = now()
	}
}

// world is members and clients on a segment.
type world struct {
	*testing.T
	bug     string
	style   holdfast.Style // that of the seed
	window  time.Duration  // of recovery; 0: there is none
	dir     string
	net     *segment.Segment
	names   []string
	locks   []string
	chance  *rand.Rand
	all     []*process
	members map[string]*process // the present life of each
	clients []*process
	serial  int
	facts   []judges.Fact // that were judged
	lease   time.Duration // of peers
	work    []int         // of peers, one of them is drawn for each
	sums    sums
	settled time.Duration // how long it took until all clients went on
	disks
}

// sums are for a summary.
type sums struct{ locks, grants, writes, calls, answered, unknown int }

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	return newWorldWith(t, seed, "")
}

// newWorldWith is newWorld with a bug planted in all programs.
func newWorldWith(t *testing.T, seed uint64, bug string) *world {
	t.Helper()
	w := emptyWorld(t, seed)
	w.bug = bug
	w.begin()
	return w
}

// newStyledWorld is newWorld with the style that the seed draws.
func newStyledWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := emptyWorld(t, seed)
	w.style = styleOf(seed)
	w.begin()
	return w
}

// styleOf is the style of a seed: active, passive, voted in turn.
func styleOf(seed uint64) holdfast.Style { return holdfast.Style(seed % 3) }

// emptyWorld is a world without processes.
func emptyWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, and CI must skip nothing")
		}
		t.Skip("needs root, to make network namespaces: run sudo -E go test ./internal/lab/locks")
	}
	w := &world{T: t, names: []string{"a", "b", "c"}, locks: []string{"x", "y"}, chance: rand.New(rand.NewPCG(seed, 1)), members: map[string]*process{}}
	var err error
	if w.dir, err = os.MkdirTemp("", "holdfast-locks-"); err != nil {
		t.Fatal(err)
	}
	if w.net, err = segment.Open(w.names...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	if _, err := key.Create(w.path("key"), "test"); err != nil {
		t.Fatal(err)
	}
	return w
}

// begin starts members and clients.
func (w *world) begin() {
	w.Helper()
	for _, name := range w.names {
		w.member(name)
	}
	w.await("serving", w.serve)
	for i := range clients {
		w.clients = append(w.clients, w.client(w.names[i%len(w.names)]))
	}
}

// end ends everything, and keeps the histories of a failure.
func (w *world) end() {
	for _, p := range w.all {
		p.kill()
		if w.Failed() && p.output.String() != "" {
			w.Logf("%s: %s", p.settings.History, p.output.String())
		}
	}
	if err := w.net.Close(); err != nil {
		w.Error(err)
	}
	if w.Failed() {
		w.Logf("the histories are in %s", w.dir)
		return
	}
	os.RemoveAll(w.dir)
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// start starts a program on a machine.
func (w *world) start(machine, what string, s settings) *process {
	w.Helper()
	w.serial++
	s.Bug = w.bug
	s.History = w.path(fmt.Sprintf("%s-%s-%d.json", what, machine, w.serial))
	p := &process{name: machine, what: what, settings: s, cmd: exec.Command("/proc/self/exe"), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), role+"="+what)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: w.unshare}
	in, err := p.cmd.StdinPipe()
	w.must(err)
	p.input = in
	w.must(w.net.Machine(machine).Start(p.cmd))
	go func() {
		_ = p.cmd.Wait() // what it says is in the output
		close(p.gone)
	}()
	w.all = append(w.all, p)
	w.must(json.NewEncoder(in).Encode(s))
	return p
}

func (w *world) member(name string) {
	c := holdfast.Config{
		Cluster: "campaign", Name: name, Members: map[string][]string{}, KeyFile: w.path("key"), Heartbeat: suspect / 10, SuspectAfter: suspect,
	}
	for _, n := range w.names {
		c.Members[n] = []string{w.net.Machine(n).Address() + ":7400"}
	}
	s := settings{Node: c, Socket: w.path(name + ".sock"), Style: w.style, Window: w.window}
	if w.durable {
		s.Data, s.Cells = w.disk(name, "kept"), w.path(name+".cells")
	}
	w.members[name] = w.start(name, "member", s)
}

// client starts a client, which has the sockets of all members, its own machine's first.
func (w *world) client(machine string) *process {
	s := settings{Client: w.serial + 1, Locks: w.locks, Files: w.path("file-"), Lease: max(lease, w.window), Window: w.window, Seed: w.chance.Uint64()}
	at := slices.Index(w.names, machine)
	for i := range w.names {
		s.Sockets = append(s.Sockets, w.path(w.names[(at+i)%len(w.names)]+".sock"))
	}
	return w.start(machine, "client", s)
}

// serve says whether all members run and have the state.
func (w *world) serve() bool {
	for _, name := range w.names {
		if !w.serves(name) {
			return false
		}
	}
	return true
}

func (w *world) serves(name string) bool {
	p := w.members[name]
	if !p.serving {
		records, err := readHistory(p.settings.History)
		w.must(err)
		p.serving = slices.ContainsFunc(records, func(r record) bool { return r.Kind == "serving" })
	}
	return p.serving && !p.isGone()
}

// await waits for what must come.
func (w *world) await(what string, is func() bool) {
	w.Helper()
	for end := now() + waitMost; !is(); w.run(50 * time.Millisecond) {
		if now() > end {
			w.Fatalf("after %v not %s", waitMost, what)
		}
	}
}

// run lets everybody go on for a time, and sees that nobody ends by itself.
func (w *world) run(d time.Duration) {
	<-time.After(d)
	for _, p := range w.clients {
		if p.isGone() {
			w.Fatalf("client %d has ended by itself: %s", p.settings.Client, p.output.String())
		}
	}
	for name, p := range w.members {
		if p.isGone() && p.killed == 0 && (p.doomed == "" || !strings.Contains(p.output.String(), p.doomed)) {
			w.Fatalf("member %s has ended by itself, and should have ended with %q: %s", name, p.doomed, p.output.String())
		}
	}
}

// held is how often a client has found that it held something.
func (w *world) held(p *process) int {
	records, err := readHistory(p.settings.History)
	w.must(err)
	return len(records)
}

// step draws something that happens, and says what.
func (w *world) step() string {
	for _, p := range w.clients {
		if !p.stopped.IsZero() && time.Now().After(p.stopped) {
			w.wake(p)
		}
	}
	for _, name := range w.names {
		if p := w.members[name]; !p.stopped.IsZero() {
			if time.Now().Before(p.stopped) {
				return "" // the others must not fall apart meanwhile
			}
			w.wake(p)
		}
	}
	name := w.names[w.chance.IntN(len(w.names))]
	at := w.chance.IntN(len(w.clients))
	c := w.clients[at]
	switch w.chance.IntN(13) {
	case 0, 1:
		// The state is in memory: only one member may be without it at a time.
		if !w.serve() {
			return ""
		}
		w.must(w.net.Mend()) // and the others must not fall apart while it is
		w.members[name].kill()
		w.member(name)
		return "kill member " + name
	case 2, 3:
		return w.killClient(at)
	case 4, 5, 6:
		if !c.stopped.IsZero() {
			return ""
		}
		d := time.Duration(w.chance.Int64N(int64(2 * lease)))
		c.stopped = time.Now().Add(d)
		w.must(c.cmd.Process.Signal(syscall.SIGSTOP))
		return fmt.Sprintf("stop client %d for %v", c.settings.Client, d)
	case 7:
		if !w.serve() {
			return ""
		}
		w.must(w.net.Split([]string{name}, slices.DeleteFunc(slices.Clone(w.names), func(n string) bool { return n == name })))
		return "cut off " + name
	case 8:
		if other := w.names[w.chance.IntN(len(w.names))]; other != name && w.serve() {
			w.must(w.net.Cut(name, other, false))
			return "cut " + name + " to " + other
		}
		return ""
	case 9:
		percent := float64(w.chance.IntN(15))
		w.must(w.net.Lose(percent))
		return fmt.Sprintf("lose %g%%", percent)
	case 10:
		if !w.serve() {
			return ""
		}
		w.must(w.net.Mend())
		d := time.Duration(w.chance.Int64N(int64(5 * suspect)))
		w.members[name].stopped = time.Now().Add(d)
		w.must(w.members[name].cmd.Process.Signal(syscall.SIGSTOP))
		return fmt.Sprintf("stop member %s for %v", name, d)
	}
	w.must(w.net.Mend())
	return "mend"
}

func (w *world) wake(p *process) {
	w.must(p.cmd.Process.Signal(syscall.SIGCONT))
	p.stopped = time.Time{}
}

// killClient kills a client and starts another in its place.
func (w *world) killClient(at int) string {
	p := w.clients[at]
	p.kill()
	w.clients[at] = w.client(p.name)
	return fmt.Sprintf("kill client %d; client %d comes", p.settings.Client, w.clients[at].settings.Client)
}

// calm ends all faults, waits until every client has held locks again, ends them and others, and has everything judged.
func (w *world) calm(others ...*process) {
	w.Helper()
	w.must(w.net.Mend())
	for _, p := range w.clients {
		w.wake(p)
	}
	for _, name := range w.names {
		if p := w.members[name]; !p.stopped.IsZero() {
			w.wake(p)
		}
	}
	calm := now()
	w.await("all serving", w.serve)
	before := map[*process]int{}
	for _, p := range w.clients {
		before[p] = w.held(p)
	}
	w.await("every client holding locks again", func() bool {
		return !slices.ContainsFunc(w.clients, func(p *process) bool { return w.held(p) < before[p]+3 })
	})
	w.settled = now() - calm
	w.Logf("every client holds locks again %v after the last fault", w.settled.Round(time.Millisecond))
	if verdict := w.lastWords(calm, others...); verdict != nil {
		w.Fatal(verdict)
	}
}

// lastWords ends the clients, others, and members on disks, and has everything judged.
func (w *world) lastWords(calm time.Duration, others ...*process) *check.Violation {
	w.Helper()
	leaving := append(others, w.clients...)
	w.clients = nil
	w.dismiss(leaving)
	if w.durable {
		var last []*process
		for _, name := range w.names {
			w.members[name].doomed = " " // it is told to end
			last = append(last, w.members[name])
		}
		w.dismiss(last)
	}
	verdict, counts, err := w.judge(calm)
	w.must(err)
	w.Log(counts)
	return verdict
}

// dismiss tells processes to end, and waits until they have.
func (w *world) dismiss(leaving []*process) {
	w.Helper()
	for _, p := range leaving {
		w.must(p.input.Close())
	}
	for end := now() + waitMost; slices.ContainsFunc(leaving, func(p *process) bool { return !p.isGone() }); <-time.After(20 * time.Millisecond) {
		if now() > end {
			w.Fatalf("after %v not all are gone that were told to go", waitMost)
		}
	}
	for _, p := range leaving {
		if !p.cmd.ProcessState.Success() {
			w.Errorf("%s %s: %v: %s", p.what, p.settings.History, p.cmd.ProcessState, p.output.String())
		}
	}
}

// TestDrawnFaultsBreakNoPromise runs for half a minute, each style in memory. To go on for longer:
//
//	sudo -E go test ./internal/lab/locks -from 100 -rounds 50 -timeout 2h
func TestDrawnFaultsBreakNoPromise(t *testing.T) {
	for seed := *from; seed < *from+uint64(*rounds); seed++ {
		t.Run(fmt.Sprintf("seed %d %v", seed, styleOf(seed)), func(t *testing.T) {
			w := newStyledWorld(t, seed)
			w.Logf("%q", w.draw(*length))
			w.calm()
		})
	}
}

package servers_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	judges "github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/internal/lab/segment"
)

var (
	rounds = flag.Int("rounds", 2, "how many rounds of drawn faults to run")
	from   = flag.Uint64("from", 1, "the seed of the first round")
	length = flag.Duration("length", 8*time.Second, "how long faults are drawn in a round")
)

const (
	suspect  = 200 * time.Millisecond
	waitMost = 60 * time.Second
	callers  = 4
)

// process is one life of a server or of the witness.
type process struct {
	cmd     *exec.Cmd
	input   io.Closer
	output  bytes.Buffer
	gone    chan struct{}
	stopped bool
}

// world is two servers, and for a pair a witness, on a segment, and clients in this process.
type world struct {
	*testing.T
	style  holdfast.Style
	memory bool // only epochs are on a disk
	kills  bool // nothing else happens but that all are killed
	names  []string
	dir    string
	net    *segment.Segment
	chance *rand.Rand
	lives  []*process
	at     map[string]*process // the present life of each

	mu      sync.Mutex
	begin   time.Time
	facts   []judges.Fact
	longest time.Duration // that a call took
}

func newWorld(t *testing.T, style holdfast.Style, memory bool, seed uint64) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, and CI must skip nothing")
		}
		t.Skip("needs root, to make network namespaces: run sudo -E go test ./internal/lab/servers")
	}
	w := &world{T: t, style: style, memory: memory, names: []string{"a", "b"}, chance: rand.New(rand.NewPCG(seed, 3)), at: map[string]*process{}, begin: time.Now()}
	if style == holdfast.Pair {
		w.names = append(w.names, "w")
	}
	var err error
	w.dir, err = os.MkdirTemp("", "holdfast-servers-")
	w.must(err)
	w.net, err = segment.Open(w.names...)
	w.must(err)
	t.Cleanup(w.end)
	_, err = key.Create(w.path("key"), "test")
	w.must(err)
	for _, name := range w.names {
		w.start(name)
	}
	w.await("a whole pair", func() bool { return w.whole("a") && w.whole("b") })
	return w
}

func (w *world) end() {
	for _, p := range w.lives {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.gone
		if w.Failed() {
			w.Logf("a process has said: %s", p.output.String())
		}
	}
	if err := w.net.Close(); err != nil {
		w.Error(err)
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

// start begins a life of a process.
func (w *world) start(name string) {
	w.Helper()
	s := settings{Style: w.style, Data: w.path(name + ".data"), Node: holdfast.Config{
		Cluster: "campaign", Name: name, Members: map[string][]string{}, Witnesses: w.names[2:], KeyFile: w.path("key"),
		Heartbeat: suspect / 10, SuspectAfter: suspect, Control: w.path(name + ".ctl"),
	}}
	if name != "w" {
		s.Socket = w.path(name + ".sock")
	}
	if w.memory {
		s.Durability = "memory"
	}
	if w.style == holdfast.Checkpointed {
		s.Data = w.path("store")
	}
	for _, n := range w.names {
		s.Node.Members[n] = []string{w.net.Machine(n).Address() + ":7400"}
	}
	p := &process{cmd: exec.Command("/proc/self/exe"), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), role+"=yes")
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	in, err := p.cmd.StdinPipe()
	w.must(err)
	p.input = in
	w.must(w.net.Machine(name).Start(p.cmd))
	go func() {
		_ = p.cmd.Wait() // what it says is in the output
		close(p.gone)
	}()
	w.at[name], w.lives = p, append(w.lives, p)
	w.must(json.NewEncoder(in).Encode(s))
}

// whole says whether a server says that both have the state.
func (w *world) whole(name string) bool {
	if w.at[name].stopped {
		return false
	}
	c, err := control.Dial(w.path(name + ".ctl"))
	if err != nil {
		return false
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := c.Groups(ctx)
	return err == nil && len(s.Groups) == 1 && s.Groups[0].Two != nil && s.Groups[0].Two.Whole
}

func (w *world) await(what string, is func() bool) {
	w.Helper()
	for end := time.Now().Add(waitMost); !is(); w.run(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("after %v there is not %s", waitMost, what)
		}
	}
}

// run lets everybody go on for a time, and sees that nobody ends by itself.
func (w *world) run(d time.Duration) {
	w.Helper()
	<-time.After(d)
	for name, p := range w.at {
		select {
		case <-p.gone:
			w.Fatalf("%s has ended by itself: %s", name, p.output.String())
		default:
		}
	}
}

// step draws something that happens, and says what.
func (w *world) step() string {
	name := w.names[w.chance.IntN(len(w.names))]
	p := w.at[name]
	if w.kills || !w.memory && w.chance.IntN(8) == 0 {
		for _, name := range w.names {
			w.must(w.at[name].cmd.Process.Kill())
		}
		for _, name := range w.names {
			<-w.at[name].gone
			w.start(name)
		}
		return "kill all"
	}
	switch w.chance.IntN(9) {
	case 0, 1, 2:
		other := map[string]string{"a": "b", "b": "a", "w": ""}[name]
		if other != "" && w.memory { // the state is in memory: the other must have it, and this one not be about to go on alone
			w.must(w.net.Mend())
			w.run(suspect / 4)
			w.await("a whole pair", func() bool { return w.whole(other) && w.whole(name) })
		}
		w.must(p.cmd.Process.Kill())
		<-p.gone
		w.start(name)
		return "kill " + name
	case 3, 4:
		if p.stopped {
			return ""
		}
		d := time.Duration(w.chance.Int64N(int64(4 * suspect)))
		w.must(p.cmd.Process.Signal(syscall.SIGSTOP))
		p.stopped = true
		w.run(d)
		w.wake(p)
		return fmt.Sprintf("stop %s for %v", name, d)
	case 5:
		w.must(w.net.Split([]string{name}, slices.DeleteFunc(slices.Clone(w.names), func(n string) bool { return n == name })))
		return "cut off " + name
	case 6:
		w.must(w.net.Cut("a", "b", w.chance.IntN(3) > 0))
		return "cut a from b"
	case 7:
		percent := float64(w.chance.IntN(15))
		w.must(w.net.Lose(percent))
		return fmt.Sprintf("lose %g%%", percent)
	}
	w.must(w.net.Mend())
	return "mend"
}

func (w *world) wake(p *process) {
	w.must(p.cmd.Process.Signal(syscall.SIGCONT))
	p.stopped = false
}

// hear takes a fact of a client down.
func (w *world) hear(f judges.Fact) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.At = time.Since(w.begin)
	w.facts = append(w.facts, f)
}

// ask makes calls as a client until ctx is done, and says how many were answered.
func (w *world) ask(ctx context.Context, number int, sockets []string, answered *int) error {
	k, err := client.Dial(client.Config{Servers: sockets, RetryMax: 80 * time.Millisecond, Lease: time.Minute})
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = k.Close(last) // the session ends by its lease, too
	}()
	chance := rand.New(rand.NewPCG(uint64(number), 9))
	for call := uint64(1); ctx.Err() == nil; call++ {
		f := judges.Fact{Kind: judges.Called, Client: number, Call: call, Op: judges.Add, Key: uint32(chance.IntN(cellCount)), Value: chance.Uint64()}
		w.hear(f)
		began := time.Now()
		within, cancel := context.WithTimeout(context.Background(), waitMost)
		b, err := k.Call(within, client.ExactlyOnce, binary.BigEndian.AppendUint64([]byte{byte(f.Key)}, f.Value))
		cancel()
		if err != nil {
			return fmt.Errorf("client %d: call %d: %w", number, call, err)
		}
		if len(b) != 8 {
			return fmt.Errorf("client %d: call %d is answered with %d bytes", number, call, len(b))
		}
		w.hear(judges.Fact{Kind: judges.Answered, Client: number, Call: call, Value: binary.BigEndian.Uint64(b)})
		w.mu.Lock()
		*answered++
		w.longest = max(w.longest, time.Since(began))
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(chance.IntN(20)) * time.Millisecond):
		}
	}
	return nil
}

// sentence has the judges hear what clients were answered.
func (w *world) sentence() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts = append(w.facts, judges.Fact{At: time.Since(w.begin), Kind: judges.Ended})
	slices.SortStableFunc(w.facts, func(a, b judges.Fact) int { return cmp.Compare(a.At, b.At) })
	ledger := judges.NewLedger(judges.Setting{})
	court := judges.NewCourt(ledger, judges.Linearizability(ledger))
	for i := range w.facts {
		court.Hear(&w.facts[i])
	}
	if v := court.Violation(); v != nil {
		return v
	}
	return nil
}

// TestTwoServersBreakNoPromise runs for some sixty seconds. To go on for longer:
//
//	sudo -E go test ./internal/lab/servers -from 100 -rounds 50 -timeout 2h
func TestTwoServersBreakNoPromise(t *testing.T) {
	for _, x := range []struct {
		name   string
		style  holdfast.Style
		memory bool
	}{{"pair", holdfast.Pair, false}, {"pair in memory", holdfast.Pair, true}, {"checkpointed", holdfast.Checkpointed, false}} {
		for seed := *from; seed < *from+uint64(*rounds); seed++ {
			t.Run(fmt.Sprint(x.name, ", seed ", seed), func(t *testing.T) { campaign(newWorld(t, x.style, x.memory, seed)) })
		}
	}
}

// TestBothServersKilled: whatever was answered before both are killed, again and again and with calls under way, is there when they are back.
func TestBothServersKilled(t *testing.T) {
	w := newWorld(t, holdfast.Pair, false, *from)
	w.kills = true
	campaign(w)
}

// campaign draws faults for a time, and has what clients were answered judged.
func campaign(w *world) {
	t := w.T
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var all sync.WaitGroup
	var answered [callers]int
	errs := make([]error, callers)
	for i := range callers {
		sockets := [][]string{{"a.sock", "b.sock"}, {"b.sock", "a.sock"}, {"a.sock"}, {"b.sock"}}[i]
		for k := range sockets {
			sockets[k] = w.path(sockets[k])
		}
		all.Go(func() {
			err := w.ask(ctx, i+1, sockets, &answered[i])
			w.mu.Lock()
			defer w.mu.Unlock()
			errs[i] = err
		})
	}
	var did []string
	for end := time.Now().Add(*length); time.Now().Before(end); {
		if what := w.step(); what != "" {
			did = append(did, what)
		}
		w.run(time.Duration(20+w.chance.IntN(400)) * time.Millisecond)
	}
	w.must(w.net.Mend())
	calm := time.Now()
	w.await("a whole pair", func() bool { return w.whole("a") && w.whole("b") })
	count := func() (n [callers]int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return answered
	}
	before := count()
	w.await("every client answered again", func() bool {
		after := count()
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := range after {
			if after[i] < before[i]+3 && errs[i] == nil {
				return false
			}
		}
		return true
	})
	t.Logf("%q; whole, and every client answered again %v after the last fault", did, time.Since(calm).Round(time.Millisecond))
	stop()
	all.Wait()
	w.must(errors.Join(errs...))
	t.Logf("%v calls of the clients are answered; the longest took %v", count(), w.longest.Round(time.Millisecond))
	w.must(w.sentence())
}

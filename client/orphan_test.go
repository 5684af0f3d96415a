package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/internal/lab/trio"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// works is where jobs are done, as the test sees it. A job ends when it is released by its body, or told to.
type works struct {
	mu       sync.Mutex
	begun    map[string]int
	ended    map[string]string // why it was told to end; "": it was released
	released map[string]chan struct{}
	epochs   []uint64
}

func (w *works) door(body string) chan struct{} {
	if w.released[body] == nil {
		w.released[body] = make(chan struct{})
	}
	return w.released[body]
}

func (w *works) run(ctx context.Context, j holdfast.Job) ([]byte, error) {
	body := string(j.Body)
	w.mu.Lock()
	w.begun[body]++
	w.epochs = append(w.epochs, j.Epoch)
	door := w.door(body)
	w.mu.Unlock()
	why := ""
	select {
	case <-door:
	case <-ctx.Done():
		why = context.Cause(ctx).Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[body] = why
	if why != "" {
		return nil, context.Cause(ctx)
	}
	if body == "fails" {
		return nil, errors.New("out of paper")
	}
	return []byte(body + " done"), nil
}

func (w *works) release(body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.door(body))
}

// runs says whether a job has been begun, and not ended.
func (w *works) runs(body string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ended := w.ended[body]
	return w.begun[body] > 0 && !ended
}

// fate is why a job was told to end.
func (w *works) fate(body string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	why, ended := w.ended[body]
	return why, ended
}

// shop is three members that take jobs.
func shop(t *testing.T, jobs holdfast.Jobs) (*trio.Trio, *works) {
	t.Helper()
	w := &works{begun: map[string]int{}, ended: map[string]string{}, released: map[string]chan struct{}{}}
	jobs.Run = w.run
	return trio.New(t, func() session.Service { return &tally{} }, func(cfg *holdfast.ServiceConfig) { cfg.Jobs = &jobs }), w
}

// stopped sums what the members' status says of jobs that were stopped.
func stopped(t *testing.T, m *trio.Trio) (answer string, running int, stopped map[string]uint64) {
	t.Helper()
	stopped = map[string]uint64{}
	for i := range 3 {
		var b bytes.Buffer
		if err := m.Status(i, &b); err != nil {
			t.Fatal(err)
		}
		var s struct {
			Groups []struct {
				Service struct {
					Jobs struct {
						Orphans string
						Running int
						Stopped map[string]uint64
					}
				}
			}
		}
		if err := json.Unmarshal(b.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		for _, g := range s.Groups {
			answer = g.Service.Jobs.Orphans
			running += g.Service.Jobs.Running
			for why, n := range g.Service.Jobs.Stopped {
				stopped[why] += n
			}
		}
	}
	return answer, running, stopped
}

// passes waits, while something must stay as it is.
func passes(t *testing.T, d time.Duration, what string, is func() bool) {
	t.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if !is() {
			t.Fatalf("not %s any more", what)
		}
		select {
		case <-end.C:
			return
		case <-again.C:
		}
	}
}

// ends waits until a job was told to end, and wants to hear why.
func (w *works) ends(t *testing.T, body, why string) {
	t.Helper()
	await(t, body+" ended", func() bool { _, ended := w.fate(body); return ended })
	if got, _ := w.fate(body); !strings.Contains(got, why) {
		t.Errorf("%s has ended: %q; it should be: %s", body, got, why)
	}
}

func TestExtermination(t *testing.T) {
	m, w := shop(t, holdfast.Jobs{Orphans: holdfast.Extermination})
	o := order{Servers: m.Sockets, Identity: "billing", Notes: filepath.Join(t.TempDir(), "notes"), Jobs: []string{"a", "b", "short"}}
	w.release("short")
	first := begin(t, o)
	first.hears("short: short done <nil>")
	other := begin(t, order{Servers: m.Sockets, Identity: "other", Jobs: []string{"c"}})
	await(t, "running", func() bool { return w.runs("a") && w.runs("b") && w.runs("c") })
	first.signal(syscall.SIGKILL)
	passes(t, 200*time.Millisecond, "running without a client", func() bool { return w.runs("a") && w.runs("b") })
	o.Jobs = []string{"d"}
	begin(t, o)
	w.ends(t, "a", "its client has named it after a restart")
	w.ends(t, "b", "its client has named it after a restart")
	await(t, "running", func() bool { return w.runs("d") })
	passes(t, 100*time.Millisecond, "running, which others have not named", func() bool { return w.runs("c") && w.runs("d") })
	answer, running, ends := stopped(t, m)
	if answer != "extermination" || running != 2 || ends["its client has named it after a restart"] != 2 {
		t.Errorf("status says %s, %d run, stopped %v", answer, running, ends)
	}
	w.release("c")
	other.hears("c: c done <nil>")
}

func TestReincarnation(t *testing.T) {
	m, w := shop(t, holdfast.Jobs{Orphans: holdfast.Reincarnation})
	o := order{Servers: m.Sockets, Identity: "billing", Jobs: []string{"a"}}
	first := begin(t, o)
	await(t, "running", func() bool { return w.runs("a") })
	first.signal(syscall.SIGKILL)
	passes(t, 200*time.Millisecond, "running without a client", func() bool { return w.runs("a") })
	o.Jobs = []string{"b"}
	second := begin(t, o)
	w.ends(t, "a", "its client has a new life")
	await(t, "running", func() bool { return w.runs("b") })
	// A third life while the second is alive, and stands still: what the second asks for later is an orphan.
	second.signal(syscall.SIGSTOP)
	o.Jobs = nil
	begin(t, o)
	w.ends(t, "b", "its client has a new life")
	second.signal(syscall.SIGCONT)
	second.hears("its client has a new life")
	if answer, _, ends := stopped(t, m); answer != "reincarnation" || ends["its client has a new life"] != 2 {
		t.Errorf("status says %s, %v", answer, ends)
	}
}

func TestGentleReincarnation(t *testing.T) {
	m, w := shop(t, holdfast.Jobs{Orphans: holdfast.GentleReincarnation, Locate: time.Second})
	o := order{Servers: m.Sockets, Identity: "billing", Jobs: []string{"a"}}
	first := begin(t, o)
	await(t, "running", func() bool { return w.runs("a") })
	// Its owner is alive when another life comes: it is found, and the job goes on.
	o.Jobs = nil
	second := begin(t, o)
	passes(t, 1500*time.Millisecond, "running for an owner that lives", func() bool { return w.runs("a") })
	second.signal(syscall.SIGKILL)
	first.signal(syscall.SIGKILL)
	passes(t, 500*time.Millisecond, "running while no life has begun", func() bool { return w.runs("a") })
	// Both are dead. The third life wants it.
	o.Owns = []uint64{1}
	third := begin(t, o)
	passes(t, 1500*time.Millisecond, "running for a life that wants it", func() bool { return w.runs("a") })
	w.release("a")
	third.hears("resumed 1: a done <nil>")

	o.Owns, o.Jobs = nil, []string{"b"}
	third.signal(syscall.SIGKILL)
	fourth := begin(t, o)
	await(t, "running", func() bool { return w.runs("b") })
	fourth.signal(syscall.SIGKILL)
	o.Jobs = nil
	begin(t, o)
	w.ends(t, "b", "its owner was not found")
	if answer, _, ends := stopped(t, m); answer != "gentle reincarnation" || ends["its owner was not found"] != 1 {
		t.Errorf("status says %s, %v", answer, ends)
	}
}

func TestExpiration(t *testing.T) {
	const quantum = time.Second
	m, w := shop(t, holdfast.Jobs{Quantum: quantum})
	o := order{Servers: m.Sockets, Identity: "billing", Jobs: []string{"a"}}
	first := begin(t, o)
	await(t, "running", func() bool { return w.runs("a") })
	passes(t, 2*quantum, "running for a client that lives", func() bool { return w.runs("a") })
	first.signal(syscall.SIGKILL)
	from := time.Now()
	w.ends(t, "a", "it was not granted another quantum")
	if d := time.Since(from); d > 10*quantum {
		t.Errorf("an orphan runs for %v; its quantum is %v", d, quantum)
	}
	// One that stands still is not told from one that is dead; it hears of it.
	o.Jobs = []string{"b"}
	second := begin(t, o)
	await(t, "running", func() bool { return w.runs("b") })
	second.signal(syscall.SIGSTOP)
	w.ends(t, "b", "it was not granted another quantum")
	second.signal(syscall.SIGCONT)
	second.hears("it was not granted another quantum (the client crashed, as the service sees it)")
	if answer, _, ends := stopped(t, m); answer != "expiration" || ends["it was not granted another quantum"] != 2 {
		t.Errorf("status says %s, %v", answer, ends)
	}
}

// fails wants a job's error.
func fails(t *testing.T, err error, outcome client.Outcome, class client.Class, text string) {
	t.Helper()
	var e *client.JobError
	if !errors.As(err, &e) || e.Outcome != outcome || e.Class != class || !strings.Contains(err.Error(), text) {
		t.Errorf("%v (%+v); want %v, %v, %q", err, e, outcome, class, text)
	}
}

func TestJobs(t *testing.T) {
	m, w := shop(t, holdfast.Jobs{Most: 1})
	c := dial(t, client.Config{Servers: m.Sockets, Identity: "web"})
	w.release("x")
	w.release("fails")
	if b, err := c.Run(within(t), []byte("x")); string(b) != "x done" || err != nil {
		t.Fatal(string(b), err)
	}
	_, err := c.Run(within(t), []byte("fails"))
	fails(t, err, client.Executed, 0, "out of paper")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Run(ctx, []byte("overdue"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	await(t, "stopped", func() bool { return !w.runs("overdue") })
	ctx, cancel = context.WithCancel(context.Background())
	came := make(chan error, 1)
	go func() {
		_, err := c.Run(ctx, []byte("unwanted"))
		came <- err
	}()
	await(t, "running", func() bool { return w.runs("unwanted") })
	cancel()
	err = <-came
	fails(t, err, client.Executed, 0, "it was cancelled")
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}

	// Each member does one at a time: three go to three, the fourth waits for room.
	ended := make(chan error, 4)
	for i := range 4 {
		go func() {
			_, err := c.Run(within(t), fmt.Appendf(nil, "job %d", i))
			ended <- err
		}()
	}
	count := func() (n int) {
		for i := range 4 {
			if w.runs(fmt.Sprint("job ", i)) {
				n++
			}
		}
		return n
	}
	await(t, "running", func() bool { return count() == 3 })
	passes(t, 100*time.Millisecond, "full", func() bool { return count() == 3 })
	for i := range 4 {
		w.release(fmt.Sprint("job ", i))
	}
	for range 4 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for body, n := range w.begun {
		if n != 1 {
			t.Errorf("%s was begun %d times", body, n)
		}
	}
	for _, epoch := range w.epochs {
		if epoch == 0 {
			t.Error("a job has no epoch")
		}
	}
}

// TestAJobEndsWithItsMember: and its client is told that nobody knows how far it came, if the member could not say.
func TestAJobEndsWithItsMember(t *testing.T) {
	m, w := shop(t, holdfast.Jobs{})
	c := dial(t, client.Config{Servers: m.Sockets[:1], Identity: "web"})
	came := make(chan error, 1)
	go func() {
		_, err := c.Run(within(t), []byte("x"))
		came <- err
	}()
	await(t, "running", func() bool { return w.runs("x") })
	if err := m.Stop(0); err != nil {
		t.Fatal(err)
	}
	fails(t, <-came, client.Executed, 0, "the service ends at that member")
	w.ends(t, "x", "the service ends here")
	var err error
	await(t, "without a member", func() bool { // the connection may look well for a moment
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err = c.Run(ctx, []byte("y"))
		return errors.Is(err, context.DeadlineExceeded)
	})
	fails(t, err, client.NotExecuted, client.ServerNotFound, "no member has taken it")
	if err := m.Start(0); err != nil {
		t.Fatal(err)
	}
	w.release("z")
	if b, err := c.Run(within(t), []byte("z")); string(b) != "z done" || err != nil {
		t.Error(string(b), err)
	}

	o := order{Serve: filepath.Join(t.TempDir(), "alone.sock")}
	member := begin(t, o)
	k := dial(t, client.Config{Servers: []string{o.Serve}, Identity: "web"})
	go func() {
		_, err := k.Run(within(t), []byte("x"))
		came <- err
	}()
	member.hears("begun x")
	member.signal(syscall.SIGKILL)
	fails(t, <-came, client.Unknown, client.ServerCrashed, "has died")
}

// TestAJobEndsWhenItsMemberIsCutOff: a member that does not hear enough others to go on does not go on with its jobs, and begins none
// until it does.
func TestAJobEndsWhenItsMemberIsCutOff(t *testing.T) {
	m, w := shop(t, holdfast.Jobs{Quantum: time.Minute})
	c := dial(t, client.Config{Servers: m.Sockets[:1], Identity: "web"})
	came := make(chan error, 1)
	go func() {
		_, err := c.Run(within(t), []byte("x"))
		came <- err
	}()
	await(t, "running", func() bool { return w.runs("x") })
	if err := m.Stop(1); err != nil {
		t.Fatal(err)
	}
	passes(t, time.Second, "running in a view without one", func() bool { return w.runs("x") })
	if err := m.Stop(2); err != nil {
		t.Fatal(err)
	}
	fails(t, <-came, client.Executed, 0, "was cut off from the others")
	w.ends(t, "x", "this member is cut off, or has been expelled")
	short, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err := c.Run(short, []byte("y"))
	fails(t, err, client.NotExecuted, client.ServerNotFound, "it does not serve now")
	for i := 1; i <= 2; i++ {
		if err := m.Start(i); err != nil {
			t.Fatal(err)
		}
	}
	w.release("z")
	if b, err := c.Run(within(t), []byte("z")); string(b) != "z done" || err != nil {
		t.Error(string(b), err)
	}
	if _, _, why := stopped(t, m); why["this member is cut off, or has been expelled, and another may do the work"] != 1 {
		t.Error(why)
	}
}

// TestAJobOutlivesItsConnection: what ends while the connection is down is told when it is up again, and what goes on
// is heard of at its end.
func TestAJobOutlivesItsConnection(t *testing.T) {
	m, w := shop(t, holdfast.Jobs{Quantum: 20 * time.Second})
	path := filepath.Join(t.TempDir(), "cut.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var all sync.WaitGroup
	cut := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			_ = c.Close()
		}
		open = nil
	}
	mayPass := make(chan struct{}, 100)
	mayPass <- struct{}{}
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			<-mayPass
			far, err := net.Dial("unix", m.Sockets[0])
			if err != nil {
				_ = near.Close()
				continue
			}
			mu.Lock()
			open = append(open, near, far)
			mu.Unlock()
			all.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
			all.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(mayPass)
		cut()
		all.Wait()
	})
	c := dial(t, client.Config{Servers: []string{path}, Identity: "web"})
	came := map[string]chan error{"x": make(chan error, 1), "y": make(chan error, 1)}
	for body, ch := range came {
		go func() {
			b, err := c.Run(within(t), []byte(body))
			if err == nil && string(b) != body+" done" {
				err = errors.New(string(b))
			}
			ch <- err
		}()
	}
	await(t, "running", func() bool { return w.runs("x") && w.runs("y") })
	cut()
	w.release("x")
	await(t, "ended", func() bool { _, ended := w.fate("x"); return ended })
	mayPass <- struct{}{}
	if err := <-came["x"]; err != nil {
		t.Error(err)
	}
	w.release("y")
	if err := <-came["y"]; err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongWithJobs(t *testing.T) {
	if _, err := dial(t, client.Config{Servers: []string{"x"}}).Run(within(t), nil); err == nil || !strings.Contains(err.Error(), "Config.Identity") {
		t.Error(err)
	}
	notes := filepath.Join(t.TempDir(), "notes")
	c := dial(t, client.Config{Servers: []string{"x"}, Identity: "a", Notes: notes})
	if _, err := c.Run(within(t), make([]byte, client.BodyMax+1)); err == nil || !strings.Contains(err.Error(), "1048321 bytes") {
		t.Error(err)
	}
	for what, cfg := range map[string]client.Config{
		"no identity":        {Servers: []string{"x"}, Notes: notes + "2"},
		"a long identity":    {Servers: []string{"x"}, Identity: strings.Repeat("x", 100)},
		"notes in use":       {Servers: []string{"x"}, Identity: "a", Notes: notes},
		"notes of no folder": {Servers: []string{"x"}, Identity: "a", Notes: "/no/folder/notes"},
	} {
		if c, err := client.Dial(cfg); err == nil {
			_ = c.Close(context.Background())
			t.Errorf("%s is taken", what)
		}
	}
	m := members(t) // who take no jobs
	_, err := dial(t, client.Config{Servers: m.Sockets, Identity: "a"}).Run(within(t), nil)
	fails(t, err, client.NotExecuted, 0, "takes no jobs")
}

package cohort_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/internal/lab/cohort"
	"github.com/holdfast-ha/holdfast/internal/lab/segment"
)

const (
	// role makes the test binary, run again by a test, the program of a member.
	role = "HOLDFAST_TEST_ROLE"

	// stranger is a machine of the segment that is no member's. Guests have names that
	// begin so: they are members by configuration, without votes.
	stranger = "x"

	port = 7400

	// waitMost bounds every wait for something that must come.
	waitMost = 30 * time.Second

	pollEvery = 5 * time.Millisecond
	tailSize  = 14 // records of each life that a failure shows
	rate      = 60 // messages a second of each member
)

func TestMain(m *testing.M) {
	if os.Getenv(role) == "member" {
		if err := cohort.Run(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root, and CI must skip nothing")
	}
	t.Skip("needs root, to make network namespaces: run sudo -E go test ./internal/lab/cohort")
}

// shape is what does not change in a world.
type shape struct {
	members   int
	transport string // udp, multicast or tcp
	engine    string
	partition string
	insecure  bool
	suspect   time.Duration // 0 for 200 ms
	queue     int           // GroupConfig.QueueMax
	ballast   int           // bytes of state
	guests    int           // configured members without votes, that run when a test wants it
	witness   bool          // the last member is one
	stateless bool          // the group has no state
}

// String names a shape, for a test of it.
func (s shape) String() string {
	name := fmt.Sprintf("%d %s", s.members, s.transport)
	for _, word := range []string{s.engine, s.partition} {
		if word != "" {
			name += " " + word
		}
	}
	return name
}

// world is some processes on a segment, and what they recorded.
type world struct {
	*testing.T
	shape
	roster
	dir     string
	net     *segment.Segment
	chance  *rand.Rand
	lives   []*life          // all there were
	current map[string]*life // the one that runs, or ran last
	seeds   uint64
}

// newWorld builds the segment. Its members do not run yet.
func newWorld(t *testing.T, s shape, seed uint64) *world {
	t.Helper()
	needRoot(t)
	if s.suspect == 0 {
		s.suspect = 200 * time.Millisecond
	}
	w := &world{T: t, shape: s, chance: rand.New(rand.NewPCG(seed, 1)), current: map[string]*life{}, seeds: seed}
	for i := range s.members {
		w.names = append(w.names, string(rune('a'+i)))
	}
	if s.witness {
		w.witnesses = w.names[len(w.names)-1:]
	}
	var err error
	if w.dir, err = os.MkdirTemp("", "holdfast-cohort-"); err != nil {
		t.Fatal(err)
	}
	if w.net, err = segment.Open(slices.Concat(w.names, []string{stranger}, w.guestNames())...); err != nil {
		t.Fatal(err)
	}
	if _, err := key.Create(w.path("key"), "test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	return w
}

func (w *world) guestNames() (names []string) {
	for i := range w.guests {
		names = append(names, fmt.Sprint(stranger, i+1))
	}
	return names
}

// end ends everything, and keeps the histories of a failure.
func (w *world) end() {
	for _, l := range w.lives {
		l.process.Kill()
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

// settings are those of a member.
func (w *world) settings(name string) cohort.Settings {
	w.seeds++
	c := holdfast.Config{
		Cluster: "campaign", Name: name, Members: map[string][]string{}, Votes: map[string]int{}, Witnesses: w.witnesses, KeyFile: w.path("key"), Transport: "udp",
		Heartbeat: w.suspect / 10, SuspectAfter: w.suspect,
	}
	if w.insecure {
		c.KeyFile, c.Insecure = "", true
	}
	switch w.transport {
	case "tcp":
		c.Transport = "tcp"
	case "multicast":
		c.Multicast = []string{"239.1.2.3:7401"}
	}
	for _, n := range w.guestNames() {
		c.Votes[n] = 0
	}
	for _, n := range slices.Concat(w.names, w.guestNames()) {
		c.Members[n] = []string{fmt.Sprintf("%s:%d", w.net.Machine(n).Address(), port)}
	}
	file := w.path(fmt.Sprintf("%s-%d", name, len(w.lives)))
	return cohort.Settings{
		Node: c, Group: "campaign", Partition: w.partition, Engine: w.engine, QueueMax: w.queue,
		Ballast: w.ballast, Stateless: w.stateless,
		History: file + ".json", Log: file + ".log", Rate: rate, Largest: 200_000, Seed: w.seeds,
	}
}

// launch starts a life of a member with its own settings, on a machine, which is not in
// the group yet.
func (w *world) launch(machine string, s cohort.Settings) *life {
	w.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), role+"=member")
	p, err := cohort.Start(w.net.Machine(machine), cmd, s)
	w.must(err)
	return &life{name: s.Node.Name, process: p, open: map[uint64]bool{}}
}

// start starts new lives of members, and has them join.
func (w *world) start(names ...string) {
	w.Helper()
	for _, name := range names {
		w.startAs(w.settings(name))
	}
}

func (w *world) startAs(s cohort.Settings) *life {
	w.Helper()
	l := w.launch(s.Node.Name, s)
	w.lives = append(w.lives, l)
	w.current[l.name] = l
	w.tell("join", l.name)
	return l
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.fail("%v", err)
	}
}

func (w *world) tell(command string, names ...string) {
	w.Helper()
	for _, name := range names {
		w.must(w.current[name].process.Tell(command))
	}
}

// fail ends the test with what was recorded last.
func (w *world) fail(format string, args ...any) {
	w.Helper()
	w.Errorf(format, args...)
	w.Logf("now it is %v", cohort.Now())
	for _, name := range w.names {
		l := w.current[name]
		if l == nil {
			continue
		}
		if l.process.Ended == 0 {
			_ = l.process.Signal(syscall.SIGCONT)
			_ = l.process.Tell("status") // for the history
		}
	}
	w.run(300 * time.Millisecond)
	for _, name := range w.names {
		if l := w.current[name]; l != nil {
			w.Log(l.tail(tailSize))
			if l.process.Kill(); l.process.Output() != "" {
				w.Logf("%s wrote: %s", name, l.process.Output())
			}
		}
	}
	w.FailNow()
}

// poll reads all histories until a condition holds; false if it does not in time.
func (w *world) poll(within time.Duration, done func() bool) bool {
	limit := time.NewTimer(within)
	defer limit.Stop()
	again := time.NewTicker(pollEvery)
	defer again.Stop()
	for {
		for _, l := range w.lives {
			if err := l.read(); err != nil {
				w.Error(err)
				w.FailNow()
			}
			if p := l.process; p.Ended == 0 && p.IsGone() {
				p.Kill() // notes the end
				w.Fatalf("%s ended by itself, and wrote: %s", l.name, p.Output())
			}
		}
		if done() {
			return true
		}
		select {
		case <-again.C:
		case <-limit.C:
			return done()
		}
	}
}

// await waits for what must come.
func (w *world) await(what string, done func() bool) {
	w.Helper()
	if !w.poll(waitMost, done) {
		w.fail("after %v: still not %s", waitMost, what)
	}
}

// run lets everybody go on for a time.
func (w *world) run(d time.Duration) { w.poll(d, func() bool { return false }) }

// together says whether these are in one view, which has nobody else and goes on.
func (w *world) together(names ...string) bool {
	first := w.current[names[0]].view
	for _, name := range names {
		l := w.current[name]
		if !l.willing || l.view == nil || l.blocked || l.view.View != first.View || len(l.view.Members) != len(names) {
			return false
		}
		at := slices.Index(l.view.Members, name)
		if at < 0 || l.view.Incarnations[at] != l.incarnation {
			return false
		}
	}
	return true
}

func (w *world) awaitTogether(names ...string) {
	w.Helper()
	w.await("in one view: "+strings.Join(names, " "), func() bool { return w.together(names...) })
}

// found starts everybody and waits until they are in one view.
func (w *world) found() {
	w.Helper()
	w.start(w.names...)
	w.awaitTogether(w.names...)
}

// others are the members but some.
func (w *world) others(but ...string) []string {
	return slices.DeleteFunc(slices.Clone(w.names), func(n string) bool { return slices.Contains(but, n) })
}

// seniors are the members in order of seniority, as a view that all have has them.
func (w *world) seniors() []string {
	w.Helper()
	w.awaitTogether(w.names...)
	return w.current[w.names[0]].view.Members
}

func (w *world) signal(s syscall.Signal, names ...string) {
	w.Helper()
	for _, name := range names {
		w.must(w.current[name].process.Signal(s))
	}
}

// kill kills members at once, waits for the view without them, and says how long each
// survivor took to it.
func (w *world) kill(names ...string) {
	w.Helper()
	from := map[string]time.Duration{}
	var at time.Duration
	for _, name := range names {
		at = w.current[name].process.Kill()
	}
	survivors := slices.DeleteFunc(w.others(names...), func(n string) bool { return w.current[n].view == nil })
	without := func(v *cohort.Record) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(v.Members, n) })
	}
	w.await("in a view without "+strings.Join(names, " "), func() bool {
		for _, name := range survivors {
			l := w.current[name]
			for _, v := range l.since(at, cohort.Viewed) {
				if _, known := from[name]; !known && without(&v) {
					from[name] = v.At - at
				}
			}
			// Who got no processor for so long was missed before it was killed.
			if v := l.view; v != nil && v.At < at && without(v) {
				from[name] = 0
			}
		}
		return len(from) == len(survivors)
	})
	bound := 2*w.suspect + 20*time.Millisecond
	worst := slices.Max(slices.Collect(maps.Values(from)))
	w.Logf("kill -9 of %s: the new view came after %v (bound %v)", strings.Join(names, " "), rounded(from), bound)
	// The promise is for processes that get a processor when they want one.
	if worst > 10*bound {
		w.fail("the new view took %v after a kill; %v is promised, and ten times as much is allowed to a busy machine", worst, bound)
	}
}

func rounded(from map[string]time.Duration) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(from)) {
		fmt.Fprintf(&b, "%s %v, ", name, from[name].Round(100*time.Microsecond))
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// settled says whether every message is delivered by all.
func (w *world) settled() bool {
	if !w.together(w.names...) {
		return false
	}
	for _, name := range w.speakers() {
		if l := w.current[name]; len(l.open) > 0 || l.inView != w.current[w.names[0]].inView {
			return false
		}
	}
	return true
}

// speakers are the members that are no witnesses.
func (w *world) speakers() []string { return w.others(w.witnesses...) }

// calm ends all faults, waits until everybody is in one view and everything is delivered,
// and has all of it judged.
func (w *world) calm() {
	w.Helper()
	w.must(w.net.Mend())
	for _, name := range w.names {
		if l := w.current[name]; l.process.Ended != 0 {
			w.start(name)
		} else {
			w.must(l.process.Signal(syscall.SIGCONT))
			w.must(l.process.Tell("hear"))
			if !l.willing {
				w.tell("join", name)
			}
		}
	}
	calm := cohort.Now()
	w.awaitTogether(w.names...)
	reached := cohort.Now() - calm
	probed := cohort.Now()
	w.tell("rate 0", w.names...)
	w.tell("probe", w.names...)
	w.await("delivered what was multicast", func() bool {
		for _, name := range w.speakers() {
			if l := w.current[name]; len(l.since(probed, cohort.Sent)) < 12 {
				return false
			}
		}
		return w.settled()
	})
	verdict, counts, err := judge(&w.roster, w.lives, w.partition != "all", !w.stateless, calm)
	w.must(err)
	if verdict != nil {
		w.fail("%v", verdict)
	}
	w.Logf("%d lives, %d views told, %d messages, %d deliveries, %d expulsions, %d states given; one view %v after calm",
		counts[group.Booted], counts[group.Viewed], counts[group.Multicast], counts[group.Delivered],
		counts[group.Expelled]+counts[group.Merged], counts[group.Restored], reached.Round(time.Millisecond))
}

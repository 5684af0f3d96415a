package locks_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	judges "github.com/holdfast-ha/holdfast/check/service"
)

// The members of a durable world keep the locks, and a service of cells, on disks: there is nothing that may not happen to them, but
// that disks with half of the votes are lost at once.

const callers = 3

// newDurableWorld is a world with disks, and callers beside the clients. Every third call is long, so that logs grow.
func newDurableWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	return newDurableWorldWith(t, seed, "", holdfast.Active)
}

// newDurableWorldWith is newDurableWorld with a bug planted in all programs, or another style.
func newDurableWorldWith(t *testing.T, seed uint64, bug string, style holdfast.Style) *world {
	t.Helper()
	w := emptyWorld(t, seed)
	w.bug, w.style = bug, style
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs strace, and CI must skip nothing")
		}
		t.Skip("needs strace, to have a sync fail: run apt-get install strace")
	}
	w.backAt = map[string]time.Duration{}
	w.openDisks()
	w.begin()
	for i := range callers {
		padding := 0
		if i == 0 {
			padding = 48 << 10
		}
		w.callers = append(w.callers, w.caller(w.names[i%len(w.names)], padding))
	}
	return w
}

func (w *world) caller(machine string, padding int) *process {
	s := settings{Client: w.serial + 1, Lease: lease, Seed: w.chance.Uint64(), Padding: padding}
	at := slices.Index(w.names, machine)
	for i := range w.names {
		s.Sockets = append(s.Sockets, w.path(w.names[(at+i)%len(w.names)]+".cells"))
	}
	return w.start(machine, "caller", s)
}

// fell takes a member down, for a while.
func (w *world) fell(name string) {
	w.members[name].kill()
	w.backAt[name] = now() + time.Duration(w.chance.Int64N(int64(2*time.Second)))
}

// tend brings back who may come back, and wakes who has slept long enough.
func (w *world) tend() {
	for _, name := range w.names {
		p := w.members[name]
		switch {
		case !p.isGone():
			if !p.stopped.IsZero() && time.Now().After(p.stopped) {
				w.wake(p)
			}
		case w.backAt[name] == 0: // it has ended by itself, as it should
			w.backAt[name] = now() + time.Duration(w.chance.Int64N(int64(2*time.Second)))
		case now() > w.backAt[name]:
			w.clear(name)
			w.backAt[name] = 0
			w.member(name)
		}
	}
	for _, p := range w.clients {
		if !p.stopped.IsZero() && time.Now().After(p.stopped) {
			w.wake(p)
		}
	}
	if w.serve() && now() > w.weakUntil {
		w.weak = ""
	}
}

// mishap draws something that happens to the members, to their disks or to the network, and says what.
func (w *world) mishap() string {
	name := w.names[w.chance.IntN(len(w.names))]
	p := w.members[name]
	up := !p.isGone() && p.doomed == ""
	switch what := w.chance.IntN(16); {
	case what < 3 && up:
		w.fell(name)
		return "kill member"
	case what == 3:
		return w.cutPower()
	case what == 4 && up:
		w.fill(name)
		return "fill the disk"
	case what == 5 && up && !p.tampered && p.stopped.IsZero():
		if w.chance.IntN(2) == 0 {
			w.slowWrites(name)
			return "slow a disk"
		}
		w.breakSyncs(name)
		return "fail syncs"
	case what == 6 && up && w.serves(name):
		return w.ruin(name)
	case what == 7 && up && w.serves(name):
		w.fell(name)
		if w.tear(name) != "" {
			return "tear the log"
		}
		return "kill member"
	case what == 8 && up && p.stopped.IsZero():
		p.stopped = time.Now().Add(time.Duration(w.chance.Int64N(int64(2 * time.Second))))
		w.must(p.cmd.Process.Signal(syscall.SIGSTOP))
		return "stop member"
	case what == 9:
		w.must(w.net.Split([]string{name}, slices.DeleteFunc(slices.Clone(w.names), func(n string) bool { return n == name })))
		return "cut off member"
	case what == 10:
		w.must(w.net.Lose(float64(w.chance.IntN(15))))
		return "lose packets"
	case what == 11:
		w.killClient(w.chance.IntN(len(w.clients)))
		return "kill client"
	case what == 12:
		at := w.chance.IntN(len(w.callers))
		c := w.callers[at]
		c.kill()
		w.callers[at] = w.caller(c.name, c.settings.Padding)
		return "kill caller"
	case what == 13:
		if c := w.clients[w.chance.IntN(len(w.clients))]; c.stopped.IsZero() {
			c.stopped = time.Now().Add(time.Duration(w.chance.Int64N(int64(2 * lease))))
			w.must(c.cmd.Process.Signal(syscall.SIGSTOP))
			return "stop client"
		}
		return ""
	case what > 13:
		w.must(w.net.Mend())
		return "mend the network"
	}
	return ""
}

// cutPower kills all members at once.
func (w *world) cutPower() string {
	for _, name := range w.names {
		if p := w.members[name]; !p.isGone() {
			_ = p.cmd.Process.Kill() // all before one is waited for
			p.killed = now()
		}
	}
	for _, name := range w.names {
		w.fell(name)
	}
	return "cut the power"
}

// ruin takes away what a member has kept, or damages it: then it is refused, and taken away. Not before all have
// everything again after the last time.
func (w *world) ruin(name string) string {
	if w.weak != "" || !w.serve() {
		return ""
	}
	w.fell(name)
	what := "lose a disk"
	if path := w.damage(name); path != "" && w.chance.IntN(2) == 0 {
		w.refused(name, path)
		what = "damage the log"
	}
	w.lose(name)
	w.weak, w.weakUntil = name, now()+5*time.Second
	return what
}

// refused starts a member whose log is damaged in a file, and wants it to say so.
func (w *world) refused(name, path string) string {
	w.Helper()
	w.member(name)
	p := w.members[name]
	select {
	case <-p.gone:
	case <-time.After(waitMost):
		w.Fatalf("%s runs though %s is damaged", name, path)
	}
	file := path[strings.LastIndexByte(path, '/')+1:]
	said := p.output.String()
	for _, part := range []string{
		file + ": byte ", ", record ", "; records that were acknowledged are lost here: restore the directory from a copy, or move it away, so that this member begins anew with the state of the others",
	} {
		if !strings.Contains(said, part) {
			w.Fatalf("%s is damaged, and %s does not say %q: %s", path, name, part, said)
		}
	}
	p.killed = now()
	w.backAt[name] = now()
	return said
}

// calmDurable ends the faults of members and disks.
func (w *world) calmDurable() {
	w.Helper()
	w.must(w.net.Mend())
	for _, name := range w.names {
		if p := w.members[name]; p.doomed != "" {
			p.kill() // it may be long until it notices
			w.backAt[name] = now()
		} else if !p.isGone() {
			w.wake(p)
		}
	}
	w.await("all members serving", func() bool { w.tend(); return w.serve() })
	done := w.callers
	w.callers = nil
	w.calm(done...)
}

// answers is how many answers callers have got.
func (w *world) answers() (n int) {
	for _, p := range w.callers {
		records, err := readHistory(p.settings.History)
		w.must(err)
		for i := range records {
			if records[i].Kind == "answered" {
				n++
			}
		}
	}
	return n
}

// more waits until callers have got so many answers more.
func (w *world) more(n int) {
	w.Helper()
	n += w.answers()
	w.await(fmt.Sprint(n, " answers"), func() bool { w.tend(); return w.answers() >= n })
}

// ends waits until a member has ended by itself, saying what it must.
func (w *world) ends(name string) string {
	w.Helper()
	w.await(name+" ended", func() bool { return w.members[name].isGone() })
	return w.members[name].output.String()
}

// TestDisksFail has each fault of a disk happen once, in an order in which each begins from a service that is whole.
func TestDisksFail(t *testing.T) {
	w := newDurableWorld(t, 1)
	w.more(30)

	w.fill("a")
	w.more(200) // the others go on
	t.Logf("full: %s", lastLine(w.ends("a")))
	w.await("a back", func() bool { w.tend(); return w.serve() })

	w.breakSyncs("b")
	t.Logf("failing sync: %s", lastLine(w.ends("b")))
	w.more(30)
	w.await("b back", func() bool { w.tend(); return w.serve() })

	w.cutSlow(3)

	w.more(20) // what is damaged is in the file of this life
	w.fell("c")
	path := w.damage("c")
	if path == "" {
		t.Fatal("there is no log that can be damaged")
	}
	t.Logf("damage: %s", lastLine(w.refused("c", path)))
	w.lose("c")
	w.await("c back", func() bool { w.tend(); return w.serve() })

	w.more(100)
	w.fell("a")
	path = w.tear("a")
	if path == "" {
		t.Fatal("there is no log that can be torn")
	}
	w.await("a back", func() bool { w.tend(); return w.serve() })
	said := w.members["a"].output.String()
	if !strings.Contains(said, "bytes cut at byte") {
		t.Errorf("the log of a was torn, and a does not say what it has cut: %s", said)
	}

	w.cutPower()
	w.lose("b")
	w.await("all back after a power cut, one without its disk", func() bool { w.tend(); return w.serve() })
	w.more(20)
	w.calmDurable()
	w.forge()
}

// forge changes what callers and members have recorded, which the judges found good, in each way that they must see.
func (w *world) forge() {
	type call struct{ client, number uint64 }
	changing, answered := map[call]bool{}, map[call]bool{} // nobody misses a call that changes nothing, or that nobody was answered
	for _, f := range w.cellFacts {
		c := call{uint64(f.Client), f.Call}
		changing[c] = changing[c] || f.Kind == judges.Called && f.Op != judges.Read
		answered[c] = answered[c] || f.Kind == judges.Answered
	}
	for _, f := range []struct {
		what, promise string
		change        func(facts []judges.Fact, at int) []judges.Fact
	}{
		{"an answered call that is not in the state", "execution", func(facts []judges.Fact, at int) []judges.Fact {
			facts = slices.Delete(facts, at, at+1)
			for i := range facts[at:] {
				if f := &facts[at+i]; f.Index != 0 {
					f.Index--
				}
			}
			return facts
		}},
		{"an answer of another state", "linearizability", func(facts []judges.Fact, at int) []judges.Fact {
			i := slices.IndexFunc(facts[at:], func(f judges.Fact) bool { return f.Kind == judges.Answered })
			facts[at+i].Value ^= 1 << 40
			return facts
		}},
		{"a call that is executed twice", "once", func(facts []judges.Fact, at int) []judges.Fact {
			again := facts[at]
			again.Index++
			for i := range facts[at+1:] {
				if f := &facts[at+1+i]; f.Index != 0 {
					f.Index++
				}
			}
			return slices.Insert(facts, at+1, again)
		}},
	} {
		facts := slices.Clone(w.cellFacts)
		at := len(facts) / 2
		at += slices.IndexFunc(facts[at:], func(f judges.Fact) bool {
			c := call{f.Session, f.Number}
			return f.Kind == judges.Executed && changing[c] && answered[c]
		})
		court := judges.NewCourt(judges.All(judges.Setting{})...)
		for _, f := range f.change(facts, at) {
			court.Hear(&f)
		}
		if v := court.Violation(); v == nil || v.Promise != f.promise {
			w.Errorf("%s should break %s; the judges say %v", f.what, f.promise, v)
		}
	}
}

// cutSlow kills all members at once while what they write is on its way to disks that are slow.
func (w *world) cutSlow(times int) {
	w.Helper()
	for range times {
		for _, name := range w.names {
			w.slowWrites(name)
		}
		w.more(20)
		w.cutPower()
		w.await("all back", func() bool { w.tend(); return w.serve() })
		w.more(20)
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// TestDrawnFaultsOfDisksBreakNoPromise goes on for longer with the flags of TestDrawnFaultsBreakNoPromise, and with
// those of TestSoak.
func TestDrawnFaultsOfDisksBreakNoPromise(t *testing.T) {
	for seed := *from; seed < *from+uint64(*rounds); seed++ {
		t.Run(fmt.Sprintf("seed %d %v", seed, styleOf(seed)), func(t *testing.T) {
			w := newDurableWorldWith(t, seed, "", styleOf(seed))
			t.Logf("%q", w.draw(*length))
			w.calmDurable()
		})
	}
}

// draw has mishaps happen for a time, and gives them.
func (w *world) draw(length time.Duration) (did []string) {
	for end := now() + length; now() < end; {
		what := ""
		if w.durable {
			what = w.mishap()
		} else {
			what = w.step()
		}
		if what != "" {
			did = append(did, what)
		}
		w.run(time.Duration(50+w.chance.IntN(500)) * time.Millisecond)
		if w.durable {
			w.tend()
		}
	}
	return did
}

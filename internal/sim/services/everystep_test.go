package services

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/lock"
)

var (
	every = flag.Uint64("every", 0, "strike before every so manieth step only; 1: before each; 0: what CI does")
	at    = flag.Uint64("at", 0, "strike before this step only")
)

// everyCI leaves steps out so that a run in CI takes less than a minute.
const everyCI = 97

// locksCI is by how much more are left out where the service is that of locks, whose runs are longer.
const locksCI = 4

// scene is a short run in which nothing happens but what is struck: the same up to there, whatever that is.
type scene struct {
	style   replicated.Style
	durable bool
	fallen  bool // the most senior member crashes at the beginning, so that the steps are those of succession and of a return
	locks   bool // the service is that of locks, and what it forgets, clients tell it
}

func (s scene) String() string {
	name := []string{"memory", "disks"}[index(s.durable)] + []string{"", "-succession"}[index(s.fallen)] + []string{"", "-locks"}[index(s.locks)]
	return fmt.Sprintf("%v-%s", s.style, name)
}

// members is how many there are: of those in memory two may fall, where one has fallen already.
func (s scene) members() int {
	if s.fallen && !s.durable {
		return 5
	}
	return 3
}

func index(is bool) int {
	if is {
		return 1
	}
	return 0
}

// stride is how many steps there are from one that is struck to the next.
func (s scene) stride() uint64 {
	switch {
	case *every != 0:
		return *every
	case s.locks:
		return locksCI * everyCI
	}
	return everyCI
}

// blow is one fault: what happens to a member before a step, or to a datagram that is a step.
type blow struct {
	name    string
	durable bool // there must be disks
	locks   bool // the service must be that of locks
	do      func(w *services, m *member)
	alter   func(f *simnet.Faults)
	dies    bool // who sends the datagram crashes at it

	client func(c *locker) // what happens to a client of locks
	lose   bool            // the service loses its state, and clients are there to tell it
}

const (
	soon   = 30 * time.Millisecond  // before anybody is missed
	longer = 350 * time.Millisecond // until the others have gone on
)

// flips is the blow after which some judges know nothing.
const flips = "bit-in-memory"

// never is a mean interval of what the world must be ready for, and does not do by itself.
const never = 1000 * time.Hour

// falls crashes a member that may, and boots it after a time.
func falls(power bool, down time.Duration, meanwhile func(w *services, m *member)) func(*services, *member) {
	return func(w *services, m *member) {
		if !m.Up || !w.mayFall(m) {
			return
		}
		w.faults++
		m.crash("is struck", power)
		if meanwhile != nil {
			meanwhile(w, m)
		}
		w.After(down, func() {
			if !m.Up {
				m.boot()
			}
		})
	}
}

// parted cuts a member off from the others for a time: what it sends, what is sent to it, or both.
func parted(out, in bool) func(*services, *member) {
	return func(w *services, m *member) {
		w.faults++
		w.Did("is cut off", m.Self, view.Member{})
		sever := func(cut bool) {
			for _, other := range w.members {
				if other != m && out {
					w.Sever(m.Self.ID, other.Self.ID, 0, false, cut)
				}
				if other != m && in {
					w.Sever(other.Self.ID, m.Self.ID, 0, false, cut)
				}
			}
		}
		sever(true)
		w.After(longer, func() { sever(false) })
	}
}

// leftAlone cuts a member off with what it has executed and the others have not. When they have gone on without it they lose their
// power: then what it has in memory meets what they have on disks.
func leftAlone(w *services, m *member) {
	if !m.Runs() {
		return
	}
	w.faults++
	w.Did("is left alone", m.Self, view.Member{})
	sever := func(cut bool) {
		for _, other := range w.members {
			if other != m {
				w.Sever(m.Self.ID, other.Self.ID, 0, true, cut)
			}
		}
	}
	sever(true)
	var had uint64 // by the others when they were without it
	var look func()
	look = func() {
		have, without := uint64(0), false
		for _, other := range w.members {
			if other != m && other.view != nil {
				have, without = max(have, other.replica.Stable()), without || !other.view.Has(m.Self)
			}
		}
		if had == 0 && without {
			had = have
		}
		if had == 0 || have == had {
			w.After(200*time.Microsecond, look)
			return
		}
		for _, other := range w.members {
			if other != m {
				falls(true, soon, nil)(w, other)
			}
		}
		w.After(soon/2, func() { sever(false) })
	}
	look()
}

// quiet lets all clients of locks crash until long after their sessions have ended, and a member have a slow clock meanwhile. Then
// two clients begin again, each at one member only: the first at one that knows more of the time, of which the others
// hear late; the second, which is granted a lock meanwhile, at the slow one.
func quiet(w *services, slow *member) {
	lease := w.locks.opt.lease
	fast := w.members[int(slow.Self.ID)%len(w.members)]
	then := 4 * lease
	for i, c := range w.clients {
		c := c.(*locker)
		if !c.Up {
			return
		}
		c.end()
		at := []*member{fast, slow, nil}[i]
		if at == nil {
			w.After(then+lease, c.boot)
			continue
		}
		for _, m := range w.members {
			if m != at {
				w.Sever(m.Self.ID, c.Self.ID, 0, true, true)
				w.After(then+lease/2, func() { w.Sever(m.Self.ID, c.Self.ID, 0, true, false) })
			}
		}
		w.After(then+time.Duration(i)*time.Millisecond, c.boot)
	}
	clocked(-500_000, then+soon)(w, slow)
	w.After(then, func() {
		for to := range w.members {
			w.Net.Shape(fast.Self.ID, view.ID(to+1), 1, simnet.Faults{Delay: w.shape.Delay, Loss: 1})
		}
	})
	w.After(then+soon, func() { w.Reshape(w.shape, nil) })
}

// running does something to a member that runs.
func running(what string, do func(w *services, m *member)) func(*services, *member) {
	return func(w *services, m *member) {
		if m.Runs() {
			w.faults++
			w.Did(what, m.Self, view.Member{})
			do(w, m)
		}
	}
}

func paused(d time.Duration) func(*services, *member) {
	return running("is struck", func(w *services, m *member) { w.Pause(&m.Host, d, m.resume) })
}

// clocked lets a member's clock gain so much for a time.
func clocked(drift int64, d time.Duration) func(*services, *member) {
	return running("has a clock that goes wrong", func(w *services, m *member) {
		life := m.Self
		m.Clock = m.Clock.Gaining(w.Now, drift)
		m.after()
		w.After(d, func() {
			if m.Self == life && m.Up {
				m.Clock = m.Clock.Gaining(w.Now, 0)
				if m.Runs() {
					m.after()
				}
			}
		})
	})
}

// decays damages a bit of a disk.
func decays(w *services, m *member) {
	w.lost = m
	names, _ := m.disk.List()
	if len(names) == 0 {
		return
	}
	name := names[w.Rng.IntN(len(names))]
	if size := len(m.disk.Bytes(name)); size > 0 {
		m.disk.Flip(name, w.Rng.Int64N(int64(size)), uint(w.Rng.IntN(8)))
	}
}

// blows are all of them.
func blows() []blow {
	return []blow{
		{name: "crash", do: falls(false, soon, nil)},
		{name: "crash-long", do: falls(false, longer, nil)},
		{name: "power", durable: true, do: falls(true, longer, nil)},
		{name: "power-of-all", durable: true, do: func(w *services, last *member) {
			for _, m := range w.members {
				down := soon
				if m == last {
					down = longer
				}
				falls(true, down, nil)(w, m)
			}
		}},
		{name: "left-alone", durable: true, do: leftAlone},
		{name: "bit-on-disk", durable: true, do: falls(true, soon, decays)},
		{name: "sync", durable: true, do: running("has a disk that fails", func(_ *services, m *member) { m.disk.FailSync(0) })},
		{name: "full", durable: true, do: running("has a disk that is full", func(_ *services, m *member) { m.disk.Fill(m.disk.Used()) })},
		{name: flips, do: func(w *services, m *member) {
			if m.Runs() {
				m.flip()
			}
		}},
		{name: "pause", do: paused(soon)},
		{name: "pause-long", do: paused(longer)},
		{name: "cut", do: parted(true, true)},
		{name: "cut-out", do: parted(true, false)},
		{name: "cut-in", do: parted(false, true)},
		{name: "slow-clock", do: clocked(-500_000, longer)},
		{name: "fast-clock", do: clocked(500_000, longer)},
		{name: "lost", alter: func(f *simnet.Faults) { f.Loss = 1 }},
		{name: "damaged", alter: func(f *simnet.Faults) { f.Damage = 1 }},
		{name: "twice", alter: func(f *simnet.Faults) { f.Duplicate, f.Late = 1, 20*time.Millisecond }},
		{name: "overtaken", alter: func(f *simnet.Faults) { f.Reorder, f.Late = 1, 5*time.Millisecond }},
		{name: "late", alter: func(f *simnet.Faults) { f.Reorder, f.Late, f.Delay = 1, 0, longer }},
		{name: "crash-sending", alter: func(f *simnet.Faults) { f.Loss = 1 }, dies: true},
		{name: "client-crash", client: (*locker).crash},
		{name: "client-pause", client: (*locker).pause},
		{name: "client-clock", client: (*locker).jump},
		{name: "client-cut", client: (*locker).cut},
		{name: "lock-broken", client: (*locker).breaks},
		{name: "state-lost", lose: true},
		{name: "quiet", locks: true, do: quiet},
	}
}

// counted is how many calls, or entries to locks, the steps are counted in which are struck, and made how many there are until
// there are no more faults.
const (
	counted = 6
	made    = 12
)

// strike runs a scene in which a blow falls on a member, or a client, before step n, or on datagram n, counted from the first
// call; and says how many of each there are while as many calls are made as are counted.
func (s scene) strike(b *blow, n uint64, on int) (r *sim.Report, steps, datagrams uint64) {
	w := s.world(b)
	var dying *member
	begun := &w.called
	if w.locks != nil {
		begun = &w.locks.entered
	}
	counts := func() bool { return *begun > 0 && *begun <= counted && !w.Calm }
	w.Each = func() {
		if m := dying; m != nil {
			if dying = nil; m.Up {
				falls(true, longer, nil)(w, m)
			}
		}
		if *begun >= made {
			*begun = max(callsMax, entersMax)
		}
		if !counts() {
			return
		}
		if steps == 0 && s.fallen {
			falls(true, soon, nil)(w, w.members[0])
		}
		if steps++; steps != n {
			return
		}
		switch {
		case b.do != nil:
			b.do(w, w.members[on])
		case b.client != nil:
			w.faults++
			b.client(w.clients[on].(*locker))
		case b.lose:
			w.faults++
			w.locks.lose()
		}
	}
	w.Net.Alter = func(d *simnet.Datagram, _ []byte, f simnet.Faults) simnet.Faults {
		if dying != nil && d.From == dying.Self {
			f.Loss = 1
			return f
		}
		if !counts() {
			return f
		}
		if datagrams++; datagrams != n || b.alter == nil {
			return f
		}
		b.alter(&f)
		if sender := int(d.From.ID) - 1; b.dies && sender < len(w.members) && w.mayFall(w.members[sender]) {
			dying = w.members[sender]
		}
		w.faults++
		return f
	}
	return w.Guard(w.run), steps, datagrams
}

// world makes a scene's.
func (s scene) world(b *blow) *services {
	w := &services{}
	w.Begin(Name, 1, 4, sim.Limits{})
	w.opt = options{
		style: s.style, members: s.members(), clients: 2, phase: 700 * time.Millisecond, suspectAfter: 100 * time.Millisecond,
		network: simnet.Calm(), every: 15 * time.Millisecond, rest: 300 * time.Millisecond, downMost: soon,
	}
	if s.fallen {
		w.opt.phase = time.Second
	}
	if s.durable {
		w.opt.disk = diskOptions{on: true, segment: 4096, snapshotBytes: 500, config: simdisk.Config{Sync: time.Millisecond, Write: 5 * time.Microsecond}}
	}
	voted := s.style == replicated.Voted
	setting := service.Setting{Majority: true, Voted: voted}
	if s.locks {
		w.lock(b.loses())
		setting.Volatile = w.locks.opt.window > 0
	}
	if b != nil && b.locks {
		w.opt.phase += 1500 * time.Millisecond
	}
	w.Connect(w.opt.members+w.opt.clients+1, 1)
	judges := service.All(setting)
	switch {
	case b == nil || b.name != flips:
	case !voted: // who is damaged answers wrongly until it is found out
		judges = service.Without(judges, "linearizability", "execution", "retention")
	case s.durable: // the court hears of a damage when it is for good, and that is never
		judges = service.Without(judges, "honesty")
	}
	if b != nil && b.name == flips {
		w.opt.flip = never
	}
	if w.locks == nil {
		w.subject = func() subject { return &cells{} }
	}
	w.convene(judges)
	for i := range w.opt.clients {
		if w.locks != nil {
			c := &locker{w: w, l: w.locks}
			w.Add(&c.Host, c)
			w.clients = append(w.clients, c)
			continue
		}
		c := &caller{w: w}
		c.Number = i + 1
		w.Add(&c.Host, c)
		w.clients = append(w.clients, c)
	}
	if w.locks != nil {
		w.Add(&w.locks.resource.Host, w.locks.resource)
		w.Boot(&w.locks.resource.Host, false, true)
	}
	return w
}

// loses says whether a blow takes its state from a service in memory.
func (b *blow) loses() bool { return b != nil && b.lose }

// lock makes the service that of locks.
func (w *services) lock(window bool) {
	l := &locks{w: w, lives: []minutes{{}}, opt: lockOptions{
		lease: 400 * time.Millisecond, margin: 40 * time.Millisecond, order: lock.Strict, locks: 1, tasks: 1, shared: 0.3,
		work: 20 * time.Millisecond, rest: 5 * time.Millisecond, links: true, pauseMost: 600 * time.Millisecond,
	}}
	if window {
		l.opt.lease, l.opt.window = lossLease, lossLease
	}
	w.opt.clients, w.opt.phase, w.locks = 3, 1500*time.Millisecond, l
	l.resource = &resource{l: l}
	w.subject = func() subject { return newLockbox(lock.Config{Order: l.opt.order, Window: l.opt.window}) }
}

// scenes are all of them.
func scenes() []scene {
	var all []scene
	for style := range replicated.Style(styles) {
		for _, durable := range []bool{false, true} {
			for _, fallen := range []bool{false, true} {
				all = append(all, scene{style, durable, fallen, false})
			}
			all = append(all, scene{style, durable, false, true})
		}
	}
	return all
}

// TestEveryFaultAtEveryStep lets each fault happen before each step of a short run of each style, to each member, and asks all
// judges. CI leaves steps out, others in each run of a fault; all of them: go test ./internal/sim/services -run EveryStep -args -every=1.
func TestEveryFaultAtEveryStep(t *testing.T) {
	schedules, ran, struck := uint64(0), 0, 0
	for _, s := range scenes() {
		_, steps, datagrams := s.strike(nil, 0, 0)
		stride := s.stride()
		for i, b := range blows() {
			targets, last := s.members(), steps
			switch {
			case b.durable && !s.durable, b.locks && !s.locks, b.client != nil && !s.locks, b.lose && (!s.locks || s.durable), b.name == flips && s.locks:
				continue
			case b.client != nil:
				targets = 3
			case b.alter != nil:
				targets, last = 1, datagrams
			case b.lose:
				targets = 1
			}
			t.Run(fmt.Sprintf("%v/%s", s, b.name), func(t *testing.T) {
				for on := range targets {
					schedules += last
					for n := 1 + uint64(19*i+5*on)%stride; n <= last; n += stride {
						if *at != 0 {
							n = *at
						}
						ran++
						r, _, _ := s.strike(&b, n, on)
						if !s.fallen && r.Faults > 0 || r.Faults > 1 {
							struck++
						}
						if r.Failed() {
							text, _, _ := strings.Cut(r.String(), "===== replay")
							t.Errorf("at step %d, of %d\n%s===== replay\ngo test ./internal/sim/services -run '%s' -args -at=%d", n, on+1, text, t.Name(), n)
							break
						}
						if *at != 0 {
							break
						}
					}
				}
			})
		}
	}
	t.Logf("%d of %d schedules; in %d the fault could happen", ran, schedules, struck)
}

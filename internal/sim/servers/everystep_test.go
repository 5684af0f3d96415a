package servers

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

var (
	every = flag.Uint64("every", 0, "strike before every so manieth step only; 1: before each; 0: what CI does")
	at    = flag.Uint64("at", 0, "strike before this step only")
)

// everyCI leaves steps out so that a run in CI takes a few seconds.
const everyCI = 13

// scene is a short run in which nothing happens but what is struck: the same up to there, whatever that is.
type scene struct {
	name   string
	policy pair.Policy
	store  bool
	log    bool
	fallen bool // the preferred server crashes at the beginning, so that the steps are those of succession and of a return
}

func scenes() []scene {
	var all []scene
	for _, fallen := range []bool{false, true} {
		for _, s := range []scene{
			{name: "prefer", policy: pair.Prefer}, {name: "freeze", policy: pair.Freeze}, {name: "arbitrate", policy: pair.Arbitrate},
			{name: "log-freeze", policy: pair.Freeze, log: true}, {name: "log-arbitrate", policy: pair.Arbitrate, log: true},
			{name: "checkpointed", store: true},
		} {
			if s.fallen = fallen; fallen {
				s.name += "-succession"
			}
			all = append(all, s)
		}
	}
	return all
}

// blow is one fault: what happens to a process before a step, or to a datagram that is a step.
type blow struct {
	name  string
	needs needs
	do    func(w *servers, p *process)
	alter func(f *simnet.Faults)
	dies  bool // who sends the datagram crashes at it
}

// needs is what a blow falls on.
type needs uint8

const (
	nothing  needs = iota
	theStore       // that both reach
	journals       // one each
	disks          // either
)

func (s scene) has(n needs) bool {
	return n == nothing || n == theStore && s.store || n == journals && s.log || n == disks && (s.store || s.log)
}

const (
	soon   = 30 * time.Millisecond  // before anybody is missed
	longer = 350 * time.Millisecond // until the other has gone on
)

// flips is the blow after which some judges know nothing.
const flips = "bit-in-memory"

// falls crashes a process that may, and boots it after a time.
func falls(down time.Duration) func(*servers, *process) {
	return func(w *servers, p *process) {
		if !p.Up || !w.mayFall(p) {
			return
		}
		w.faults++
		p.crash("is struck")
		w.After(down, func() {
			if !p.Up {
				p.boot()
			}
		})
	}
}

// parted cuts a process off from the others for a time: what it sends, what is sent to it, or both.
func parted(out, in bool) func(*servers, *process) {
	return func(w *servers, p *process) {
		w.faults++
		w.Did("is cut off", p.Self, view.Member{})
		sever := func(cut bool) {
			for _, other := range w.processes {
				if other != p && out {
					w.Sever(p.Self.ID, other.Self.ID, 0, false, cut)
				}
				if other != p && in {
					w.Sever(other.Self.ID, p.Self.ID, 0, false, cut)
				}
			}
		}
		sever(true)
		w.After(longer, func() { sever(false) })
	}
}

// running does something to a process that runs.
func running(what string, do func(w *servers, p *process)) func(*servers, *process) {
	return func(w *servers, p *process) {
		if p.Runs() {
			w.faults++
			w.Did(what, p.Self, view.Member{})
			do(w, p)
		}
	}
}

func paused(d time.Duration) func(*servers, *process) {
	return running("is struck", func(w *servers, p *process) { w.Pause(&p.Host, d, p.resume) })
}

// clocked lets a process's clock gain so much for a time.
func clocked(drift int64) func(*servers, *process) {
	return running("has a clock that goes wrong", func(w *servers, p *process) {
		life := p.Self
		p.Clock = p.Clock.Gaining(w.Now, drift)
		p.after()
		w.After(longer, func() {
			if p.Self == life && p.Up {
				p.Clock = p.Clock.Gaining(w.Now, 0)
				if p.Runs() {
					p.after()
				}
			}
		})
	})
}

// severed keeps a server from the store for a time.
func severed(d time.Duration) func(*servers, *process) {
	return running("does not reach the store", func(w *servers, p *process) {
		p.desk.severed = true
		w.After(d, func() { p.desk.severed = false })
	})
}

// blows are all of them.
func blows() []blow {
	return []blow{
		{name: "crash", do: falls(soon)},
		{name: "crash-long", do: falls(longer)},
		{name: flips, do: func(w *servers, p *process) {
			other := w.processes[2-p.Self.ID]
			if !p.Runs() || !other.Up || p.member.Status().Role != "backup" || p.member.Status().Epoch != other.member.Status().Epoch {
				return
			}
			w.faults++
			w.Did("has a bit that flips", p.Self, view.Member{})
			p.state.Set(uint32(w.Rng.IntN(register.CellCount)), w.Rng.Uint64())
		}},
		{name: "power-of-all", needs: disks, do: func(w *servers, last *process) {
			for _, p := range w.processes[:2] {
				down := soon
				if p == last {
					down = longer
				}
				falls(down)(w, p)
			}
		}},
		{name: "store-slow", needs: theStore, do: severed(soon)},
		{name: "store-away", needs: theStore, do: severed(3 * longer)},
		{name: "store-refuses", needs: theStore, do: running("is refused by the store", func(_ *servers, p *process) { p.desk.broken = p.Self.Incarnation })},
		{name: "sync-fails", needs: journals, do: running("has a disk that fails", func(_ *servers, p *process) { p.platter.FailSync(0) })},
		{name: "pause", do: paused(soon)},
		{name: "pause-long", do: paused(longer)},
		{name: "cut", do: parted(true, true)},
		{name: "cut-out", do: parted(true, false)},
		{name: "cut-in", do: parted(false, true)},
		{name: "slow-clock", do: clocked(-500_000)},
		{name: "fast-clock", do: clocked(500_000)},
		{name: "lost", alter: func(f *simnet.Faults) { f.Loss = 1 }},
		{name: "damaged", alter: func(f *simnet.Faults) { f.Damage = 1 }},
		{name: "twice", alter: func(f *simnet.Faults) { f.Duplicate, f.Late = 1, 20*time.Millisecond }},
		{name: "overtaken", alter: func(f *simnet.Faults) { f.Reorder, f.Late = 1, 5*time.Millisecond }},
		{name: "late", alter: func(f *simnet.Faults) { f.Reorder, f.Late, f.Delay = 1, 0, longer }},
		{name: "crash-sending", alter: func(f *simnet.Faults) { f.Loss = 1 }, dies: true},
	}
}

// counted is how many calls the steps are counted in which are struck, and made how many there are until there are no more faults.
const (
	counted = 6
	made    = 12
)

// strike runs a scene in which a blow falls on a process before step n, or on datagram n, counted from the first call; and says
// how many of each there are while as many calls are made as are counted.
func (s scene) strike(b *blow, n uint64, on int) (r *sim.Report, steps, datagrams uint64) {
	w := &servers{story: map[uint64]passage{}}
	w.Begin(Name, 1, 6, sim.Limits{})
	w.opt = options{
		policy: s.policy, clients: 2, phase: 900 * time.Millisecond, suspectAfter: 100 * time.Millisecond, network: simnet.Calm(),
		every: 15 * time.Millisecond, downMost: soon, syncMost: 2 * time.Millisecond,
		store: storeOptions{on: s.store, every: 60 * time.Millisecond},
	}
	if s.log {
		w.opt.disk = diskOptions{on: true, segment: 16384, snapshotBytes: 500, config: simdisk.Config{Sync: time.Millisecond, Write: 50 * time.Microsecond, Stale: true}}
	}
	w.flips = b != nil && b.name == flips
	w.convene()
	var dying *process
	counts := func() bool { return w.called > 0 && w.called <= counted && !w.Calm }
	w.Each = func() {
		if p := dying; p != nil {
			dying = nil
			falls(longer)(w, p)
		}
		if w.called >= made {
			w.called = callsMax
		}
		if !counts() {
			return
		}
		if steps == 0 && s.fallen {
			falls(soon)(w, w.processes[0])
		}
		if steps++; steps == n && b.do != nil {
			b.do(w, w.processes[on])
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
		if sender := w.processes[d.From.ID-1]; b.dies && w.mayFall(sender) {
			dying = sender
		}
		w.faults++
		return f
	}
	return w.Guard(w.run), steps, datagrams
}

// TestEveryFaultAtEveryStep lets each fault happen before each step of a short run of each style of two servers, to each process, and
// asks all judges. CI leaves steps out; all of them: go test ./internal/sim/servers -run EveryStep -args -every=1.
func TestEveryFaultAtEveryStep(t *testing.T) {
	stride := *every
	if stride == 0 {
		stride = everyCI
	}
	schedules, ran, struck := uint64(0), 0, 0
	for _, s := range scenes() {
		_, steps, datagrams := s.strike(nil, 0, 0)
		for i, b := range blows() {
			targets, last := 3, steps
			switch {
			case !s.has(b.needs), b.name == flips && (s.store || s.log):
				continue
			case b.needs != nothing, b.name == flips:
				targets = 2
			case b.alter != nil:
				targets, last = 1, datagrams
			}
			t.Run(s.name+"/"+b.name, func(t *testing.T) {
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
							t.Errorf("at step %d, of process %d\n%s===== replay\n%s", n, on+1, text,
								fmt.Sprintf("go test ./internal/sim/servers -run '%s' -args -at=%d", t.Name(), n))
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

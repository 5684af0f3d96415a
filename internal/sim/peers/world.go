// Package peers is a world of two to five processes that share locks among themselves, without any server: each has the
// whole stack of groups, a replica of the lock service (protocol/replica/peers), and a user who enters locks, works and leaves
// them. Processes crash, at any frame they send, and all at once; they stand still, are cut off, leave and come back. Judges that
// stand outside read what was granted in the agreed order, who believed to hold what at which true
// moment, and what was done under which token.
//
// In most runs less than half of the processes lose their memory at a time, or all do. In the others, which are *reckless*, no
// assumption is made: then what the dead had agreed on may be unknown to those who go on, so nothing is judged but what can be seen
// from outside: nobody believes to hold what another believes to hold, and tokens grow.
package peers

import (
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Name is the world's name on the command line.
const Name = "peers"

const (
	fingerprint = 0x9ee5

	// stepsMax ends a run that is a storm.
	stepsMax = 600_000

	// busyMax is how often a process may want to be ticked without time passing.
	busyMax = 100

	// calmMost is how long it may take after calm until everybody has had every lock.
	calmMost = 20 * time.Second

	// entersMax is how many locks are asked for while there are faults: what can be judged soon.
	entersMax = 2000

	// lockCount is how many locks there are.
	lockCount = 2
)

// peers is one run.
type peers struct {
	world.World
	opt    options
	all    []*peer
	court  *service.Court
	watch  watch
	latest *view.View

	enters int
	faults int
	held   int
	wanted int // locks that users are still to be granted after calm
	trap   trap
}

// trap lets a process crash, or stand still, at one of the next frames that it sends.
type trap struct {
	world.Trap
	pause bool // at one to its group
}

// Verdict is the court's.
func (w *peers) Verdict() *check.Violation { return w.court.Violation() }

// Run runs one seed. A panic of a machine becomes a report, unless it is wanted raw.
func Run(seed uint64, limits sim.Limits) *sim.Report { return run(&peers{}, seed, limits) }

func run(w *peers, seed uint64, limits sim.Limits) *sim.Report {
	w.Begin(Name, seed, 5, limits)
	w.opt = draw(w.Rng)
	w.Report.Options = w.opt.String()
	w.Connect(w.opt.members, 1)
	w.Late, w.StepsMax, w.BusyMax = "liveness", stepsMax, busyMax
	s := service.Setting{FIFO: true}
	ledger := service.NewLedger(s)
	if w.opt.reckless {
		w.court = service.NewCourt(service.Fencing(s), service.Exclusion(s))
	} else {
		w.court = service.NewCourt(ledger, service.Fencing(s), service.Exclusion(s), service.Lease(s), service.Queue(), service.Liveness(ledger))
	}
	w.Court = w
	for i := range w.opt.members {
		p := &peer{w: w, client: i + 1}
		w.Add(&p.Host, p)
		w.all = append(w.all, p)
	}
	return w.Guard(w.run)
}

// run goes through the phases.
func (w *peers) run() {
	w.reshape()
	for _, p := range w.all {
		p.boot()
	}
	w.plan()
	w.First(w.opt.phase)
	w.Report.Faults = uint64(w.faults)
	if w.Over() {
		return
	}
	w.settle()
	for bound := w.Now + calmMost; w.Now < bound && !w.Over() && w.wanted > 0; {
		w.Until(w.Now + 20*time.Millisecond)
	}
	w.Report.Calm = w.Now
	if w.wanted > 0 && !w.Over() {
		w.Fail(sim.Liveness, w.missing())
		return
	}
	for _, p := range w.all {
		p.user.resting = true
	}
	w.Until(w.Now + 2*w.opt.lease)
	if !w.Over() {
		w.hear(&service.Fact{Kind: service.Ended})
		w.Over()
	}
}

// settle ends the faults. From now on everybody wants every lock once.
func (w *peers) settle() {
	w.Settle()
	w.trap = trap{}
	for _, p := range w.all {
		if p.Paused {
			p.resume()
		}
		if !p.Up {
			p.boot()
		}
	}
	for _, p := range w.all {
		for key := range p.user.wants {
			p.user.wants[key] = true
			w.wanted++
		}
	}
	w.hear(&service.Fact{Kind: service.Calmed})
}

// hear tells the court a fact; before that, who has ceased to believe by now.
func (w *peers) hear(f *service.Fact) {
	for _, p := range w.all {
		p.user.expire()
	}
	w.tell(f)
}

func (w *peers) tell(f *service.Fact) {
	if w.opt.reckless && f.Kind >= service.Asked && f.Kind <= service.Quit {
		return // some of it was agreed on among the dead
	}
	f.At = w.Now
	w.court.Hear(f)
}

func (w *peers) record(e trace.Event) { w.Log.Event(w.Now, e) }

// plan begins everything that happens again and again.
func (w *peers) plan() {
	w.Repeat(w.opt.crash, w.crashOne)
	w.Repeat(w.opt.trap, w.setTrap)
	w.Repeat(w.opt.pause, w.pauseOne)
	w.Repeat(w.opt.cut, w.cutSome)
	w.Repeat(w.opt.reshape, w.reshape)
	w.Repeat(w.opt.leave, w.leaveOne)
	w.Repeat(w.opt.fall, w.crashAll)
}

// reshape gives the network other faults, after those that were drawn for the beginning.
func (w *peers) reshape() {
	f := w.opt.network
	if w.Now > 0 && w.Rng.IntN(2) == 0 {
		f = simnet.Draw(w.Rng)
	}
	w.Reshape(f, nil)
}

func (w *peers) one() *peer { return w.all[w.Rng.IntN(len(w.all))] }

// mayFall says whether a process may lose its memory without breaking the assumption.
func (w *peers) mayFall(p *peer) bool {
	fallen := 0
	for _, other := range w.all {
		if other == p || !other.Up || other.leaving || other.machine.Service() == nil || !w.latest.Has(other.Self) {
			fallen++
		}
	}
	return w.opt.reckless || 2*fallen < len(w.all)
}

func (w *peers) crashOne() {
	if p := w.one(); p.Up && w.mayFall(p) {
		w.faults++
		p.crash("crashes")
		p.bootLater()
	}
}

func (w *peers) crashAll() {
	for _, p := range w.all {
		if p.Up {
			w.faults++
			p.crash("loses its power with all the others")
			p.bootLater()
		}
	}
}

func (w *peers) setTrap() {
	w.trap = trap{world.Trap{Host: &w.one().Host, Left: 1 + w.Rng.IntN(20)}, w.Rng.IntN(3) > 0}
}

// trapped says whether a process crashes at this frame.
func (w *peers) trapped(p *peer, e *wire.Envelope) bool {
	switch {
	case w.trap.pause && wire.Channel(e.Frame[1]) != wire.Cast || !w.trap.Sprung(&p.Host, e):
		return false
	case w.trap.pause:
		w.faults++
		w.Pause(&p.Host, w.UpTo(w.opt.pauseMost), p.resume) // at the end of the step
		return false
	case !w.mayFall(p):
		return false
	}
	w.faults++
	return true
}

func (w *peers) pauseOne() {
	if p := w.one(); p.Runs() {
		w.faults++
		w.Pause(&p.Host, w.UpTo(w.opt.pauseMost), p.resume)
	}
}

// cutSome cuts one process off from some of the others, or from all, maybe in one direction only.
func (w *peers) cutSome() {
	p, both, all := w.one(), w.Rng.IntN(3) != 0, w.Rng.IntN(2) == 0
	w.faults++
	var from []view.ID
	for _, other := range w.all {
		if other != p && (all || w.Rng.IntN(2) == 0) {
			from = append(from, other.Self.ID)
		}
	}
	w.Isolate(&p.Host, from, both, w.UpTo(w.opt.cutMost), nil)
}

func (w *peers) leaveOne() {
	if p := w.one(); p.Runs() && !p.leaving && w.mayFall(p) { // it loses its memory, too
		p.leave()
	}
}

var _ world.Process = (*peer)(nil)

// Package services is two worlds of three to five replicas of a service, each with the whole
// stack as the daemon runs it. Replicas crash, at any frame they send, stand still, are cut off.
// Judges that stand outside read what clients were answered and what replicas executed.
//
// In the world "services" the service is a register, and clients call it, each call to be executed
// exactly once; a bit of a replica's state flips now and then. In the world "locks" it is
// service/lock, and clients are what programs use, without goroutines and sockets: the machine of
// protocol/call and a holder for each lock. They crash, stand still, are cut off and have clocks that jump; what a lock
// protects is a resource with a guard. What they believe and what the resource took is told to judges
// in the order of the true time, when the run is over.
//
// The assumption of a service in memory is kept, as far as the world can: less than half of the
// replicas are down, or without the state, at any time. But one that the others have expelled for want of
// being heard is without it, too, and may be so just when another has crashed; when a group goes on then without
// the state, the run ends there (loss.go). With disks there is no such thing: all may lose their power
// at once. Disks are slow, fail, fill up, and one of them decays.
package services

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Name is the name of the world of registers on the command line.
const Name = "services"

const (
	fingerprint = 0x5e12

	// stepsMax ends a run that is a storm.
	stepsMax = 400_000

	// busyMax is how often a process may want to be ticked without time passing.
	busyMax = 100

	// calmMost is how long it may take after calm until everything is answered.
	calmMost = 20 * time.Second

	// callsMax is how many calls the clients make while there are faults: what can be
	// judged soon.
	callsMax = 300

	// callsCalm is how many they make after calm.
	callsCalm = 10
)

// services is one run.
type services struct {
	world.World
	opt     options
	members []*member
	clients []client
	subject func() subject // a service that has executed nothing
	locks   *locks         // nil: the service is a register
	users   *users         // of a world of calls
	court   *service.Court
	latest  *view.View
	called  int
	more    int // calls still to be made after calm
	faults  int
	trap    world.Trap
	cuts    int // that last
	shape   simnet.Faults

	most uint64 // the greatest index that a member has told
	gone bool   // the state is lost, as it may be: there is nothing to be judged any more

	tentative *tentative // of a world with disks
	ebbing    bool
	forgets   world.Trap // who loses its power right after it has said something to its group
	lost      *member    // whose disk is damaged; nil: nobody's
}

// subject is the service that members replicate, with an eye on it.
type subject interface {
	session.Service
	watch(asked func())               // asked is called when the digest is: after each command
	took() event                      // what the last command was; it is forgotten
	sum() uint64                      // of the whole state, as an observer sees it
	flip(r *rand.Rand)                // damages the state
	tell(fn func(session.ID, []byte)) // notices to clients
}

// client is a program that uses the service.
type client interface {
	world.Process
	boot()
	settle()                      // ends what was done to it
	waits() (waits, stopped bool) // for an answer after calm; the service has stopped for good
}

// Verdict is the court's.
func (w *services) Verdict() *check.Violation {
	if w.locks != nil && w.locks.violation != nil {
		return w.locks.verdict()
	}
	return w.court.Violation()
}

// Run runs one seed. A panic of a machine becomes a report, unless it is wanted raw.
func Run(seed uint64, limits sim.Limits) *sim.Report { return run(&services{}, seed, limits) }

func run(w *services, seed uint64, limits sim.Limits) *sim.Report {
	w.Begin(Name, seed, 4, limits)
	w.opt = draw(w.Rng)
	w.Report.Options = w.opt.String()
	w.Connect(w.opt.members+w.opt.clients, 1)
	w.subject = func() subject { return &cells{} }
	voted := w.opt.style == replicated.Voted
	judges := service.All(service.Setting{Majority: true, Voted: voted})
	switch {
	case w.opt.flip > 0 && !voted:
		judges = service.Without(judges, "linearizability", "execution", "retention") // who is damaged answers wrongly until it is found out
	case w.opt.flip > 0 && w.opt.disk.on:
		judges = service.Without(judges, "honesty") // the court hears of a damage when it is for good, and that is never
	}
	w.convene(judges)
	for i := range w.opt.clients {
		c := &caller{w: w}
		c.Number = i + 1
		w.Add(&c.Host, c)
		w.clients = append(w.clients, c)
	}
	return w.Guard(w.run)
}

// convene makes the court and the members.
func (w *services) convene(judges []service.Judge) {
	w.Late, w.StepsMax, w.BusyMax = "liveness", stepsMax, busyMax
	w.court = service.NewCourt(judges...)
	w.Court = w
	if w.opt.disk.on {
		w.tentative = newTentative(w.attest)
	}
	for range w.opt.members {
		m := &member{w: w}
		w.Add(&m.Host, m)
		w.members = append(w.members, m)
	}
}

// run goes through the phases.
func (w *services) run() {
	w.reshape()
	for _, m := range w.members {
		m.boot()
	}
	for _, c := range w.clients {
		c.boot()
	}
	w.plan()
	w.First(w.opt.phase)
	w.Report.Faults = uint64(w.faults)
	if w.Over() || w.gone {
		return
	}
	w.settle()
	for bound := w.Now + calmMost; w.Now < bound && !w.Over() && !w.gone && !w.done(); {
		w.Until(w.Now + 20*time.Millisecond)
	}
	w.Report.Calm = w.Now
	w.Until(w.Now + w.opt.rest)
	if !w.Over() {
		if w.tentative != nil {
			w.tentative.end()
		}
		w.hear(&service.Fact{Kind: service.Ended})
		if !w.Over() && !w.gone && w.locks != nil {
			w.locks.judge()
			w.Over()
		}
	}
}

// done says whether the calls after calm are answered.
func (w *services) done() bool {
	over := false
	for _, c := range w.clients {
		waits, stopped := c.waits()
		if over = over || stopped; waits {
			return false
		}
	}
	return over || w.more == 0
}

// settle ends the faults.
func (w *services) settle() {
	w.Settle()
	w.more = callsCalm
	for _, m := range w.members {
		if m.disk != nil {
			m.disk.Fill(0)
			m.disk.FailSync(-1)
		}
		if m.Paused {
			m.resume()
		}
		if !m.Up {
			m.boot()
		}
	}
	w.trap = world.Trap{}
	for _, c := range w.clients {
		c.settle()
	}
	w.hear(&service.Fact{Kind: service.Calmed})
}

func (w *services) hear(f *service.Fact) {
	if w.gone {
		return
	}
	w.most = max(w.most, f.Index)
	f.At = w.Now
	w.court.Hear(f)
}

// attest takes what a member has for good.
func (w *services) attest(e *event) {
	w.hear(&e.fact)
	if w.locks != nil && e.sight != nil {
		w.locks.minute(e)
	}
}

func (w *services) record(e trace.Event) { w.Log.Event(w.Now, e) }

// plan begins everything that happens again and again.
func (w *services) plan() {
	w.Repeat(w.opt.crash, w.crashOne)
	w.Repeat(w.opt.trap, w.setTrap)
	w.Repeat(w.opt.pause, w.pauseOne)
	w.Repeat(w.opt.cut, w.cutOne)
	w.Repeat(w.opt.reshape, w.reshape)
	w.Repeat(w.opt.flip, w.flipOne)
	w.Repeat(w.opt.disk.cut, w.cutPower)
	w.Repeat(w.opt.disk.sync, w.failSync)
	w.Repeat(w.opt.disk.full, w.fillDisk)
	w.Repeat(w.opt.disk.flip, w.flipBit)
	w.Repeat(w.opt.disk.ebb, w.ebb)
	w.Repeat(w.opt.disk.part, w.part)
	w.Repeat(w.opt.disk.forget, w.forget)
	if w.users != nil {
		w.users.plan(w)
	}
	if w.locks != nil {
		w.locks.plan()
	}
}

// reshape gives the network other faults, after those that were drawn for the beginning.
func (w *services) reshape() {
	f := w.opt.network
	if w.Now > 0 {
		f = simnet.Draw(w.Rng)
	}
	w.shape = f
	w.Reshape(f, nil)
}

func (w *services) one() *member { return w.members[w.Rng.IntN(len(w.members))] }

// mayFall says whether a member may lose its state without breaking the assumption.
func (w *services) mayFall(m *member) bool {
	if w.opt.disk.on {
		return w.mayPart()
	}
	return w.holds(m)
}

// holds says whether less than half are down, damaged or without the state, m among them.
func (w *services) holds(m *member) bool {
	fallen := 0
	for _, other := range w.members {
		if other == m || !other.Up || other.damaged || other.view == nil || !w.latest.Has(other.Self) {
			fallen++
		}
	}
	return 2*fallen < len(w.members)
}

func (w *services) crashOne() {
	if m := w.one(); m.Up && w.mayFall(m) {
		w.faults++
		m.crash("crashes", w.Rng.IntN(2) == 0)
		m.bootLater()
	}
}

func (w *services) setTrap() { w.trap = world.Trap{Host: &w.one().Host, Left: 1 + w.Rng.IntN(20)} }

// trapped says whether a member crashes at this frame.
func (w *services) trapped(m *member, e *wire.Envelope) bool {
	if !w.trap.Sprung(&m.Host, e) || !w.mayFall(m) {
		return false
	}
	w.faults++
	return true
}

func (w *services) pauseOne() {
	if m := w.one(); m.Runs() && w.mayPart() {
		w.faults++
		w.Pause(&m.Host, w.UpTo(w.opt.pauseMost), m.resume)
	}
}

// cutOne cuts one member off from some of the others, or from all.
func (w *services) cutOne() {
	m, both, all := w.one(), w.Rng.IntN(3) != 0, w.Rng.IntN(2) == 0
	if !w.mayPart() {
		return
	}
	w.faults++
	w.cuts++
	var from []view.ID
	for _, other := range w.members {
		if other != m && (all || w.Rng.IntN(2) == 0) {
			from = append(from, other.Self.ID)
		}
	}
	w.Isolate(&m.Host, from, both, w.UpTo(w.opt.cutMost), func() { w.cuts-- })
}

func (w *services) flipOne() {
	m := w.one()
	switch {
	case !m.Runs():
	case !w.opt.disk.on:
		m.Host.Work = w.Now
	default:
		if m.flip(); m.damaged && w.Rng.IntN(2) == 0 {
			w.After(w.UpTo(20*time.Millisecond), w.cutAll)
		}
	}
}

// mayPart says whether a member may be kept apart from the others for a while. While the state of one is damaged and
// nobody knows, the others must stay together if replies are voted on: less than half are damaged or out, together.
func (w *services) mayPart() bool {
	for _, m := range w.members {
		if w.opt.style == replicated.Voted && m.Up && m.damaged {
			return false
		}
	}
	return true
}

// mayFlip says whether a member's state may be damaged: most must be whole. Who joins meanwhile may be given the damaged
// one, so nobody may, unless replies are voted on: then the copy must be found out like the state itself.
func (w *services) mayFlip(m *member) bool {
	voted := w.opt.style == replicated.Voted
	for _, other := range w.members {
		switch {
		case other == m:
		case voted && (other.Paused || w.cuts > 0):
			return false
		case !voted && (!other.Up || other.view == nil || !w.latest.Has(other.Self)):
			return false
		}
	}
	if !w.holds(m) {
		return false
	}
	w.faults++
	return true
}

var (
	_ world.Process = (*member)(nil)
	_ client        = (*caller)(nil)
)

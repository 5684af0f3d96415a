// Package servers is a world of a service on two servers, with the whole stack as the daemon runs it, of the
// arbiter that says who goes on alone, and of clients, some of which can reach one of the two servers only. The two, and the
// arbiter, crash, at any frame that they send, stand still, and are cut off from one another; what they save takes its time.
// Judges that stand outside read what clients were answered and what the servers executed.
//
// In two thirds of the seeds the two are a pair, of which the backup answers. Half of those have logs on disks: there the power is cut,
// for one or all, in the middle of a write, and syncs fail. In the other half the assumption of a service in memory is kept: no server
// falls that has what the other does not. In a third of the seeds they are a process pair with a store that both reach: either may
// fall, and both, and the way to the store fails.
package servers

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Name is the world's name on the command line.
const Name = "servers"

const (
	fingerprint = 0x5e22
	heartbeat   = 20 * time.Millisecond
	lease       = 2 * time.Second
	safety      = sim.Safety

	// stepsMax ends a run that is a storm.
	stepsMax = 200_000

	// busyMax is how often a process may want to be ticked without time passing.
	busyMax = 100

	// calmMost is how long it may take after calm until everything is answered.
	calmMost = 10 * time.Second

	// callsMax is how many calls the clients make while there are faults, and callsCalm after.
	callsMax  = 200
	callsCalm = 10
)

// options is what a seed draws. A mean interval of zero means never.
type options struct {
	policy       pair.Policy
	clients      int
	phase        time.Duration
	drift        bool
	suspectAfter time.Duration
	network      simnet.Faults
	every        time.Duration // mean interval between calls of a client

	crash, trap, pause, cut, reshape       time.Duration // mean intervals
	downMost, pauseMost, cutMost, syncMost time.Duration

	disk  diskOptions
	store storeOptions
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func draw(r *rand.Rand) options {
	o := options{
		policy: pick(r, pair.Prefer, pair.Freeze, pair.Arbitrate, pair.Arbitrate), clients: pick(r, 1, 2, 3, 4),
		phase: time.Duration(1000+r.IntN(2000)) * time.Millisecond, drift: r.IntN(2) == 0,
		suspectAfter: pick(r, 60*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond), network: simnet.Draw(r),
		every:     pick(r, 5*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond),
		downMost:  pick(r, 20*time.Millisecond, 300*time.Millisecond),
		pauseMost: pick(r, 50*time.Millisecond, 300*time.Millisecond, time.Second),
		cutMost:   pick(r, 100*time.Millisecond, time.Second), syncMost: pick(r, 100*time.Microsecond, 5*time.Millisecond, 50*time.Millisecond),
	}
	if r.IntN(2) == 0 {
		o.network = simnet.Mild(r)
	}
	o.crash = world.Sometimes(r, 200*time.Millisecond, 500*time.Millisecond)
	o.trap = world.Sometimes(r, 100*time.Millisecond, 300*time.Millisecond)
	o.pause = world.Sometimes(r, 200*time.Millisecond, 500*time.Millisecond)
	o.cut = world.Sometimes(r, 200*time.Millisecond, 500*time.Millisecond)
	o.reshape = world.Sometimes(r, 500*time.Millisecond)
	if r.IntN(2) == 0 {
		o.disk = drawDisk(r)
	}
	return o
}

// servers is one run.
type servers struct {
	world.World
	opt       options
	processes []*process
	clients   []*client
	court     *service.Court
	called    int
	more      int    // calls still to be made after calm
	most      uint64 // the last command that the court was told of in this life of the service
	faults    int
	story     map[uint64]passage // by the digest of all that was executed with it
	trap      world.Trap
	store     store // if the two have one
	flips     bool  // a bit of a backup's memory flips
}

// Verdict is the court's.
func (w *servers) Verdict() *check.Violation { return w.court.Violation() }

// Run runs one seed. A panic of a machine becomes a report, unless it is wanted raw.
func Run(seed uint64, limits sim.Limits) *sim.Report {
	w := &servers{story: map[uint64]passage{}}
	w.Begin(Name, seed, 6, limits)
	w.opt = draw(w.Rng)
	if w.opt.store = drawStore(seed); w.opt.store.on {
		w.opt.disk = diskOptions{}
	}
	w.convene()
	return w.Guard(w.run)
}

// convene makes the court and everybody else.
func (w *servers) convene() {
	w.Report.Options = fmt.Sprintf("%+v", w.opt)
	w.Connect(3, 1)
	w.Late, w.StepsMax, w.BusyMax = "liveness", stepsMax, busyMax
	judges := service.All(service.Setting{})
	if w.flips { // who is damaged answers wrongly until it is found out
		judges = service.Without(judges, "linearizability")
	}
	w.court = service.NewCourt(judges...)
	w.Court = w
	for range 3 {
		p := &process{w: w}
		w.Add(&p.Host, p)
		w.processes = append(w.processes, p)
	}
	for i := range w.opt.clients {
		c := &client{w: w, own: view.ID(w.Rng.IntN(3))}
		c.Number = i + 1
		w.Add(&c.Host, c)
		w.clients = append(w.clients, c)
	}
}

// run goes through the phases.
func (w *servers) run() {
	w.reshape()
	for _, p := range w.processes {
		p.boot()
	}
	for _, c := range w.clients {
		c.boot()
	}
	w.Repeat(w.opt.disk.cut, w.cutPower)
	w.Repeat(w.opt.disk.fail, w.failSync)
	w.Repeat(w.opt.crash, w.crashOne)
	w.Repeat(w.opt.trap, w.setTrap)
	w.Repeat(w.opt.pause, w.pauseOne)
	w.Repeat(w.opt.cut, w.cutOne)
	w.Repeat(w.opt.reshape, w.reshape)
	if w.opt.store.on {
		w.Repeat(w.opt.store.sever, w.severOne)
		w.Repeat(w.opt.store.refuse, w.refuseOne)
	}
	w.First(w.opt.phase)
	w.Report.Faults = uint64(w.faults)
	if w.Over() {
		return
	}
	w.settle()
	w.Until(w.Now + 2*time.Second)
	w.proceed()
	for bound := w.Now + calmMost; w.Now < bound && !w.Over() && !w.done(); {
		w.Until(w.Now + 20*time.Millisecond)
	}
	w.Report.Calm = w.Now
	w.Until(w.Now + time.Second)
	if !w.Over() {
		w.hear(&service.Fact{Kind: service.Ended})
		w.Over()
		w.equal()
	}
}

// proceed is a person's word, where a server cannot know whether it may go on: the other has fallen before its disk could say
// anything.
func (w *servers) proceed() {
	if w.opt.store.on {
		return
	}
	for i, p := range w.processes[:2] {
		other := w.processes[1-i]
		s, o := p.member.Status(), other.member.Status()
		if (s.Role == "primary" || s.Role == "backup") && o.Role == "empty" && !w.opt.disk.on {
			w.Did("is told to proceed", p.Self, view.Member{})
			_ = p.member.Proceed(w.Read(&p.Host)) // it may have found out meanwhile
			p.after()
		}
	}
}

// equal says whether both have the same state at the end.
func (w *servers) equal() {
	if w.Report.Failed() {
		return
	}
	a, b := w.processes[0], w.processes[1]
	s, o := a.member.Status(), b.member.Status()
	if w.opt.store.on {
		if !s.Whole || !o.Whole || s.Role+o.Role != "primarystandby" && s.Role+o.Role != "standbyprimary" {
			w.Fail(sim.Liveness, fmt.Sprintf("at peace the two are %+v and %+v", s, o))
		}
		return
	}
	if !s.Whole || !o.Whole || s.Epoch != o.Epoch || a.exec.Digest() != b.exec.Digest() || !bytes.Equal(a.snapshot(), b.snapshot()) {
		w.Fail(sim.Liveness, fmt.Sprintf("at peace the two are %+v and %+v", s, o))
	}
}

func (p *process) snapshot() []byte {
	var b bytes.Buffer
	if err := p.exec.Snapshot(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// done says whether the calls after calm are answered.
func (w *servers) done() bool {
	for _, c := range w.clients {
		if c.Sent != 0 {
			return false
		}
	}
	return w.more == 0
}

// settle ends the faults.
func (w *servers) settle() {
	w.Settle()
	w.more = callsCalm
	w.trap = world.Trap{}
	for _, p := range w.processes {
		if p.platter != nil {
			p.platter.FailSync(-1)
		}
		if p.Paused {
			p.resume()
		}
		p.mend()
		if p.Up && p.desk.broken == p.Self.Incarnation {
			p.crash("is restarted by hand")
		}
		if !p.Up {
			p.boot()
		} else if p.saving != 0 {
			p.keep(p.saving) // what was to happen does not
		}
	}
	w.hear(&service.Fact{Kind: service.Calmed})
}

func (w *servers) hear(f *service.Fact) {
	f.At = w.Now
	w.court.Hear(f)
}

func (w *servers) record(e trace.Event) { w.Log.Event(w.Now, e) }

// reshape gives the network other faults, after those that were drawn for the beginning.
func (w *servers) reshape() {
	f := w.opt.network
	if w.Now > 0 {
		f = simnet.Draw(w.Rng)
	}
	for from := range view.ID(3) {
		for to := range view.ID(3) {
			if from != to {
				w.Net.Shape(from+1, to+1, 1, f)
			}
		}
	}
	w.Did("the network changes: "+f.String(), view.Member{}, view.Member{})
}

func (w *servers) one() *process { return w.processes[w.Rng.IntN(len(w.processes))] }

// mayFall says whether a process may be lost: the other server has all that was answered.
func (w *servers) mayFall(p *process) bool {
	if p.Self.ID == arbiter || w.opt.disk.on || w.opt.store.on {
		return true
	}
	other := w.processes[2-p.Self.ID]
	if !other.Up {
		return false
	}
	s, o := p.member.Status(), other.member.Status()
	switch {
	case s.Going:
		return false
	case s.Role == "empty":
		return !o.Going || o.Role != "empty"
	}
	return o.Role != "empty" && o.Epoch >= s.Epoch
}

func (w *servers) crashOne() {
	if p := w.one(); p.Up && w.mayFall(p) {
		w.faults++
		p.crash("crashes")
		p.bootLater()
	}
}

func (w *servers) setTrap() { w.trap = world.Trap{Host: &w.one().Host, Left: 1 + w.Rng.IntN(20)} }

// trapped says whether a process crashes at this frame.
func (w *servers) trapped(p *process, e *wire.Envelope) bool {
	if !w.trap.Sprung(&p.Host, e) || !w.mayFall(p) {
		return false
	}
	w.faults++
	return true
}

func (w *servers) pauseOne() {
	if p := w.one(); p.Runs() {
		w.faults++
		w.Pause(&p.Host, w.UpTo(w.opt.pauseMost), p.resume)
	}
}

// cutOne cuts one process off from another one, or from both.
func (w *servers) cutOne() {
	p, both, all := w.one(), w.Rng.IntN(3) != 0, w.Rng.IntN(2) == 0
	w.faults++
	w.Did("is cut off", p.Self, view.Member{})
	first := w.Rng.IntN(2)
	for i := range 2 {
		other := view.ID(1 + (int(p.Self.ID)+(first+i)%2)%3)
		if i == 1 && !all {
			break
		}
		w.Sever(p.Self.ID, other, 0, both, true)
		w.After(w.UpTo(w.opt.cutMost), func() { w.Sever(p.Self.ID, other, 0, both, false) })
	}
}

// deliver carries something between a client and a server on its machine. It is lost if one of the two has
// ended meanwhile, or now and then.
func (w *servers) deliver(from *world.Host, to view.ID, b []byte) {
	if !w.Calm && w.Rng.IntN(50) == 0 {
		return
	}
	b = bytes.Clone(b)
	w.After(50*time.Microsecond+w.UpTo(200*time.Microsecond), func() { w.hand(from, to, b) })
}

// hand gives a client or a server what has come for it. Who stands still takes it later.
func (w *servers) hand(from *world.Host, to view.ID, b []byte) {
	if int(to) > len(w.processes) {
		w.clients[int(to)-len(w.processes)-1].answered(b)
		return
	}
	p := w.processes[to-1]
	if life := p.Self.Incarnation; p.Paused {
		w.After(heartbeat, func() {
			if p.Self.Incarnation == life {
				w.hand(from, to, b)
			}
		})
	} else if p.Up {
		p.request(from.Self.ID, b)
	}
}

var (
	_ world.Process = (*process)(nil)
	_ world.Process = (*client)(nil)
)

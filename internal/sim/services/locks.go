package services

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// LocksName is the name of the world of locks on the command line.
const LocksName = "locks"

const (
	// locksMost is how many locks there are at most: few, so that clients meet.
	locksMost = 3

	// lossLease is the least lease where the service loses its state: there must be somebody left to tell
	// it when it is back.
	lossLease = 800 * time.Millisecond

	// entersMax is how often clients enter locks while there are faults.
	entersMax = 400
)

// locks is what there is beside the members in a world of locks.
type locks struct {
	w        *services
	opt      lockOptions
	resource *resource
	lives    []minutes // of the service
	losses   []time.Duration
	facts    []service.Fact // of clients and of the resource
	born     int            // lives of clients
	entered  int
	stale    int // writes that were refused

	violation *check.Violation
	stop      time.Duration // when it is to be reported, if that is known; 0: it is not
}

// lockOptions is what a seed draws for locks.
type lockOptions struct {
	lease, margin time.Duration
	order         lock.Order
	locks, tasks  int
	shared        float64       // part of those who enter to share
	work, rest    time.Duration // mean times
	window        time.Duration // of recovery from clients; 0: there is none
	links         bool          // clients have connections, and see them break
	frozen        bool          // who stands still does not see afterwards that it did: only guards help

	wipe, crash, pause, jump, cut, br time.Duration // mean intervals over the whole world
	pauseMost                         time.Duration
}

// drawLocks draws them, after those of the members.
func drawLocks(r *rand.Rand, o *options) lockOptions {
	lease := pick(r, 400*time.Millisecond, 800*time.Millisecond, 1500*time.Millisecond)
	o.clients = pick(r, 2, 3, 4, 6)
	l := lockOptions{
		lease: lease, margin: pick(r, lease/4, lease/10, 10*time.Millisecond), order: pick(r, lock.Strict, lock.Strict, lock.Loose),
		locks: pick(r, 1, 1, 1, 2, locksMost), tasks: pick(r, 1, 1, 2), shared: pick(r, 0, 0.3, 0.7),
		work: pick(r, 5*time.Millisecond, 50*time.Millisecond, lease, 4*lease), rest: pick(r, 5*time.Millisecond, 30*time.Millisecond, 100*time.Millisecond),
		pauseMost: pick(r, lease/2, 3*lease), frozen: r.IntN(8) == 0, links: r.IntN(2) == 0,
	}
	l.crash = world.Sometimes(r, 300*time.Millisecond, time.Second)
	l.pause = world.Sometimes(r, 200*time.Millisecond, time.Second)
	l.jump = world.Sometimes(r, 500*time.Millisecond, 2*time.Second)
	l.cut = world.Sometimes(r, 200*time.Millisecond, 600*time.Millisecond)
	l.br = pick(r, 0, 0, time.Second)
	if !o.disk.on && r.IntN(3) == 0 {
		l.wipe = pick(r, time.Second, 2*time.Second)
		l.lease = max(l.lease, lossLease)
		l.window = pick(r, l.lease, l.lease+l.lease/10)
		o.downMost = min(o.downMost, 100*time.Millisecond)
		l.frozen = false // who does not know that its lease is over would assert what another was granted
	}
	if l.order == lock.Loose && r.IntN(2) == 0 {
		// So many share the lock that it is never free.
		o.clients, l.shared, l.locks, l.work, l.rest = 6, 0.8, 1, 30*time.Millisecond, 5*time.Millisecond
	} else if !o.disk.on && l.window == 0 && r.IntN(2) == 0 {
		// Nothing happens to members and much to clients: leases end all the time, and somebody waits for it.
		o.crash, o.trap, o.pause, o.cut, o.reshape = 0, 0, 0, 0, 0
		o.clients, o.network = pick(r, 3, 4), simnet.Faults{Delay: 100 * time.Microsecond, Loss: 0.01}
		l.lease, l.margin, l.locks, l.cut, l.work = 400*time.Millisecond, pick(r, 10*time.Millisecond, 100*time.Millisecond), 1, 150*time.Millisecond, 50*time.Millisecond
	}
	if o.disk.on {
		// A lease must be longer than a few calls to a slow disk that takes snapshots meanwhile.
		l.lease = max(l.lease, lossLease)
		o.disk.config.Jitter, o.disk.snapshotBytes = min(o.disk.config.Jitter, 5*time.Millisecond), max(o.disk.snapshotBytes, 3000)
	}
	o.flip = 0
	if !o.disk.on {
		o.phase = time.Duration(2000+r.IntN(3000)) * time.Millisecond
	}
	return l
}

// RunLocks runs one seed of the world of locks. A run that fails is run again up to the moment
// at which it does, so that the report has the events before it.
func RunLocks(seed uint64, limits sim.Limits) *sim.Report {
	first := runLocks(seed, limits, nil)
	if first.violation == nil || first.violation.At == 0 {
		return &first.w.Report
	}
	return &runLocks(seed, limits, first.violation).w.Report
}

// runLocks runs a seed until a violation that is known, or its end.
func runLocks(seed uint64, limits sim.Limits, known *check.Violation) *locks {
	w := &services{}
	l := &locks{w: w, lives: []minutes{{}}}
	if w.locks = l; known != nil {
		l.violation, l.stop = known, known.At
	}
	w.Begin(LocksName, seed, 5, limits)
	w.opt = draw(w.Rng)
	l.opt = drawLocks(w.Rng, &w.opt)
	w.Report.Options = fmt.Sprintf("%+v %+v", w.opt, l.opt)
	w.Connect(w.opt.members+w.opt.clients+1, 1)
	w.subject = func() subject { return newLockbox(lock.Config{Order: l.opt.order, Window: l.opt.window}) }
	w.convene(service.All(service.Setting{Majority: true, Voted: w.opt.style == replicated.Voted, Volatile: l.opt.window > 0}))
	for range w.opt.clients {
		c := &locker{w: w, l: l}
		w.Add(&c.Host, c)
		w.clients = append(w.clients, c)
	}
	l.resource = &resource{l: l}
	w.Add(&l.resource.Host, l.resource)
	w.Boot(&l.resource.Host, false, true)
	w.Guard(w.run)
	return l
}

// judges are those of locks.
func (l *locks) judges() []service.Judge {
	s := service.Setting{Volatile: l.opt.window > 0, Reassert: l.opt.window > 0}
	ledger := service.NewLedger(s)
	judges := []service.Judge{ledger, service.Fencing(s), service.Exclusion(s), service.Lease(s), service.Gone(), service.Prompt(s), service.Liveness(ledger)}
	if l.opt.order == lock.Strict {
		return append(judges, service.Queue())
	}
	return append(judges, service.Overtaking(lock.OvertakesMax))
}

// verdict is what is wrong, at the moment at which it is, or at the end.
func (l *locks) verdict() *check.Violation {
	if l.stop > 0 && l.w.Now < l.stop {
		return nil
	}
	return l.violation
}

// say notes a fact for the judges of locks. Where clients cannot know that they stood still,
// what they believe proves nothing.
func (l *locks) say(f service.Fact) {
	if l.opt.frozen && (f.Kind == service.Held || f.Kind == service.Dropped) {
		if f.Kind == service.Dropped {
			return
		}
		f.Kind = service.Waived // it does not want it any more
	}
	f.At = l.w.Now
	l.facts = append(l.facts, f)
}

// plan begins what happens again and again.
func (l *locks) plan() {
	some := func(do func()) func() {
		return func() {
			l.w.faults++
			do()
		}
	}
	l.w.Repeat(l.opt.wipe, some(l.lose))
	l.w.Repeat(l.opt.crash, some(func() { l.one().crash() }))
	l.w.Repeat(l.opt.pause, some(func() { l.one().pause() }))
	l.w.Repeat(l.opt.jump, some(func() { l.one().jump() }))
	l.w.Repeat(l.opt.cut, some(func() { l.one().cut() }))
	l.w.Repeat(l.opt.br, some(func() { l.one().breaks() }))
}

// one chooses to whom something happens: rather to one who holds a lock, whose work then takes long.
func (l *locks) one() *locker {
	var c *locker
	for range 4 {
		c = l.w.clients[l.w.Rng.IntN(len(l.w.clients))].(*locker)
		if c.Runs() && slices.ContainsFunc(c.tasks, func(t *task) bool { return t.stage == holding }) {
			break
		}
	}
	for _, t := range c.tasks {
		if t.stage == holding {
			t.until = max(t.until, l.w.Now+4*l.opt.lease)
		}
	}
	return c
}

// linkLate is how long clients take to find a member that is there again.
const linkLate = 250 * time.Millisecond

// linked has clients see soon which members they can reach.
func (l *locks) linked(most time.Duration) {
	if l == nil || !l.opt.links {
		return
	}
	for _, c := range l.w.clients {
		l.w.After(5*time.Millisecond+l.w.UpTo(most), c.(*locker).links)
	}
}

// lose lets all members fall at once, whose state is in memory only.
func (l *locks) lose() {
	w := l.w
	w.Did("the service loses its state", view.Member{}, view.Member{})
	for _, m := range w.members {
		if m.Up {
			m.crash("has no power", true)
		}
		m.bootLater()
	}
	l.lives, l.losses = append(l.lives, minutes{}), append(l.losses, w.Now)
	w.most = 0
	w.hear(&service.Fact{Kind: service.Perished})
}

// nameOf is the name of a lock, keyOf its number.
func nameOf(key uint32) string { return "lock" + strconv.Itoa(int(key)) }

func keyOf(name string) uint32 {
	n, err := strconv.Atoi(name[len("lock"):])
	if err != nil {
		panic("services: a lock is named " + name)
	}
	return uint32(n)
}

var _ world.Process = (*resource)(nil)

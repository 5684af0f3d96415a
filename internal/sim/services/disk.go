package services

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// diskOptions are how disks of a world are, and what happens to them. A mean interval of zero
// means never.
type diskOptions struct {
	on            bool
	config        simdisk.Config
	segment       int
	snapshotBytes int

	cut  time.Duration // of the power, for all or some
	sync time.Duration // a sync that fails
	full time.Duration // a disk that is full
	flip time.Duration // a bit that flips while its member is down
	ebb  time.Duration // of members, one after another, until too few are left
	part time.Duration // of the most senior from the others, who lose their power soon after

	forget time.Duration // what was promised at a founding
}

// drawDisk draws them.
func drawDisk(r *rand.Rand) diskOptions {
	o := diskOptions{
		on: true, segment: 4096 << r.IntN(3), snapshotBytes: pick(r, 500, 3000, 20_000),
		config: simdisk.Config{
			Sync: pick(r, 100*time.Microsecond, time.Millisecond, 10*time.Millisecond), Jitter: pick(r, 0, time.Millisecond, 50*time.Millisecond),
			Write: pick(r, 5*time.Microsecond, 100*time.Microsecond), Stale: r.IntN(2) == 0,
		},
		cut: pick(r, 700*time.Millisecond, 1500*time.Millisecond, 3*time.Second),
	}
	some := func() time.Duration {
		if r.IntN(3) != 0 {
			return 0
		}
		return 1500 * time.Millisecond
	}
	o.sync, o.full, o.flip = some(), some(), some()
	o.ebb = pick(r, 0, time.Second)
	o.part = pick(r, 0, time.Second)
	return o
}

// drawForgetful has nothing happen but that promises are forgotten, if they were given too soon.
func (o *options) drawForgetful() {
	d := &o.disk
	d.cut, d.sync, d.full, d.flip, d.ebb, d.forget = 0, 0, 0, 0, 0, 600*time.Millisecond
	o.members, o.phase, o.network = 3, 12*time.Second, simnet.Faults{Delay: 100 * time.Microsecond}
	o.crash, o.trap, o.pause, o.cut, o.reshape, o.flip = 0, 0, 0, 0, 0, 0
}

// recoverDisk opens the member's journal, and makes the store of what it has.
func (m *member) recoverDisk() *replicated.Store {
	w := m.w
	if m.disk == nil {
		m.disk = simdisk.New(w.opt.disk.config, rand.New(rand.NewPCG(w.Rng.Uint64(), 1)))
	}
	m.disk.Fill(0)
	m.disk.Advance(w.Now)
	for {
		store := replicated.NewStore(m.exec, w.opt.style, w.opt.disk.snapshotBytes)
		log, found, err := simdisk.Open(m.disk, journal.Config{
			Cluster: fingerprint, Member: m.Self.ID, Salt: w.Rng.Uint64(), SegmentSize: w.opt.disk.segment, RecordMax: 1000,
		}, store)
		if err == nil {
			m.log = log
			store.Use(log, found.Last)
			return store
		}
		var refusal *journal.Refusal
		if !errors.As(err, &refusal) || w.lost != m {
			w.Fail(sim.Safety, fmt.Sprintf("%v cannot read its disk, which nobody has damaged: %v", m.Self, err))
		}
		w.Did("has its journal refused, and begins with a new disk: "+err.Error(), m.Self, view.Member{})
		m.disk = simdisk.New(w.opt.disk.config, rand.New(rand.NewPCG(w.Rng.Uint64(), 1)))
		m.disk.Advance(w.Now)
		m.fresh()
	}
}

// wrote lets the disk come to where it is now. It must be called before anything else at a time.
func (m *member) wrote() {
	if m.log != nil && m.log.Advance(m.w.Now) {
		m.replica.Written()
	}
}

// watchDisk sets when the disk has done something, and ends a process that cannot write.
func (m *member) watchDisk() {
	if m.log == nil {
		return
	}
	if err := m.replica.Failed(); err != nil {
		m.crash("cannot write, and ends: "+err.Error(), false)
		m.bootLater()
		return
	}
	m.Host.Work = world.Never
	if d := m.log.Deadline(); d != 0 {
		m.Host.Work = max(d, m.w.Now)
	}
}

// cutPower takes the power from all members, or from some.
func (w *services) cutPower() {
	w.faults++
	all := w.Rng.IntN(3) != 0 || !w.mayPart()
	for _, m := range w.members {
		if all || w.Rng.IntN(2) == 0 {
			if m.Up {
				m.crash("has no power", true)
			}
			m.bootLater()
		}
	}
}

// cutAll takes the power from all members.
func (w *services) cutAll() {
	w.faults++
	for _, m := range w.members {
		if m.Up {
			m.crash("has no power", true)
			m.bootLater()
		}
	}
}

// ebb takes one member away after another, with time to go on without it, until no more are left
// than half of a half; then those, and the others come back first.
func (w *services) ebb() {
	if len(w.members) < 4 || w.ebbing {
		return
	}
	w.ebbing = true
	w.faults++
	order := w.Rng.Perm(len(w.members))
	at := time.Duration(0)
	for i, k := range order {
		m, last := w.members[k], i >= len(order)-2
		if !last {
			at += ebbEvery
			w.After(at, func() {
				if m.Up {
					m.crash("goes for long", false)
				}
			})
			w.After(time.Duration(len(order))*ebbEvery, func() {
				if !m.Up {
					m.boot()
				}
			})
			continue
		}
		w.After(time.Duration(len(order))*ebbEvery, func() {
			if m.Up {
				m.crash("has no power", true)
			}
		})
		w.After(time.Duration(len(order)+2)*ebbEvery, func() {
			if w.ebbing = false; !m.Up {
				m.boot()
			}
		})
	}
}

// part cuts the most senior member off from the others, with what it has executed and they have not. They go on without it
// for a little, and lose their power: then what it has in memory meets what they have on disks.
func (w *services) part() {
	if w.latest == nil || w.ebbing {
		return
	}
	first := w.members[w.latest.Seats[0].ID-1]
	if !first.Runs() {
		return
	}
	w.faults++
	w.cuts++
	w.Did("is left alone", first.Self, view.Member{})
	sever := func(cut bool) {
		for _, other := range w.members {
			if other != first {
				w.Sever(first.Self.ID, other.Self.ID, 0, true, cut)
			}
		}
	}
	sever(true)
	end := 2*w.opt.suspectAfter + w.UpTo(500*time.Millisecond)
	w.After(end, func() {
		for _, other := range w.members {
			if other != first && other.Up {
				other.crash("has no power", true)
				other.bootLater()
			}
		}
	})
	w.After(end+w.UpTo(300*time.Millisecond), func() {
		w.cuts--
		sever(false)
	})
}

// ebbEvery is how long a group may take until it goes on without a member, and clients have
// found those who are left.
const ebbEvery = 700 * time.Millisecond

// forget has two of three members found the group anew while the third is cut off in its old view, and one of the two lose
// its power when it may have accepted. The third goes on with that one, which must know what it has
// accepted; then it goes away, and the other two are left.
func (w *services) forget() {
	if len(w.members) != 3 || w.ebbing {
		return
	}
	w.ebbing = true
	w.faults++
	order := w.Rng.Perm(3)
	old, first, other := w.members[order[0]], w.members[order[1]], w.members[order[2]]
	if first.Self.ID < other.Self.ID {
		first, other = other, first // the lower one proposes
	}
	apart := func(m *member, cut bool) {
		for _, o := range w.members {
			if o != m {
				w.Sever(m.Self.ID, o.Self.ID, 0, true, cut)
			}
		}
	}
	off := func(m *member) {
		if m.Up {
			m.crash("has no power", true)
		}
	}
	on := func(m *member) {
		if !m.Up {
			m.boot()
		}
	}
	apart(old, true)
	off(first)
	off(other)
	on(first)
	on(other)
	w.forgets = world.Trap{Host: &first.Host, Left: pick(w.Rng, 1, 2, 2, 3)} // what it reports, what it accepts, and later
	w.After(forgetEvery, func() {
		w.forgets = world.Trap{}
		apart(old, false)
		apart(other, true)
		on(first)
	})
	w.After(3*forgetEvery, func() {
		off(old)
		apart(other, false)
	})
	w.After(5*forgetEvery, func() { on(old) })
	w.After(6*forgetEvery, func() { w.ebbing = false })
}

// forgetEvery is how long a founding may take.
const forgetEvery = 1500 * time.Millisecond

// forgotten says whether a member has lost its power after a frame.
func (w *services) forgotten(m *member, e *wire.Envelope) bool {
	if wire.Channel(e.Frame[1]) != wire.Group || e.To == view.Everyone || !w.forgets.Sprung(&m.Host, e) {
		return false
	}
	m.crash("has no power, after it has said something", true)
	return true
}

// failSync lets one of the next syncs of a member fail.
func (w *services) failSync() {
	if m := w.one(); m.Up {
		w.faults++
		m.disk.FailSync(w.Rng.IntN(5))
		w.Did("has a disk that fails soon", m.Self, view.Member{})
	}
}

// fillDisk leaves a member little room.
func (w *services) fillDisk() {
	if m := w.one(); m.Up {
		w.faults++
		m.disk.Fill(m.disk.Used() + int64(w.Rng.IntN(10_000)))
		w.Did("has a disk that is nearly full", m.Self, view.Member{})
	}
}

// flipBit damages what is on the disk of one member, always the same: the others must have what
// is lost there.
func (w *services) flipBit() {
	if w.lost == nil {
		w.lost = w.one()
	}
	m := w.lost
	if m.Up || m.disk == nil || !w.remember(m) {
		return
	}
	for _, other := range w.members {
		if other != m && other.era == 0 {
			return // its disk may be new still: with this one, too many would know nothing
		}
	}
	names, _ := m.disk.List()
	if len(names) == 0 {
		return
	}
	name := names[w.Rng.IntN(len(names))]
	if size := len(m.disk.Bytes(name)); size > 0 && m.disk.Flip(name, w.Rng.Int64N(int64(size)), uint(w.Rng.IntN(8))) {
		w.faults++
		w.Did("has a bit of "+name+" that flips", m.Self, view.Member{})
	}
}

// remember says whether the disks of all but one surely remember something. One that was never in
// the group is as good as lost, and with another that is lost the rest may be too few to begin again.
func (w *services) remember(but *member) bool {
	for _, m := range w.members {
		if m != but && (m.since == 0 || w.Now-m.since < time.Second) {
			return false
		}
	}
	return true
}

// hearOf tells the court something of a member.
func (m *member) hearOf(f service.Fact, seen *sight) {
	e := event{fact: f, sight: seen}
	if m.w.tentative == nil {
		m.w.attest(&e)
		return
	}
	m.w.tentative.hear(e, m.era)
}

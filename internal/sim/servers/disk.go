package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// recordMax is more than the longest request has, bytes.
const recordMax = 8192

// diskOptions are how disks of a world with logs are, and what happens to them. A mean interval of zero means never.
type diskOptions struct {
	on            bool
	config        simdisk.Config
	segment       int
	snapshotBytes int

	cut  time.Duration // of the power, for both servers, or all
	fail time.Duration // a sync that fails
}

func drawDisk(r *rand.Rand) diskOptions {
	return diskOptions{
		on: true, segment: 16384 << r.IntN(3), snapshotBytes: pick(r, 500, 3000, 20_000),
		config: simdisk.Config{
			Sync: pick(r, 100*time.Microsecond, time.Millisecond, 10*time.Millisecond), Jitter: pick(r, 0, time.Millisecond, 50*time.Millisecond),
			Write: pick(r, 5*time.Microsecond, 100*time.Microsecond), Stale: r.IntN(2) == 0,
		},
		cut: pick(r, 200*time.Millisecond, 400*time.Millisecond, time.Second), fail: pick(r, 0, 0, 700*time.Millisecond),
	}
}

// recoverLog opens a server's journal, and makes the log of what it has.
func (p *process) recoverLog() *duo.Log {
	w := p.w
	if p.platter == nil {
		p.platter = simdisk.New(w.opt.disk.config, rand.New(rand.NewPCG(w.Rng.Uint64(), 1)))
	}
	p.platter.FailSync(-1)
	p.platter.Advance(w.Now)
	log := duo.NewLog(p.exec, w.opt.disk.snapshotBytes)
	j, found, err := simdisk.Open(p.platter, journal.Config{
		Cluster: fingerprint, Member: p.Self.ID, Salt: w.Rng.Uint64(), SegmentSize: w.opt.disk.segment, RecordMax: recordMax, PendingMax: 1 << 20,
	}, log)
	if err != nil {
		w.Fail(safety, fmt.Sprintf("%v cannot read its disk, which nobody has damaged: %v", p.Self, err))
		panic(errors.Join(errors.New("servers: a disk is not read"), err))
	}
	log.Use(j, found.Last)
	p.log, p.saved = j, log.Recovered().Known
	return log
}

// wrote lets the disk come to where it is now. It must be called before anything else at a time.
func (p *process) wrote() {
	if p.log != nil && p.log.Advance(p.w.Now) {
		p.member.Written()
	}
}

// watchDisk sets when the disk has done something.
func (p *process) watchDisk() {
	p.Host.Work = world.Never
	if p.log == nil {
		return
	}
	if d := p.log.Deadline(); d != 0 {
		p.Host.Work = max(d, p.w.Now)
	}
}

// cutPower takes the power from both servers, or from all three.
func (w *servers) cutPower() {
	w.faults++
	n := 2 + w.Rng.IntN(2)
	for _, p := range w.processes[:n] {
		if p.Up {
			p.crash("has no power")
		}
		p.bootLater()
	}
}

// failSync lets one of the next syncs of a server fail.
func (w *servers) failSync() {
	if p := w.processes[w.Rng.IntN(2)]; p.Up {
		w.faults++
		p.platter.FailSync(w.Rng.IntN(5))
		w.Did("has a disk that fails soon", p.Self, view.Member{})
	}
}

// passage is what brought a state about.
type passage struct {
	fact   service.Fact
	before uint64 // the state before
	from   uint64 // the digest of all that was executed before
}

// witness notes what a server has executed: the court is told when it is sure, which may be by who finds it in a log.
func (p *process) witness() {
	for p.witnessed = min(p.witnessed, p.exec.Index()); p.witnessed < p.exec.Index(); {
		p.witnessed++
		from, seen := p.exec.At(p.witnessed - 1)
		if at, _ := p.exec.At(p.witnessed); seen { // who was given a state has not seen what led to it
			p.w.story[at] = passage{p.state.Fact(p.Self, p.witnessed), p.state.SumAt(p.witnessed - 1), from}
		}
	}
}

// regained tells the court of a state as of a command, and of the commands before of which it was not told.
func (p *process) regained(index uint64) {
	var untold []service.Fact
	w, state := p.w, p.state.SumAt(index)
	digest, _ := p.exec.At(index)
	p.last = index
	for ; p.last > w.most; p.last-- {
		s, is := w.story[digest]
		if !is {
			break
		}
		s.fact.Node = p.Self
		untold, state, digest = append(untold, s.fact), s.before, s.from
	}
	p.reports = true
	w.hear(&service.Fact{Kind: service.Restored, Node: p.Self, Index: p.last, State: state})
	for _, f := range slices.Backward(untold) {
		w.hear(&f)
	}
	p.last, w.most = index, max(w.most, index)
}

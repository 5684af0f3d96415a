package servers

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// arbiter is the third process.
const arbiter view.ID = 3

// process is one of the two servers, or the arbiter.
type process struct {
	world.Host
	w *servers

	cohort *cohort.Node
	out    cohort.Output
	part   part
	member *duo.Member // nil: it is the arbiter
	state  *echo
	exec   *session.Executor

	platter   *simdisk.Disk // under a log
	log       *simdisk.Log  // nil: there is none, or it is down
	witnessed uint64        // the last command that was noted
	comes     bool          // it has a state from the other, and its disk does not yet
	base      uint64        // as of which command

	disk  view.Epoch // what is saved
	saved bool       // something is

	saving view.Epoch // is being saved, and the process was not told; 0: none
	desk   desk

	reports bool     // it has a state that counts
	led     bool     // it was the primary when the court was last told
	last    uint64   // the last command that the court was told of
	named   []uint64 // where the other differs, and the court was not told
}

// part is what a process runs.
type part interface {
	Save() view.Epoch
	Output() *replica.Output
	Status() duo.Status
}

// echo is the service: a register whose answers are as long as what was asked.
type echo struct{ register.Witnessed }

// Apply executes a request and answers what there was before, and what was asked.
func (s *echo) Apply(c session.Command, reply []byte) []byte {
	empty := len(reply)
	if reply = s.Witnessed.Apply(c, reply); len(reply) == empty {
		panic(fmt.Sprintf("servers: a request of %d bytes was changed on its way", len(c.Body)))
	}
	return append(reply, c.Body...)
}

// boot begins a life that knows what its disk knows.
func (p *process) boot() {
	w := p.w
	p.Self.Incarnation = max(p.Self.Incarnation, view.Incarnation(w.Now.Microseconds()))
	w.Boot(&p.Host, w.opt.drift, true)
	w.Did("boots", p.Self, view.Member{})
	p.out, p.reports, p.led, p.last, p.named, p.saving = cohort.Output{}, false, false, 0, nil, 0
	cfg := cohort.NodeConfig{
		Self: p.Self, Fingerprint: fingerprint, Links: 1, Heartbeat: heartbeat,
		SuspectAfter: w.opt.suspectAfter, Recorder: trace.RecorderFunc(w.record),
	}
	for i := range w.processes {
		cfg.Candidates = append(cfg.Candidates, cohort.Candidate{ID: view.ID(i + 1), Name: fmt.Sprint("node", i+1), Votes: 1, Witness: i == 2})
	}
	var err error
	if p.cohort, err = cohort.New(cfg, rand.New(rand.NewPCG(w.Rng.Uint64(), 0))); err != nil {
		panic(fmt.Sprintf("servers: a drawn configuration is refused: %v", err))
	}
	now := w.Read(&p.Host)
	p.cohort.Start(now, &p.out)
	if p.Self.ID == arbiter {
		p.part = duo.Arbitrate(now, p.cohort, duo.Referee{
			Name: "service", Self: p.Self, Members: [2]view.ID{1, 2}, Fingerprint: fingerprint, Granted: p.disk, Recorder: cfg.Recorder,
		})
	} else {
		p.state = &echo{}
		p.exec = session.NewExecutor(p.state)
		p.state.Index = p.exec.Index
		p.member, err = p.join(now, duo.Config{
			Name: "service", Self: p.Self, Peer: 3 - p.Self.ID, Preferred: 1, Fingerprint: fingerprint,
			Heartbeat: heartbeat, SuspectAfter: w.opt.suspectAfter, Executor: p.exec, Recorder: cfg.Recorder,
		})
		if err != nil {
			panic(fmt.Sprintf("servers: a drawn member is refused: %v", err))
		}
		p.part = p.member
	}
	p.after()
}

// join makes a server's part, in the style of the run.
func (p *process) join(now time.Time, cfg duo.Config) (*duo.Member, error) {
	w := p.w
	if cfg.Terms = "style=pair"; w.opt.store.on {
		cfg.Terms = "style=checkpointed"
		return duo.JoinCheckpointed(now, p.cohort, duo.CheckpointedConfig{Config: cfg, Every: w.opt.store.every})
	}
	var log *duo.Log
	if w.opt.disk.on {
		log = p.recoverLog()
		p.witnessed, p.comes = p.exec.Index(), false
	}
	return duo.JoinPair(now, p.cohort, duo.PairConfig{
		Config: cfg, Policy: w.opt.policy, Arbiter: arbiter, Recovered: pair.Recovered{Known: p.saved, Epoch: p.disk}, Disk: true, Log: log,
	})
}

// crash ends the life.
func (p *process) crash(what string) {
	p.w.Did(what, p.Self, view.Member{})
	if p.member != nil {
		p.w.hear(&service.Fact{Kind: service.Fell, Node: p.Self})
	}
	if p.log != nil {
		p.platter.Crash(p.w.Now)
		p.log = nil
	}
	if p.w.opt.store.on {
		p.fall()
	}
	p.End()
	p.cohort, p.part, p.member, p.reports = nil, nil, nil, false
}

// bootLater begins the next life after a time.
func (p *process) bootLater() {
	p.w.After(p.w.UpTo(p.w.opt.downMost), func() {
		if !p.Up {
			p.boot()
		}
	})
}

// Receive takes a datagram of another process.
func (p *process) Receive(d *simnet.Datagram) {
	p.wrote()
	p.cohort.Receive(p.w.Read(&p.Host), d.From, d.Link, d.Frame, &p.out)
	p.after()
}

// request takes a client's request.
func (p *process) request(from view.ID, b []byte) {
	p.wrote()
	p.member.Submit(p.w.Read(&p.Host), replica.Client(from), b)
	p.after()
}

// Tick lets the process do what is due.
func (p *process) Tick() {
	p.wrote()
	now := p.w.Read(&p.Host)
	p.cohort.Tick(now, &p.out)
	if p.member != nil {
		p.member.Tick(now)
	}
	p.after()
}

// Work takes what the disk has done.
func (p *process) Work() {
	p.Host.Work = world.Never
	if p.log != nil {
		p.wrote()
		p.after()
	}
}

// resume ends a pause.
func (p *process) resume() {
	p.w.Resume(&p.Host)
	if p.w.Rng.IntN(2) == 0 {
		p.w.Tick(&p.Host)
	}
	p.w.Drain(&p.Host)
	if p.Runs() {
		p.after()
	}
	p.learn()
}

// after ends a step.
func (p *process) after() {
	w := p.w
	w.Report.Steps++
	if p.log != nil {
		p.member.Act(w.Read(&p.Host), &p.out)
		p.witness()
		if err := p.member.Failed(); err != nil {
			p.crash("cannot write, and ends: " + err.Error())
			p.bootLater()
			return
		}
		p.watchDisk()
	}
	p.report()
	p.ask()
	if epoch := p.part.Save(); epoch != 0 {
		p.keep(epoch)
	}
	out := p.part.Output()
	for _, r := range out.Replies {
		w.deliver(&p.Host, view.ID(r.To), r.Data)
	}
	out.Reset()
	p.cohort.Flush(w.Read(&p.Host), &p.out)
	send := p.out.Send
	p.out = cohort.Output{}
	for i := range send {
		e := &send[i]
		if w.trapped(p, e) {
			p.crash("crashes in the middle of a step")
			p.bootLater()
			return
		}
		w.send(p, e)
	}
	d := p.cohort.Deadline()
	if p.member != nil {
		if at := p.member.Deadline(); d.IsZero() || !at.IsZero() && at.Before(d) {
			d = at
		}
	}
	w.Schedule(&p.Host, d)
}

// keep has an epoch saved: it is on the disk some time before the process hears of it.
func (p *process) keep(epoch view.Epoch) {
	p.saving = epoch
	w, life := p.w, p.Self.Incarnation
	here := func() bool { return p.Up && p.Self.Incarnation == life }
	if !w.Calm && w.Rng.IntN(6) == 0 {
		w.After(w.UpTo(w.opt.syncMost), func() {
			if here() && w.mayFall(p) {
				w.faults++
				p.crash("crashes while its disk is at work")
				p.bootLater()
			}
		})
	}
	w.After(w.UpTo(w.opt.syncMost), func() {
		if !here() {
			return
		}
		p.disk, p.saved = epoch, true
		w.After(w.UpTo(w.opt.syncMost), func() {
			if !here() {
				return
			}
			p.told(epoch)
		})
	})
}

// told tells a process that an epoch is saved, when it runs.
func (p *process) told(epoch view.Epoch) {
	if p.Paused {
		life := p.Self.Incarnation
		p.w.After(heartbeat, func() {
			if p.Up && p.Self.Incarnation == life {
				p.told(epoch)
			}
		})
		return
	}
	p.saving = 0
	now := p.w.Read(&p.Host)
	switch at := p.part.(type) {
	case *duo.Member:
		at.Saved(now, epoch, nil)
	case *duo.Arbiter:
		at.Saved(now, epoch, nil)
	}
	p.after()
}

// report tells the court what a server has executed, as far as it is in the agreed order: what the
// primary alone has, nobody was answered.
func (p *process) report() {
	if p.member == nil {
		return
	}
	w := p.w
	for _, c := range p.member.Output().Do {
		p.heed(&c)
	}
	s := p.member.Status()
	if w.opt.store.on && s.Role != "primary" {
		p.reports = false
		w.hear(&service.Fact{Kind: service.Fell, Node: p.Self})
		return
	}
	upto := p.member.Stable()
	switch p.comes = p.comes && s.Role != "empty"; {
	case p.comes && upto > 0 && upto >= p.base:
		p.comes = false
		p.regained(p.base)
	case !p.reports:
		return
	}
	if s.Role == "empty" && !p.led && !w.opt.disk.on {
		upto = p.exec.Index() // a backup that has given its state up
	}
	for p.last < upto {
		p.last++
		w.most = max(w.most, p.last)
		f := p.state.Fact(p.Self, p.last)
		w.hear(&f)
	}
	for len(p.named) > 0 && p.named[0] <= p.last {
		w.hear(&service.Fact{Kind: service.Named, Node: p.Self, Peer: w.processes[2-p.Self.ID].Self, Index: p.named[0]})
		p.named = p.named[1:]
	}
	if p.led = s.Role == "primary"; s.Role == "empty" {
		p.reports = false
		w.hear(&service.Fact{Kind: service.Fell, Node: p.Self})
	}
}

// heed tells the court what a server says of itself.
func (p *process) heed(c *replica.Command) {
	w := p.w
	switch c.Verb {
	case replica.Founded:
		if w.most > 0 && !w.opt.store.on {
			if w.opt.disk.on {
				w.Fail(safety, fmt.Sprintf("%v begins without a state, and there are logs", p.Self))
			}
			w.most = 0
			w.hear(&service.Fact{Kind: service.Perished})
		}
		p.restored(c.Index)
	case replica.Alone:
		if !p.reports && w.opt.disk.on {
			p.regained(c.Index)
		}
	case replica.Resumed:
		p.restored(c.Index)
	case replica.Paired:
		switch {
		case p.reports:
		case w.opt.disk.on:
			p.comes, p.base = true, c.Index
		default:
			p.restored(c.Index)
		}
	case replica.Lost:
		if c.Answered != 0 {
			w.Fail(safety, fmt.Sprintf("%v gives up commands from %d on that clients were answered", p.Self, c.Answered))
		}
	case replica.Diverged:
		if !w.flips {
			w.Fail(safety, fmt.Sprintf("%v says that states differ at command %d, and no memory is damaged", p.Self, c.Index))
		}
		if p.member.Status().Role != "empty" {
			p.named = append(p.named, c.Index)
		}
	case replica.Halted:
		w.Fail(safety, fmt.Sprintf("%v is %v at command %d: %v", p.Self, c.Verb, c.Index, c.Err))
	}
}

func (p *process) restored(index uint64) {
	p.reports, p.last = true, index
	p.w.hear(&service.Fact{Kind: service.Restored, Node: p.Self, Index: index, State: p.state.SumAt(index)})
}

// send gives an envelope to the network.
func (w *servers) send(p *process, e *wire.Envelope) {
	if e.To != view.Everyone {
		w.Net.Send(w.Now, p.Self, e.To, e.Link, e.Frame)
		return
	}
	for _, id := range e.Members {
		w.Net.Send(w.Now, p.Self, id, e.Link, e.Frame)
	}
}

package cohorts

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// node is one process.
type node struct {
	world.Host
	w       *cohorts
	votes   uint8
	witness bool

	cohort *cohort.Node
	out    cohort.Output
	later  []func() // what owners do when all that was delivered is heard
	owners []*owner // by group
	trap   trap
	heard  []hearing     // by peer
	misfit bool          // it is configured otherwise than the others
	runs   time.Duration // since when it runs without a break
}

// hearing is what has come of a peer.
type hearing struct {
	life   view.Incarnation
	former view.Incarnation // before the datagram that is being received; else the same
	at     time.Duration
}

// trap lets a process crash at the frame of one channel that it sends as the left-th.
type trap struct {
	channel wire.Channel
	left    int
	done    bool // what the step delivers is delivered before
}

// boot begins a life. Lives count microseconds, so that a later one of any process has the
// greater number, as in the daemon.
func (n *node) boot() {
	w := n.w
	n.Self.Incarnation = max(n.Self.Incarnation, view.Incarnation(w.Now/time.Microsecond))
	w.Boot(&n.Host, w.opt.drift, w.opt.sealed)
	w.Did("boots", n.Self, view.Member{})
	n.out, n.later, n.trap, n.runs = cohort.Output{}, nil, trap{}, w.Now
	n.heard = make([]hearing, w.opt.nodes)
	n.misfit = !w.Calm && w.Now > 0 && w.Rng.Float64() < w.opt.misfits && w.mayFall(n)
	cfg := cohort.NodeConfig{
		Self: n.Self, Fingerprint: fingerprint, Links: w.opt.links, Heartbeat: heartbeat,
		SuspectAfter: w.opt.suspectAfter, Perfect: w.opt.perfect, Recorder: trace.RecorderFunc(w.record),
	}
	for i := range w.nodes {
		cfg.Candidates = append(cfg.Candidates, cohort.Candidate{
			ID: view.ID(i + 1), Name: fmt.Sprint("node", i+1), Votes: w.opt.votes[i], Witness: w.opt.witness[i],
		})
	}
	var err error
	n.cohort, err = cohort.New(cfg, rand.New(rand.NewPCG(w.Rng.Uint64(), 0)))
	if err != nil {
		panic(fmt.Sprintf("cohorts: a drawn configuration is refused: %v", err))
	}
	n.owners = nil
	w.hearAll(group.Fact{Kind: group.Booted, Node: n.Self})
	n.cohort.Start(w.Read(&n.Host), &n.out)
	if w.opt.perfect {
		for _, other := range w.nodes {
			if other != n {
				n.cohort.Suspect(w.Read(&n.Host), other.Self.ID, !other.Up, &n.out)
			}
		}
	}
	for g := range w.opt.groups {
		o := &owner{n: n, number: g, waits: world.Never}
		n.owners = append(n.owners, o)
		o.join()
	}
	n.after()
	n.tellPerfect()
	n.Host.Work = w.Now + w.Interval(w.opt.every)
}

// crash ends the life.
func (n *node) crash(what string) {
	w := n.w
	w.Did(what, n.Self, view.Member{})
	w.hearAll(group.Fact{Kind: group.Crashed, Node: n.Self})
	n.End()
	n.cohort, n.later = nil, nil
	for _, o := range n.owners {
		*o = owner{n: n, number: o.number, waits: world.Never}
	}
	n.tellPerfect()
}

// tellPerfect tells perfect detectors what has become of the process, soon.
func (n *node) tellPerfect() {
	if !n.w.opt.perfect {
		return
	}
	n.w.After(n.w.UpTo(n.w.opt.suspectAfter), n.tellNow)
}

func (n *node) tellNow() {
	for _, other := range n.w.nodes {
		if other != n && other.Up {
			other.cohort.Suspect(n.w.Read(&other.Host), n.Self.ID, !n.Up, &other.out)
			if !other.Paused {
				other.after()
			}
		}
	}
}

// bootLater begins the next life after a time.
func (n *node) bootLater() {
	n.w.After(n.w.UpTo(n.w.opt.downMost), func() {
		if !n.Up {
			n.boot()
		}
	})
}

// Receive takes a datagram.
func (n *node) Receive(d *simnet.Datagram) {
	w := n.w
	h := &n.heard[d.From.ID-1]
	if _, _, why := wire.Open(d.Frame); why == wire.OK && d.From.Incarnation >= h.life {
		h.former, h.life, h.at = h.life, d.From.Incarnation, w.Now
		if h.former != h.life {
			w.hearAll(group.Fact{Kind: group.Heard, Node: n.Self, Peer: d.From})
		}
	}
	n.cohort.Receive(w.Read(&n.Host), d.From, d.Link, d.Frame, &n.out)
	h.former = h.life
	n.after()
}

// Tick lets the process do what is due.
func (n *node) Tick() {
	n.cohort.Tick(n.w.Read(&n.Host), &n.out)
	n.after()
}

// Work lets the owners multicast.
func (n *node) Work() {
	w := n.w
	n.Host.Work = w.Now + w.Interval(w.opt.every)
	for _, o := range n.owners {
		if w.mayBusy(n) {
			o.send(1 + w.Rng.IntN(w.opt.batch))
		}
	}
	n.after()
}

// resume ends a pause.
func (n *node) resume() {
	n.w.Resume(&n.Host)
	n.runs = n.w.Now
	for _, o := range n.owners {
		o.waits = world.Never
	}
	if n.w.Rng.IntN(2) == 0 {
		n.w.Tick(&n.Host) // the timer is seen before the socket
	}
	n.w.Drain(&n.Host)
	if n.Runs() {
		n.after()
	}
}

// after ends a step: it carries out what was put out, then lets the owners act on what they
// were delivered, which is a step of its own.
func (n *node) after() {
	w := n.w
	for n.Runs() {
		w.Report.Steps++
		n.cohort.Flush(w.Read(&n.Host), &n.out)
		if n.carryOut() {
			return
		}
		n.out.Reset()
		w.Schedule(&n.Host, n.cohort.Deadline())
		if len(n.later) == 0 {
			return
		}
		later := n.later
		n.later = nil
		for _, do := range later {
			do()
		}
	}
}

// carryOut delivers and sends, and reports that the process crashed in the middle.
func (n *node) carryOut() bool {
	k := n.trapped()
	if k < 0 || n.trap.done {
		for i := range n.out.Deliver {
			d := &n.out.Deliver[i]
			n.owner(d.Group).deliver(d)
		}
	}
	for i := range n.out.Send {
		if i == k {
			n.crash("crashes in the middle of a step")
			n.bootLater()
			return true
		}
		n.send(&n.out.Send[i])
	}
	return false
}

// trapped gives the envelope before which the process is to crash, or -1.
func (n *node) trapped() int {
	if n.trap.left == 0 {
		return -1
	}
	for i := range n.out.Send {
		if wire.Channel(n.out.Send[i].Frame[1]) != n.trap.channel {
			continue
		}
		if n.trap.left--; n.trap.left == 0 {
			if n.w.mayFall(n) {
				n.w.faults++
				return i
			}
			return -1
		}
	}
	return -1
}

// send gives an envelope to the network.
func (n *node) send(e *wire.Envelope) {
	if e.To != view.Everyone {
		n.w.Net.Send(n.w.Now, n.Self, e.To, e.Link, e.Frame)
		return
	}
	if n.w.opt.overheard {
		for _, other := range n.w.nodes {
			if other != n {
				n.w.Net.Send(n.w.Now, n.Self, other.Self.ID, e.Link, e.Frame)
			}
		}
		return
	}
	for _, id := range e.Members {
		n.w.Net.Send(n.w.Now, n.Self, id, e.Link, e.Frame)
	}
}

func (n *node) owner(g *cohort.Group) *owner {
	for _, o := range n.owners {
		if o.group == g {
			return o
		}
	}
	panic("cohorts: a delivery of a group that nobody joined")
}

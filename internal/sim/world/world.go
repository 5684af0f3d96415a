// Package world is what the worlds of the simulator have in common: virtual time and what
// happens next in it, hosts with clocks that stand still now and then, cuts, the end of a
// run.
//
// A world embeds a [World] and gives it its hosts; each host's [Process] is what runs on
// it. There is one thread and one source of chance. What is due at the same moment comes
// in this order: actions, datagrams, then the hosts by their number, the clock's work
// before the owner's. Nothing else decides, so a seed is a schedule.
package world

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// World is one run. Its fields may be read at any time; Late, StepsMax, BusyMax, Each and Court
// are set before the run begins.
type World struct {
	Rng    *rand.Rand
	Now    time.Duration
	Net    *simnet.Network
	Log    *sim.Log
	Report sim.Report
	Calm   bool

	Court    interface{ Verdict() *check.Violation }
	Late     string // the promise that is about liveness; to break another is about safety
	StepsMax uint64 // of machines: beyond it there is a storm
	BusyMax  int    // how often a process may want to be ticked without time passing
	Each     func() // is called after each thing that has happened; nil: nothing is

	hosts   []*Host
	actions simnet.Heap[func()]
}

// Begin makes the world's chance and its log. stream keeps the worlds of one seed apart.
func (w *World) Begin(name string, seed, stream uint64, limits sim.Limits) {
	w.Rng, w.Log = rand.New(rand.NewPCG(seed, stream)), sim.NewLog()
	w.Report = sim.Report{World: name, Seed: seed, Limits: limits}
}

// Connect makes the network between nodes 1 to nodes.
func (w *World) Connect(nodes, links int) { w.Net = simnet.New(w.Rng, nodes, links) }

// Guard runs a run and notes a panic, unless it is wanted raw. Then the report is complete.
func (w *World) Guard(run func()) *sim.Report {
	func() {
		if !w.Report.Limits.Raw {
			defer func() {
				if p := recover(); p != nil {
					w.Report.Panicked(p)
				}
			}()
		}
		run()
	}()
	w.Report.Virtual, w.Report.Network = w.Now, w.Net.Counts()
	w.Report.Close(w.Log)
	return &w.Report
}

// Over says whether the run has failed.
func (w *World) Over() bool {
	if v := w.Court.Verdict(); v != nil {
		class := sim.Safety
		if v.Promise == w.Late {
			class = sim.Liveness
		}
		w.Fail(class, v.Error())
	}
	if w.Report.Steps > w.StepsMax {
		w.Fail(sim.Liveness, fmt.Sprintf("%d steps and no end: a storm", w.Report.Steps))
	}
	return w.Report.Failed()
}

// Fail ends the run. Only the first failure counts.
func (w *World) Fail(class sim.Class, text string) {
	if !w.Report.Failed() {
		w.Report.Class, w.Report.Text = class, text
	}
}

// Did notes what the world does.
func (w *World) Did(what string, from, to view.Member) { w.Log.Did(w.Now, what, from, to) }

// Interval draws an interval with the given mean; short ones are the most likely.
func (w *World) Interval(mean time.Duration) time.Duration {
	return time.Duration(w.Rng.ExpFloat64() * float64(mean))
}

// Sometimes draws one of some means for [World.Repeat], or in one run of three that there is nothing of it.
func Sometimes(r *rand.Rand, means ...time.Duration) time.Duration {
	if r.IntN(3) == 0 {
		return 0
	}
	return means[r.IntN(len(means))]
}

// UpTo draws a time that is short more often than long.
func (w *World) UpTo(most time.Duration) time.Duration {
	f := w.Rng.Float64()
	return time.Duration(f * f * float64(most))
}

// After lets something happen later.
func (w *World) After(d time.Duration, do func()) { w.actions.Push(w.Now+d, do) }

// Repeat lets something happen again and again, at intervals with the given mean; 0: never.
func (w *World) Repeat(mean time.Duration, do func()) {
	if mean == 0 {
		return
	}
	w.After(w.Interval(mean), func() {
		do()
		w.Repeat(mean, do)
	})
}

// First runs the first phase: until a moment, the limit of steps, or a failure.
func (w *World) First(until time.Duration) {
	limit := w.Report.Limits.Steps
	for w.Now < until && (limit == 0 || w.Report.Steps < limit) && !w.Over() {
		w.step(until)
	}
}

// Until lets time pass.
func (w *World) Until(t time.Duration) {
	for w.Now < t && !w.Over() {
		w.step(t)
	}
}

// Settle begins the second phase: the network does no harm, and what was to happen does
// not.
func (w *World) Settle() {
	w.Calm = true
	w.Did("calm", view.Member{}, view.Member{})
	w.Net.Settle()
	for w.actions.Len() > 0 {
		w.actions.Pop()
	}
}

// step lets the next thing happen, or time pass until a moment.
func (w *World) step(until time.Duration) {
	const (
		nothing = iota
		action
		datagram
		tick
		work
	)
	at, what, on := until, nothing, (*Host)(nil)
	if next, ok := w.actions.Next(); ok && next < at {
		at, what = next, action
	}
	if next, ok := w.Net.Next(); ok && next < at {
		at, what = next, datagram
	}
	for _, h := range w.hosts {
		if !h.Runs() {
			continue
		}
		if h.At < at {
			at, what, on = h.At, tick, h
		}
		if h.Work < at {
			at, what, on = h.Work, work, h
		}
	}
	if at > w.Now {
		w.Now = at
		for _, h := range w.hosts {
			h.busy = 0
		}
	}
	switch what {
	case nothing:
		return
	case action:
		_, do := w.actions.Pop()
		do()
	case datagram:
		_, d := w.Net.Arrive()
		w.arrive(w.hosts[d.To-1], &d)
	case tick:
		w.Tick(on)
	case work:
		on.process.Work()
	}
	if w.Each != nil {
		w.Each()
	}
}

package services

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
)

// CallsName is the name of the world of calls on the command line.
const CallsName = "calls"

// users is what there is in a world of calls beside the members: programs that call a register with
// the machine of protocol/call, with calls of all four semantics.
type users struct {
	opt    callOptions
	born   int // lives of programs
	doubts int // calls that may or may not have changed a judged cell
}

// callOptions is what a seed draws for them.
type callOptions struct {
	lease    time.Duration
	retry    time.Duration // the first wait
	hedge    time.Duration // 0: nothing is hedged
	open     int           // calls of a program at a time
	deadline time.Duration // mean
	copies   float64       // part of the requests that arrive twice, the second time late
	late     time.Duration
	reach    bool // the transport tells who cannot be reached

	crash, cancel time.Duration // mean intervals over the whole world
}

// drawCalls draws them.
func drawCalls(r *rand.Rand) callOptions {
	return callOptions{
		lease: pick(r, 400*time.Millisecond, time.Second, 3*time.Second), retry: pick(r, 10*time.Millisecond, 30*time.Millisecond, 100*time.Millisecond),
		hedge: pick(r, 0, 5*time.Millisecond, 30*time.Millisecond), open: pick(r, 1, 2, 5),
		deadline: pick(r, 100*time.Millisecond, 500*time.Millisecond, 3*time.Second),
		copies:   pick(r, 0, 0.05, 0.3), late: pick(r, 10*time.Millisecond, 300*time.Millisecond, 2*time.Second), reach: r.IntN(2) == 0,
		crash: pick(r, 0, 300*time.Millisecond, time.Second), cancel: pick(r, 0, 50*time.Millisecond, 300*time.Millisecond),
	}
}

// RunCalls runs one seed of the world of calls.
func RunCalls(seed uint64, limits sim.Limits) *sim.Report {
	w, u := &services{}, &users{}
	w.Begin(CallsName, seed, 6, limits)
	w.opt = draw(w.Rng)
	u.opt = drawCalls(w.Rng)
	w.opt.flip = 0
	w.Report.Options = fmt.Sprintf("%+v %+v", w.opt, u.opt)
	w.Connect(w.opt.members+w.opt.clients, 1)
	w.subject = func() subject { return &cells{} }
	w.convene(service.All(service.Setting{Majority: true, Voted: w.opt.style == replicated.Voted, Semantics: true, Replies: true}))
	for range w.opt.clients {
		c := &user{w: w, all: u}
		w.Add(&c.Host, c)
		w.clients = append(w.clients, c)
	}
	w.users = u
	return w.Guard(w.run)
}

// plan begins what happens to them again and again.
func (u *users) plan(w *services) {
	some := func(do func(*user)) func() {
		return func() {
			w.faults++
			do(w.clients[w.Rng.IntN(len(w.clients))].(*user))
		}
	}
	w.Repeat(u.opt.crash, some((*user).crash))
	w.Repeat(u.opt.cancel, some((*user).cancel))
}

package peers

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
)

// options is what a seed draws. A mean interval of zero means never.
type options struct {
	members      int
	reckless     bool // any number of processes may fall at a time
	lease        time.Duration
	phase        time.Duration // with faults, at least
	drift        bool
	suspectAfter time.Duration
	network      simnet.Faults
	every        time.Duration // mean interval between things that a user does
	hold         time.Duration // mean time for which a lock is held
	shared       float64       // which part of the requests is shared

	crash, trap, pause, cut, reshape, leave, fall time.Duration // mean intervals over the whole world
	downMost, pauseMost, cutMost                  time.Duration
}

const heartbeat = 20 * time.Millisecond

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// draw draws the options of a run.
func draw(r *rand.Rand) options {
	o := options{
		members: pick(r, 2, 3, 3, 3, 4, 5), reckless: r.IntN(4) == 0,
		lease: pick(r, 200*time.Millisecond, 400*time.Millisecond, time.Second),
		phase: time.Duration(2000+r.IntN(4000)) * time.Millisecond,
		drift: r.IntN(2) == 0, suspectAfter: pick(r, 100*time.Millisecond, 200*time.Millisecond),
		network: simnet.Draw(r),
		every:   pick(r, 5*time.Millisecond, 20*time.Millisecond, 60*time.Millisecond),
		hold:    pick(r, 2*time.Millisecond, 50*time.Millisecond, 500*time.Millisecond, 3*time.Second),
		shared:  pick(r, 0, 0.3, 0.8),
		// Longer and shorter than the leases.
		downMost:  pick(r, 50*time.Millisecond, 500*time.Millisecond, 2*time.Second),
		pauseMost: pick(r, 50*time.Millisecond, 500*time.Millisecond, time.Second, 3*time.Second),
		cutMost:   pick(r, 100*time.Millisecond, 500*time.Millisecond, 2*time.Second),
	}
	if r.IntN(3) > 0 {
		o.network = simnet.Mild(r)
	}
	o.crash = world.Sometimes(r, 400*time.Millisecond, time.Second)
	o.trap = world.Sometimes(r, 100*time.Millisecond, 400*time.Millisecond)
	o.pause = world.Sometimes(r, 300*time.Millisecond, time.Second)
	o.cut = world.Sometimes(r, 400*time.Millisecond, time.Second)
	o.reshape = world.Sometimes(r, 500*time.Millisecond)
	o.leave = world.Sometimes(r, 500*time.Millisecond, 2*time.Second)
	if r.IntN(4) == 0 {
		o.fall = 1500 * time.Millisecond
	}
	return o
}

// String gives the options for a report.
func (o *options) String() string { return fmt.Sprintf("%+v", *o) }

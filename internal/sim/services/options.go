package services

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
)

// options is what a seed draws. A mean interval of zero means never.
type options struct {
	style            replicated.Style
	members, clients int
	phase            time.Duration // with faults, at least
	drift            bool
	suspectAfter     time.Duration
	network          simnet.Faults
	every            time.Duration // mean interval between calls of a client
	rest             time.Duration // at the end: digests are told, and who was shunned is let in again

	crash, trap, pause, cut, reshape, flip time.Duration // mean intervals over the whole world
	downMost, pauseMost, cutMost           time.Duration

	disk diskOptions
}

// styles is how many styles there are.
const styles = 3

const heartbeat = 20 * time.Millisecond

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// draw draws the options of a run.
func draw(r *rand.Rand) options {
	o := options{
		style:   replicated.Style(r.IntN(styles)),
		members: pick(r, 3, 3, 3, 4, 5), clients: pick(r, 2, 3, 4, 6),
		phase:        time.Duration(1000+r.IntN(1500)) * time.Millisecond,
		drift:        r.IntN(2) == 0,
		suspectAfter: pick(r, 100*time.Millisecond, 200*time.Millisecond),
		network:      simnet.Draw(r),
		every:        pick(r, 5*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond),
		rest:         time.Second,
		downMost:     pick(r, 20*time.Millisecond, 300*time.Millisecond),
		pauseMost:    pick(r, 50*time.Millisecond, 300*time.Millisecond, 3*time.Second),
		cutMost:      pick(r, 100*time.Millisecond, time.Second),
	}
	if r.IntN(2) == 0 {
		o.network = simnet.Mild(r)
	}
	o.crash = world.Sometimes(r, 200*time.Millisecond, 500*time.Millisecond)
	o.trap = world.Sometimes(r, 100*time.Millisecond, 300*time.Millisecond)
	o.pause = world.Sometimes(r, 200*time.Millisecond, 500*time.Millisecond)
	o.cut = world.Sometimes(r, 300*time.Millisecond, 600*time.Millisecond)
	o.reshape = world.Sometimes(r, 500*time.Millisecond)
	if r.IntN(4) == 0 {
		o.flip = 700 * time.Millisecond
	}
	if r.IntN(3) == 0 {
		o.durable(r)
	}
	return o
}

// durable gives the members disks. A group that has lost everything needs some time until it is
// there again, so the rest happens seldom.
func (o *options) durable(r *rand.Rand) {
	o.disk, o.flip, o.rest = drawDisk(r), 0, 4*time.Second
	o.phase = time.Duration(3+r.IntN(6)) * time.Second
	o.crash = pick(r, 0, time.Second, 3*time.Second)
	o.trap = pick(r, 0, time.Second, 3*time.Second)
	o.pause = pick(r, 0, 0, time.Second)
	o.cut = pick(r, 0, 0, time.Second)
	o.downMost = pick(r, 300*time.Millisecond, 3*time.Second)
	o.members = pick(r, 3, 3, 4, 5, 5)
	o.every = pick(r, 20*time.Millisecond, 50*time.Millisecond)
	if o.style == replicated.Voted && r.IntN(2) == 0 {
		// What is damaged in memory must come to no disk. Who could go meanwhile does not, but all at once.
		o.flip, o.disk.sync, o.disk.full, o.disk.ebb, o.disk.part = 500*time.Millisecond, 0, 0, 0, 0
	}
	if r.IntN(4) == 0 {
		o.drawForgetful()
	}
}

// String gives the options for a report.
func (o *options) String() string { return fmt.Sprintf("%+v", *o) }

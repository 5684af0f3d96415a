package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/lock"
	"github.com/holdfast-ha/holdfast/protocol/call"
	machine "github.com/holdfast-ha/holdfast/protocol/replica/peers"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// how is the order of what is multicast.
const how = holdfast.Total | holdfast.FIFO | holdfast.Uniform

// closeMax is how long leaving the group may take once the session has ended.
const closeMax = 5 * time.Second

// peer is a member: the machine, its group, and who waits for answers.
type peer struct {
	told  lock.Told
	name  string
	ids   map[string]view.ID
	seats []view.Seat
	group *holdfast.Group
	shown func() time.Time // by which the lease of what is held counts: it may be fast, and is never slow

	life    context.Context // until all is over
	die     context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	machine *machine.Machine
	put     machine.Output
	lives   map[string]view.Member // of the present view
	calls   uint64
	waiting map[uint64]chan answer
	sends   []sending
	outbox  [][]byte
	wake    chan struct{} // there is something in the outbox
	timer   *time.Timer
	shut    chan struct{} // the session has ended
	over    error         // why there is no group any more
}

// sending is when something was handed to the group, by both clocks. The machine's must not run ahead, for it
// says how long the others are waited for; the holder's must not stay behind.
type sending struct{ at, shown time.Time }

type answer struct {
	body []byte
	err  error
}

func newPeer(told lock.Told) *peer {
	p := &peer{
		told: told, ids: map[string]view.ID{}, shown: client.NewClock(), lives: map[string]view.Member{},
		waiting: map[uint64]chan answer{}, wake: make(chan struct{}, 1), shut: make(chan struct{}),
	}
	p.life, p.die = context.WithCancel(context.Background())
	return p
}

// begin starts what runs beside the callers.
func (p *peer) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(time.Hour, func() {
		p.step(func(now time.Time) { p.machine.Tick(now, &p.put) })
	})
	p.running.Go(p.listen)
	p.running.Go(p.speak)
}

// step runs something on the machine and carries out what follows.
func (p *peer) step(do func(now time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, shown := time.Now(), p.shown()
	do(now)
	p.carryOut(now, shown)
}

// carryOut does what the machine puts out. The caller has the lock.
func (p *peer) carryOut(now, shown time.Time) {
	put := &p.put
	for _, m := range put.Multicast {
		p.outbox = append(p.outbox, slices.Clone(m))
	}
	if len(put.Multicast) > 0 {
		p.sends = append(p.sends, sending{now, shown})
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	for _, e := range put.Events {
		switch e {
		case machine.SessionEnded:
			p.told.Ended(client.ErrLapsed)
		case machine.Shut:
			close(p.shut)
		}
	}
	if i := slices.IndexFunc(p.sends, func(s sending) bool { return s.at.Equal(put.Renewed) }); i >= 0 {
		p.told.Renewed(p.sends[i].shown, put.Lease)
		p.sends = slices.Delete(p.sends, 0, i) // several may have been handed over at once
	}
	for i := range put.Results {
		p.resolve(&put.Results[i])
	}
	for _, b := range put.Notices {
		p.told.Notice(b)
	}
	put.Reset()
	if d := p.machine.Deadline(); !d.IsZero() && p.timer != nil && p.over == nil {
		p.timer.Reset(max(0, d.Sub(now)))
	}
}

// resolve gives a result to who waits for it.
func (p *peer) resolve(r *machine.Result) {
	w, is := p.waiting[r.Call]
	if !is {
		return // nobody waits any more
	}
	delete(p.waiting, r.Call)
	switch r.Cause {
	case machine.None:
		w <- answer{body: slices.Clone(r.Body)}
	case machine.Ended:
		w <- answer{err: &client.Error{Outcome: client.Unknown, Cause: call.SessionEnded}}
	case machine.Busy:
		w <- answer{err: &client.Error{Outcome: client.NotExecuted, Cause: call.TooMany}}
	case machine.OtherLease:
		w <- answer{err: fmt.Errorf("the other members have a lease of %v, and this one another: give all of them the same", r.Lease)}
	default:
		w <- answer{err: client.ErrClosed}
	}
}

// Now is the time by which leases count.
func (p *peer) Now() time.Time { return p.shown() }

// Call asks all members to execute a command, and waits for this one's own answer.
func (p *peer) Call(ctx context.Context, _ client.Semantics, body []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, &client.Error{Outcome: client.NotExecuted, Cause: call.Abandoned})
	}
	done, id, over := make(chan answer, 1), uint64(0), error(nil)
	p.step(func(now time.Time) {
		if over = p.over; over != nil {
			return
		}
		p.calls++
		id = p.calls
		p.waiting[id] = done
		p.machine.Submit(now, id, body, &p.put)
	})
	if over != nil {
		return nil, over
	}
	select {
	case a := <-done:
		return a.body, a.err
	case <-ctx.Done():
	}
	p.step(func(time.Time) {
		delete(p.waiting, id)
		p.machine.Forget(id)
	})
	select {
	case a := <-done:
		return a.body, a.err
	default:
		return nil, errors.Join(ctx.Err(), &client.Error{Outcome: client.Unknown, Cause: call.Abandoned})
	}
}

// Close ends the session and leaves the group.
func (p *peer) Close(ctx context.Context) error {
	p.step(func(now time.Time) { p.machine.Close(now, &p.put) })
	var err error
	select {
	case <-p.shut:
		leave, cancel := context.WithTimeout(ctx, closeMax)
		err = p.group.Leave(leave)
		cancel()
	case <-p.life.Done():
	case <-ctx.Done():
		err = fmt.Errorf("lock: %w while closing the session; the others end it within its lease when they miss this member", ctx.Err())
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Millisecond)
		_ = p.group.Leave(leave) // it goes on by itself
		cancel()
	}
	p.die()
	p.running.Wait()
	p.timer.Stop()
	var e *holdfast.Error
	if errors.As(err, &e) && (e.Kind == holdfast.Closed || e.Kind == holdfast.Departed) {
		return nil
	}
	return err
}

// listen hands what the group tells to the machine.
func (p *peer) listen() {
	defer p.die()
	for {
		e, err := p.group.Next(p.life)
		if err != nil {
			p.end(err)
			return
		}
		p.step(func(now time.Time) { p.heed(now, &e) })
	}
}

// end tells all who wait that nothing comes any more. What is held ends by itself, with its lease.
func (p *peer) end(why error) {
	p.step(func(now time.Time) {
		if p.over = fmt.Errorf("lock: %w: %w", client.ErrClosed, why); p.life.Err() != nil {
			p.over = client.ErrClosed
		}
		p.machine.Out(now, &p.put)
		for id, w := range p.waiting { //tidy:unordered each for itself
			delete(p.waiting, id)
			w <- answer{err: p.over}
		}
	})
}

// heed takes an event of the group.
func (p *peer) heed(now time.Time, e *holdfast.Event) {
	switch e.Kind {
	case holdfast.Viewed:
		v, former := p.viewOf(e.View)
		p.machine.Viewed(now, v, former, &p.put)
	case holdfast.Message:
		p.machine.Delivered(now, p.lives[e.From], e.Payload, &p.put)
	case holdfast.Expelled, holdfast.Merging, holdfast.Departed:
		p.outbox, p.sends = nil, p.sends[:0]
		p.machine.Out(now, &p.put)
	}
}

// viewOf is a view in the machine's words.
func (p *peer) viewOf(told *holdfast.View) (v *view.View, former []view.Member) {
	v = &view.View{Name: view.Name{Epoch: view.Epoch(told.Epoch)}}
	clear(p.lives)
	for i, name := range told.Members {
		m := view.Member{ID: p.ids[name], Incarnation: view.Incarnation(told.Incarnations[i])}
		p.lives[name] = m
		s := p.seats[m.ID-1]
		s.Member = m
		v.Seats = append(v.Seats, s)
	}
	for _, name := range told.Former {
		former = append(former, p.lives[name])
	}
	return v, former
}

// speak multicasts what the machine puts out.
func (p *peer) speak() {
	for {
		select {
		case <-p.wake:
		case <-p.life.Done():
			return
		}
		for {
			p.mu.Lock()
			if len(p.outbox) == 0 {
				p.mu.Unlock()
				break
			}
			next := p.outbox[0]
			p.outbox = p.outbox[1:]
			p.mu.Unlock()
			if _, err := p.group.Multicast(p.life, next, how); err != nil {
				return // the group is over, and the listener says so
			}
		}
	}
}

// snapshot and restore are the group's.
func (p *peer) snapshot(w io.Writer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.machine.Snapshot(w)
}

func (p *peer) restore(r io.Reader) (err error) {
	p.step(func(now time.Time) { err = p.machine.Restore(now, r, &p.put) })
	return err
}

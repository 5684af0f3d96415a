package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
)

// Why a message is not taken.
var (
	// ErrTooLong: the message is longer than the group takes.
	ErrTooLong = errors.New("the message is too long")
	// ErrOrder: the flags of the order do not go together.
	ErrOrder = errors.New("there is no such order")
	// ErrWitness: a witness has neither messages nor state.
	ErrWitness = errors.New("a witness has no messages")
	// ErrDeparted: this member has left the group.
	ErrDeparted = errors.New("this member has left the group")
	// ErrLost: the group went on without this member, and perhaps without the message.
	ErrLost = errors.New("this member was expelled before the message was delivered")
)

// submits are the messages of a group on their way from the application to the node.
// They are copied into one piece of memory, which the owner of the turn takes whole,
// leaving the other of two.
type submits struct {
	mu      sync.Mutex
	filling *load
	next    uint64 // number of the next message
	waiters []waiter
	ended   error
	room    chan struct{} // closed when there is room again; nil if nobody waits for it

	queued      atomic.Int64  // bytes, of both loads
	outstanding atomic.Int64  // messages not delivered to this member yet
	sent        atomic.Int64  // when messages were last handed to the node, in nanoseconds
	alarmed     atomic.Bool   // the alarm is set for what is queued
	seen        atomic.Uint64 // own messages that the application was given
	began       atomic.Int64  // when the present burst began, in nanoseconds
	sentAlone   atomic.Int64  // messages that went at once since then
	stuck       atomic.Bool   // the node takes no more; a later step will find that it does
	confirming  atomic.Int64  // waiters

	draining *load // the owner's
}

// load is some messages in one piece.
type load struct {
	messages []message
	bytes    []byte
	next     int // message to hand over next
}

type message struct {
	from, to int
	order    order.Order
}

// waiter waits for a message to be delivered.
type waiter struct {
	number uint64
	done   chan error
}

func newSubmits() *submits {
	return &submits{filling: &load{}, draining: &load{}, next: 1}
}

// put queues a message if there is room, and says its number. If there is none, room is
// closed when it is worth trying again. done is told when it is delivered, unless it is nil.
func (s *submits) put(o order.Order, payload []byte, done chan error) (number uint64, room <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return 0, nil, s.ended
	}
	cost := int64(len(payload) + messageCost)
	if queued := s.queued.Load(); queued > 0 && queued+cost > submitMax {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		return 0, s.room, nil
	}
	l := s.filling
	from := len(l.bytes)
	l.bytes = append(l.bytes, payload...)
	l.messages = append(l.messages, message{from, len(l.bytes), o})
	number = s.next
	s.next++
	if done != nil {
		s.waiters = append(s.waiters, waiter{number, done})
		s.confirming.Add(1)
	}
	s.queued.Add(cost)
	s.outstanding.Add(1)
	return number, nil, nil
}

// drain hands queued messages to the node, as many as fit the window: the node would copy
// the others into a queue of its own. The owner calls it.
func (s *submits) drain(g *Group) {
	if s.alarmed.Load() {
		s.alarmed.Store(false)
	}
	if s.queued.Load() == 0 || g.place == nil {
		return
	}
	handed, stuck := int64(0), false
	for {
		l := s.draining
		if l.next == len(l.messages) {
			if !s.swap() {
				break
			}
			l = s.draining
		}
		m := l.messages[l.next]
		if stuck = !g.place.Fits(m.to - m.from); stuck {
			break
		}
		if _, ok := g.place.Multicast(g.c.time, m.order, l.bytes[m.from:m.to], g.c.out); !ok {
			stuck = true
			break
		}
		l.next++
		handed += int64(m.to - m.from + messageCost)
	}
	if stuck != s.stuck.Load() {
		s.stuck.Store(stuck)
	}
	if handed == 0 {
		return
	}
	s.sent.Store(g.c.time.UnixNano())
	if s.queued.Add(-handed) <= submitMax/2 {
		s.mu.Lock()
		s.admit()
		s.mu.Unlock()
	}
}

// swap takes what was queued meanwhile; false if nothing was.
func (s *submits) swap() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.draining
	l.messages, l.bytes, l.next = l.messages[:0], l.bytes[:0], 0
	if cap(l.bytes) > 2*submitMax {
		l.bytes = nil // one long message must not keep its memory for ever
	}
	if len(s.filling.messages) == 0 {
		return false
	}
	s.draining, s.filling = s.filling, l
	return true
}

// admit lets those that wait for room try again. Who finds none waits for the next time.
func (s *submits) admit() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// delivered takes note of messages that came back, by number.
func (s *submits) delivered(first, last uint64, err error) {
	s.outstanding.Add(-int64(last - first + 1))
	if s.confirming.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.waiters[:0]
	for _, w := range s.waiters {
		if w.number < first || w.number > last {
			kept = append(kept, w)
			continue
		}
		w.done <- err
		s.confirming.Add(-1)
	}
	s.waiters = kept
}

// end refuses everything from now on.
func (s *submits) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return
	}
	s.ended = err
	for _, w := range s.waiters {
		w.done <- err
	}
	s.waiters = nil
}

// Multicast queues a message for all members and says its number: one's own messages are
// numbered from 1. The payload is copied. It blocks while the queue is full.
func (g *Group) Multicast(ctx context.Context, o order.Order, payload []byte) (uint64, error) {
	return g.multicast(ctx, o, payload, nil)
}

// Confirm is Multicast, and waits until the message has been delivered to this member,
// whether the application has seen it or not.
func (g *Group) Confirm(ctx context.Context, o order.Order, payload []byte) (uint64, error) {
	done := make(chan error, 1)
	number, err := g.multicast(ctx, o, payload, done)
	if err != nil {
		return 0, err
	}
	select {
	case err := <-done:
		return number, err
	case <-ctx.Done():
		return number, fmt.Errorf("%w, and message %d is not delivered yet%s", ctx.Err(), number, g.why())
	}
}

func (g *Group) multicast(ctx context.Context, o order.Order, payload []byte, done chan error) (uint64, error) {
	switch {
	case len(payload) > g.cfg.messageMax():
		return 0, fmt.Errorf("%w: it has %d bytes and this group takes %d; send it in parts, or raise MessageMax at every member",
			ErrTooLong, len(payload), g.cfg.messageMax())
	case !o.Valid():
		return 0, fmt.Errorf("%w: flags %#x; use FIFO or Causal or none of the two, with Total and Uniform as wanted", ErrOrder, uint8(o))
	case g.cfg.Witness:
		return 0, fmt.Errorf("%w; multicast from another member", ErrWitness)
	}
	s := g.submits
	for {
		number, room, err := s.put(o, payload, done)
		if err != nil {
			return 0, err
		}
		if room == nil {
			g.push(s, number, done != nil)
			return number, nil
		}
		g.c.nudge(dueWork)
		select {
		case <-room:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w while the queue is full (%d bytes)%s", ctx.Err(), s.queued.Load(), g.why())
		case <-g.gone:
		}
	}
}

// burst says whether a message may still go at once: a few in a row may. A stream whose
// reader is as fast as its writer looks like questions and answers, but for their number.
func (s *submits) burst(t time.Time) bool {
	now := t.UnixNano()
	if began := s.began.Load(); now-began >= int64(packMax) && s.began.CompareAndSwap(began, now) {
		s.sentAlone.Store(0)
	}
	return s.sentAlone.Add(1) <= burstMax
}

// push decides who hands a queued message to the node. One that the application sends
// after it has seen all that it sent before goes at once: it waits for the answer. Others
// wait for company: small messages that leave together share datagrams and system calls.
func (g *Group) push(s *submits, number uint64, confirm bool) {
	c := g.c
	if s.stuck.Load() {
		return
	}
	if s.queued.Load() >= packBytes {
		c.nudge(dueWork)
		return
	}
	t := now()
	alone := s.outstanding.Load() <= 1
	if alone && (confirm || s.seen.Load() >= number-1 && s.burst(t)) {
		c.nudge(dueWork)
		return
	}
	waited := time.Duration(t.UnixNano() - s.sent.Load())
	if waited >= packMax || waited >= packMin && alone {
		c.nudge(dueWork)
		return
	}
	if !s.alarmed.Load() {
		s.alarmed.Store(true)
		c.alarm.set(t, t.Add(packMax))
	}
}

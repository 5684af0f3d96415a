package driver

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Event is what a group tells the application.
type Event struct {
	Kind    cohort.Kind
	Order   order.Order // Message
	From    view.Member // Message
	Number  uint64      // Message: of the sender's messages since it joined, from 1
	Payload []byte      // Message: valid until the next event is asked for

	Notice *cohort.Delivery // what is not a message; its Payload is not there
}

// events are the deliveries of a group on their way from the node to the application.
// Payloads are copied into one piece of memory a batch; the application has one batch
// while the other is filled.
type events struct {
	mu      sync.Mutex
	filling *batch
	bytes   int // of what is being filled
	asleep  bool
	ended   error
	wake    chan struct{}

	full    atomic.Bool
	max     int
	pending bool // something was added since announce; the owner's

	reading *batch // the application's
}

type batch struct {
	events []Event
	bytes  []byte
	next   int
}

func newEvents(most int) *events {
	return &events{filling: &batch{}, reading: &batch{}, wake: make(chan struct{}, 1), max: most}
}

// add queues an event, with a copy of the payload of a delivery. The owner of the turn
// calls it.
func (q *events) add(e Event, d *cohort.Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.filling
	n := d.Size()
	if n > 0 {
		if cap(b.bytes)-len(b.bytes) < n {
			// Payloads so far keep the memory that they are in.
			b.bytes = make([]byte, 0, max(2*cap(b.bytes), n, 4096))
		}
		from := len(b.bytes)
		b.bytes = d.Append(b.bytes)
		e.Payload = b.bytes[from:len(b.bytes):len(b.bytes)]
	}
	b.events = append(b.events, e)
	q.bytes += n + messageCost
	if q.bytes >= q.max {
		q.full.Store(true)
	}
	q.pending = true
}

// announce wakes the application if it waits and something was added.
func (q *events) announce() {
	if !q.pending {
		return
	}
	q.pending = false
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rouse()
}

func (q *events) rouse() {
	if q.asleep {
		q.asleep = false
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// end makes it an error to ask for more than what is queued.
func (q *events) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended == nil {
		q.ended = err
	}
	q.rouse()
}

// isFull says whether the application is to be waited for.
func (q *events) isFull() bool { return q.full.Load() }

// next gives the next event. relieved says that the queue was full and is no longer.
func (q *events) next(ctx context.Context, relieved func()) (*Event, error) {
	for {
		if b := q.reading; b.next < len(b.events) {
			b.next++
			return &b.events[b.next-1], nil
		}
		if ok, err := q.swap(relieved); err != nil {
			return nil, err
		} else if ok {
			continue
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// swap takes what was delivered meanwhile; false if nothing was, and then the
// application is asleep.
func (q *events) swap(relieved func()) (bool, error) {
	q.mu.Lock()
	b := q.reading
	clear(b.events) // lets go of notices
	b.events, b.bytes, b.next = b.events[:0], b.bytes[:0], 0
	if cap(b.bytes) > 2*q.max {
		b.bytes = nil // one long message must not keep its memory for ever
	}
	if len(q.filling.events) == 0 {
		defer q.mu.Unlock()
		q.asleep = q.ended == nil
		return false, q.ended
	}
	q.reading, q.filling, q.bytes = q.filling, b, 0
	was := q.full.Swap(false)
	q.mu.Unlock()
	if was {
		relieved()
	}
	return true, nil
}

// unread gives the last event again.
func (q *events) unread() { q.reading.next-- }

package driver

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
)

func TestEventsComeInOrderAndWholeWhoeverIsFaster(t *testing.T) {
	const n = 20000
	q := newEvents(1 << 20)
	go func() {
		for i := range n {
			payload := make([]byte, 8+i%100)
			binary.BigEndian.PutUint64(payload, uint64(i))
			q.add(Event{Kind: cohort.Message, Number: uint64(i)}, &cohort.Delivery{Payload: payload[:5], More: [][]byte{payload[5:8], payload[8:]}})
			if i%7 == 0 {
				q.announce()
			}
		}
		q.announce()
		q.end(ErrDeparted)
	}()
	for i := range n {
		e, err := q.next(t.Context(), func() {})
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if e.Number != uint64(i) || len(e.Payload) != 8+i%100 || binary.BigEndian.Uint64(e.Payload) != uint64(i) {
			t.Fatalf("event %d came as %d with %d bytes", i, e.Number, len(e.Payload))
		}
	}
	if _, err := q.next(t.Context(), nil); !errors.Is(err, ErrDeparted) {
		t.Errorf("after the last event: %v, want %v", err, ErrDeparted)
	}
}

func TestEventsTellWhenTheyAreFullAndWhenNoLonger(t *testing.T) {
	q := newEvents(10 * (100 + messageCost))
	relieved := 0
	for i := range 10 {
		if q.isFull() {
			t.Fatalf("full after %d events", i)
		}
		q.add(Event{}, &cohort.Delivery{Payload: make([]byte, 100)})
	}
	if !q.isFull() {
		t.Fatal("not full")
	}
	if _, err := q.next(t.Context(), func() { relieved++ }); err != nil || relieved != 1 || q.isFull() {
		t.Errorf("error %v, relieved %d times, full %v", err, relieved, q.isFull())
	}
}

func TestAskingForEventsEndsWithItsContext(t *testing.T) {
	q := newEvents(1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := q.next(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	q.add(Event{Number: 5}, &cohort.Delivery{})
	q.announce()
	for range 2 {
		if e, err := q.next(t.Context(), func() {}); err != nil || e.Number != 5 {
			t.Errorf("event %v, error %v", e, err)
		}
		q.unread()
	}
}

func TestEventsAllocateNothingInSteadyState(t *testing.T) {
	q := newEvents(1 << 20)
	d := &cohort.Delivery{Payload: make([]byte, 40), More: [][]byte{make([]byte, 24)}}
	relieved := func() {}
	round := func() {
		for range 100 {
			q.add(Event{Kind: cohort.Message}, d)
		}
		q.announce()
		for range 100 {
			if _, err := q.next(t.Context(), relieved); err != nil {
				t.Fatal(err)
			}
		}
	}
	round()
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for 100 events", n)
	}
}

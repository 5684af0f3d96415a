package driver

import (
	"errors"
	"testing"
)

// fill queues messages until there is no room, and gives what tells that there is again.
func fill(t *testing.T, s *submits) <-chan struct{} {
	t.Helper()
	for range submitMax {
		_, room, err := s.put(0, make([]byte, 1000), nil)
		if err != nil {
			t.Fatal(err)
		}
		if room != nil {
			return room
		}
	}
	t.Fatal("the queue has no end")
	return nil
}

func isTold(room <-chan struct{}) bool {
	select {
	case <-room:
		return true
	default:
		return false
	}
}

// Whoever waits is woken once for each time that there is room: nobody is left out, however
// often that is told, and nobody spins because another one went away or found none.
func TestAllThatWaitForRoomAreToldOfItOnce(t *testing.T) {
	s := newSubmits()
	waiting := []<-chan struct{}{fill(t, s), fill(t, s), fill(t, s)}
	s.admit()
	s.admit()
	for i, room := range waiting {
		if !isTold(room) {
			t.Errorf("waiter %d was not told that there is room", i)
		}
	}
	// There was none, so they wait again. One of them gives up.
	again := fill(t, s)
	if isTold(again) {
		t.Error("who found no room is told at once that there is some")
	}
	s.admit()
	if next := fill(t, s); !isTold(again) || isTold(next) {
		t.Error("room that another one did not take is told to who comes after it")
	}
	s.end(ErrDeparted)
	if _, room, err := s.put(0, nil, nil); room != nil || !errors.Is(err, ErrDeparted) {
		t.Errorf("after the end: %v, and there is room to wait for: %v", err, room != nil)
	}
}

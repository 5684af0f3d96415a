package cohort

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
)

// A member that is alone gets no acknowledgements: nothing but the end of its own step makes room in
// its window, and that must begin the next.
func TestWhatWaitsForTheWindowDoesNotWaitForAHeartbeat(t *testing.T) {
	const count, size = 10_000, 1000 // seven windows
	payload := make([]byte, size)
	for _, kept := range []bool{false, true} {
		m := newMesh(t, 1, GroupConfig{Name: "g", QueueMax: 16 << 20})
		m.boot(0)
		m.run(time.Second)
		s, sent := m.nodes[0], 0
		send := func(out *Output) {
			for sent < count && (!kept || s.group.Fits(size)) {
				if _, ok := s.group.Multicast(m.now, order.FIFO, payload, out); !ok {
					t.Fatal("a message is refused for which there is room in the queue")
				}
				sent++
			}
		}
		s.step(send)
		began := m.now
		for kept && sent < count && m.now.Sub(began) < 10*time.Second {
			if wakes := s.wakes; wakes.After(m.now) {
				m.run(wakes.Sub(m.now))
			}
			s.step(send)
		}
		m.run(time.Millisecond)
		if waited := m.now.Sub(began); len(s.state) < count || waited > 10*time.Millisecond {
			t.Errorf("kept by the owner: %v: %d messages of %d are delivered after %v", kept, len(s.state), count, waited)
		}
	}
}

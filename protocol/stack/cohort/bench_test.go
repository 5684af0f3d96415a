package cohort

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// BenchmarkMulticast is what a message costs from Multicast to its delivery at every
// member, all members' work and a network without cost together. "ns/delivery" is the cost at
// one of them; "heap-B/member" is what the machines of one keep in memory after the load,
// buffers for the next one included: the mean of the member that has sent and of the others.
func BenchmarkMulticast(b *testing.B) {
	for _, members := range []int{3, 8, 16, 32} {
		for _, size := range []int{64, 1024, 8192, 65536} {
			if members > 3 && size != 64 {
				continue
			}
			b.Run(fmt.Sprintf("members=%d/size=%d", members, size), func(b *testing.B) {
				benchmarkMulticast(b, members, size, order.Total, order.Sequencer)
			})
		}
	}
	b.Run("uniform/members=3/size=64", func(b *testing.B) {
		benchmarkMulticast(b, 3, 64, order.Total|order.Uniform, order.Sequencer)
	})
	for _, e := range []order.Engine{order.Lamport, order.ISIS} {
		b.Run(e.String()+"/members=3/size=64", func(b *testing.B) { benchmarkMulticast(b, 3, 64, order.Total, e) })
	}
}

// wires carry frames between nodes at once, in rounds.
type wires struct {
	now   time.Time
	nodes []*station
	boxes [][]letter
	outs  []Output
	sent  int
	got   int
	frame []byte // a copy of what is handed over
}

type letter struct {
	from  view.Member
	frame []byte
}

func benchmarkMulticast(b *testing.B, members, size int, o order.Order, e order.Engine) {
	before := heapInUse()
	m := newMesh(b, members, GroupConfig{Name: "g", Engine: e})
	w := &wires{nodes: m.nodes, boxes: make([][]letter, members), outs: make([]Output, members)}
	for i := range m.nodes {
		m.nodes[i].deliver = func(d *Delivery) {
			if d.Kind == Message {
				w.got++
			}
		}
		m.boot(i)
	}
	m.run(2 * time.Second)
	w.now = m.now
	payload := make([]byte, size)
	for range min(4096, 64<<20/size) { // until every buffer is as long as it gets
		w.multicast(b, o, payload)
	}
	w.drain(b)
	warm := w.got
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		w.multicast(b, o, payload)
	}
	w.drain(b)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(w.got-warm), "ns/delivery")
	w.boxes, w.frame = nil, nil // the network's
	b.ReportMetric(float64(heapInUse()-before)/float64(members), "heap-B/member")
	runtime.KeepAlive(w)
}

// multicast sends a message as an owner does that has a queue of its own.
func (w *wires) multicast(b *testing.B, o order.Order, payload []byte) {
	s := w.nodes[0]
	for !s.group.Fits(len(payload)) {
		w.round(b)
	}
	if _, ok := s.group.Multicast(w.now, o, payload, &w.outs[0]); !ok {
		b.Fatal("a message that fits is not taken")
	}
	if w.sent++; w.sent%256 == 0 {
		w.round(b)
	}
}

// drain waits until everybody has delivered everything.
func (w *wires) drain(b *testing.B) {
	for i := 0; w.got < w.sent*len(w.nodes); i++ {
		w.round(b)
		if i > 10000 {
			b.Fatalf("%d of %d deliveries", w.got, w.sent*len(w.nodes))
		}
	}
}

// heapInUse is how many bytes are in use.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one left in pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// round ends a step of every node and hands over what they sent.
func (w *wires) round(b *testing.B) {
	w.now = w.now.Add(20 * time.Microsecond)
	for i, s := range w.nodes {
		out := &w.outs[i]
		if due(w.now, s.node.Deadline()) {
			s.node.Tick(w.now, out)
		}
		s.node.Flush(w.now, out)
		for k := range out.Deliver {
			s.deliver(&out.Deliver[k])
		}
		for _, e := range out.Send {
			if e.To != view.Everyone {
				w.boxes[e.To-1] = append(w.boxes[e.To-1], letter{s.life, e.Frame})
				continue
			}
			for _, id := range e.Members {
				w.boxes[id-1] = append(w.boxes[id-1], letter{s.life, e.Frame})
			}
		}
	}
	// Frames stay valid until their sender's next step: hand all over before any node goes on.
	for i, s := range w.nodes {
		for _, l := range w.boxes[i] {
			w.hand(s, l)
		}
		w.boxes[i] = w.boxes[i][:0]
		w.outs[i].Reset()
	}
}

func (w *wires) hand(s *station, l letter) {
	w.frame = append(w.frame[:0], l.frame...) // it is the sender's
	s.node.Receive(w.now, l.from, 1, w.frame, &w.outs[s.id-1])
}

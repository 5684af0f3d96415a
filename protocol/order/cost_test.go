package order

import (
	"fmt"
	"testing"
	"time"
)

// trio is what one of three members receives, at the rate at which it comes: each round two of
// them send a batch, and the others' control records follow.
type trio struct {
	ms      []*Machine
	now     time.Time
	out     []Output
	packet  []uint64
	records [][]byte // reused memory: a round's payloads are all delivered in it
	used    int
	count   int
}

func newTrio(tb testing.TB, engine Engine, members int) *trio {
	c := newMesh(tb, rngFor(1), engine, members, 0)
	d := &trio{now: c.now, out: make([]Output, members), packet: make([]uint64, members)}
	for _, n := range c.nodes {
		n.m.span = moveSpan
		d.ms = append(d.ms, n.m)
	}
	return d
}

func (d *trio) give(from int, record []byte) {
	if d.used == len(d.records) {
		d.records = append(d.records, nil)
	}
	r := append(d.records[d.used][:0], record...)
	d.records[d.used] = r
	d.used++
	d.packet[from]++
	for i, m := range d.ms {
		m.Receive(d.now, from, d.packet[from], d.packet[from], false, r, nil, &d.out[i])
	}
}

// round multicasts a batch from each of these members, and steps until nobody has anything to say.
func (d *trio) round(payload []byte, batch int, o Order, senders ...int) {
	d.used = 0
	var buf [2048]byte
	for _, s := range senders {
		for range batch {
			d.give(s, d.ms[s].Encode(buf[:0], o, 1, payload))
		}
	}
	for busy := true; busy; {
		busy = false
		for i, m := range d.ms {
			for rank := range d.ms {
				m.Agreed(rank, d.packet[rank])
			}
			m.Step(d.now, &d.out[i])
			for _, r := range d.out[i].Submit {
				busy = true
				d.give(i, r)
			}
			d.count += len(d.out[i].Deliver)
			d.out[i].Reset()
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	payload := make([]byte, 64)
	for _, engine := range engines {
		for _, o := range orders {
			d := newTrio(t, engine, 3)
			round := func() { d.round(payload, 20, o, 0, 1) }
			for range 50 {
				round()
			}
			was := d.count
			if n := testing.AllocsPerRun(50, round); n != 0 {
				t.Errorf("%v, %v: %v allocations a round", engine, o, n)
			}
			if d.count-was != 51*40*3 {
				t.Errorf("%v, %v: %d deliveries", engine, o, d.count-was)
			}
		}
	}
}

// BenchmarkDeliver is the time that one delivered message takes at one member, everything included: a share of
// encoding, of control records, of stepping. Messages are of 64 bytes and come 20 in a step, as in a packet.
func BenchmarkDeliver(b *testing.B) {
	payload := make([]byte, 64)
	for _, engine := range engines {
		for _, members := range []int{3, 9, 32} {
			for _, o := range []Order{FIFO, FIFO | Total, Causal | Total, FIFO | Total | Uniform} {
				b.Run(fmt.Sprintf("%v/%d/%v", engine, members, o), func(b *testing.B) {
					d := newTrio(b, engine, members)
					for range 20 {
						d.round(payload, 20, o, 0, 1)
					}
					d.count = 0
					b.ReportAllocs()
					b.ResetTimer()
					for d.count < b.N {
						d.round(payload, 20, o, 0, 1)
					}
				})
			}
		}
	}
}

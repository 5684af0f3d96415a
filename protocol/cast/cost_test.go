package cast

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// rig is one machine of a view whose other members are played: they have whatever it
// sends, or send what it takes.
type rig struct {
	m    *Machine
	out  Output
	now  time.Time
	n    int
	ack  []byte
	pack []byte // a packet of member 2
	next uint64
}

func newRig(tb testing.TB, n int) *rig {
	v := &view.View{Name: view.Name{Epoch: 7, Round: 1, By: 1}}
	for i := range n {
		v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 9}, Votes: 1})
	}
	m, err := New(Config{Self: v.Seats[0].Member, Group: 1}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		tb.Fatal(err)
	}
	g := &rig{m: m, now: time.Unix(1000, 0), n: n}
	m.Install(g.now, v)
	return g
}

// head begins a message of another member.
func (g *rig) head(k kind) []byte {
	return append([]byte{byte(k), 0}, g.m.stamp[:]...)
}

// agree lets all others have everything, and have released it.
func (g *rig) agree() {
	for i := 1; i < g.n; i++ {
		b := append(g.ack[:0], byte(kindAck), 0)
		b = append(append(b, g.m.stamp[:]...), byte(g.n))
		for rank := range g.m.streams {
			s := &g.m.streams[rank]
			has := s.next - 1
			if rank == 0 {
				has = g.m.sent
			}
			b = append(binary.AppendUvarint(b, has), 0)
			if rank == i {
				b = append(b, 0)
			}
		}
		g.ack = b
		g.m.Receive(g.now, g.m.view.Seats[i].Member, b, &g.out)
	}
}

// submit is one step that submits so many records.
func (g *rig) submit(tb testing.TB, record []byte, n int) {
	g.now = g.now.Add(100 * time.Microsecond)
	for range n {
		if !g.m.Submit(g.now, nil, record, 0, &g.out) {
			tb.Fatal("a record does not fit")
		}
	}
	for rank := range g.n {
		g.m.Release(rank, 1<<60)
	}
	g.m.Flush(g.now, &g.out)
	g.out.Reset()
}

// receive is one step that takes packets of another member with 64-byte records.
func (g *rig) receive(packets int) {
	g.now = g.now.Add(100 * time.Microsecond)
	for range packets {
		g.next++
		binary.BigEndian.PutUint64(g.pack[placeAt:], g.next)
		g.m.Receive(g.now, g.m.view.Seats[1].Member, g.pack, &g.out)
		for rank := range g.n {
			g.m.Release(rank, 1<<60)
		}
	}
	g.m.Flush(g.now, &g.out)
	g.out.Reset()
}

// fill makes the packet that receive takes: twenty records of 64 bytes.
func (g *rig) fill() {
	g.pack = append(append(g.head(kindPacket), 1), make([]byte, 8)...)
	code, _ := recordHead(64, false)
	for range 20 {
		g.pack = binary.AppendUvarint(g.pack, code)
		g.pack = append(g.pack, make([]byte, 64)...)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, size := range []int{8, 64, 1024, 8192, 100_000} {
		g := newRig(t, 3)
		record := make([]byte, size)
		round := func() {
			g.submit(t, record, max(1, 50_000/size))
			g.agree()
		}
		for range 100 {
			round()
		}
		if n := testing.AllocsPerRun(100, round); n != 0 {
			t.Errorf("%v allocations in a step that submits records of %d bytes", n, size)
		}
	}
	g := newRig(t, 3)
	g.fill()
	round := func() {
		g.receive(40)
		g.agree()
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations in a step that takes 40 packets", n)
	}
	if got := g.m.streams[1].next; got < 8000 {
		t.Fatalf("only %d packets were taken", got)
	}
}

// TestLossAllocatesNothing is the same for what losses cost, on both sides.
func TestLossAllocatesNothing(t *testing.T) {
	g := newRig(t, 3)
	g.fill()
	nack := append(make([]byte, 0, 100), append(g.head(kindNack), 0)...)
	round := func() {
		g.next++ // this one is lost
		lost := g.next
		g.receive(20)
		g.next, lost = lost-1, g.next
		g.receive(1)
		g.next = lost
		g.submit(t, g.pack[:64], 400)
		b := appendRanges(nack, []view.Range{{From: g.m.sent - 1, To: g.m.sent}})
		g.m.Receive(g.now, g.m.view.Seats[1].Member, b, &g.out)
		g.m.Receive(g.now, g.m.view.Seats[2].Member, b, &g.out)
		g.m.Flush(g.now, &g.out)
		g.out.Reset()
		g.agree()
	}
	for range 200 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations in a round with losses", n)
	}
	if c := g.m.Stats().Counts; c.Nacks < 300 || c.Repeats < 300 || g.m.streams[1].next < 5000 {
		t.Errorf("there were no losses: %+v", c)
	}
}

// BenchmarkSubmit is the whole cost of a record at its sender, of three members: into the
// packets, out with them, acknowledged by two others, and forgotten.
func BenchmarkSubmit(b *testing.B) {
	for _, size := range []int{64, 1024, 8192} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			g := newRig(b, 3)
			g.m.window.size = 256
			record := make([]byte, size)
			step := max(1, 80_000/size) // about sixty packets
			n := 0
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if !g.m.Submit(g.now, nil, record, 0, &g.out) {
					b.Fatal("a record does not fit")
				}
				if n++; n%step == 0 {
					g.submit(b, record, 0)
					g.agree()
				}
			}
		})
	}
}

// BenchmarkReceive is the whole cost of a packet of 1400 bytes with twenty records at a
// receiver, without that of opening its frame; 32 packets make a step.
func BenchmarkReceive(b *testing.B) {
	for _, members := range []int{3, 9, 32} {
		b.Run(fmt.Sprintf("%d members", members), func(b *testing.B) {
			g := newRig(b, members)
			g.fill()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				g.next++
				binary.BigEndian.PutUint64(g.pack[placeAt:], g.next)
				g.m.Receive(g.now, g.m.view.Seats[1].Member, g.pack, &g.out)
				g.m.Release(1, g.next)
				if n++; n%32 == 0 {
					g.receive(0)
					if n%64 == 0 {
						g.agree()
					}
				}
			}
		})
	}
}

// BenchmarkAck is what an acknowledgement costs who takes it.
func BenchmarkAck(b *testing.B) {
	for _, members := range []int{3, 32} {
		b.Run(fmt.Sprintf("%d members", members), func(b *testing.B) {
			g := newRig(b, members)
			g.fill()
			g.receive(1)
			b.ReportAllocs()
			for b.Loop() {
				g.agree()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(members-1)), "ns/ack")
		})
	}
}

// BenchmarkOpen is what the frame of a full packet costs before it comes here.
func BenchmarkOpen(b *testing.B) {
	frame := append(wire.Begin(nil, wire.Header{Channel: wire.Cast}), make([]byte, wire.FrameMax-wire.HeaderSize)...)
	wire.Finish(frame)
	for b.Loop() {
		if _, _, why := wire.Open(frame); why != wire.OK {
			b.Fatal(why)
		}
	}
}

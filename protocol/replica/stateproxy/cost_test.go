package stateproxy

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// rig is a source and a sink in a steady state: objects are told, changed, confirmed.
type rig struct {
	now     time.Time
	source  *Machine
	sink    *Machine
	out     [2]Output
	objects int
	key     [14]byte // as long as that of an IPv4 TCP flow
	state   [14]byte
	n       uint64
}

func newRig(tb testing.TB, objects int) *rig {
	g := &rig{now: time.Unix(1000, 0), objects: objects}
	for i, m := range []**Machine{&g.source, &g.sink} {
		var err error
		*m, err = New(Config{
			Self: view.Member{ID: view.ID(i + 1), Incarnation: 1}, Peers: []view.ID{view.ID(2 - i)},
			ObjectsMax: max(1000, objects),
		}, Recovered{}, rand.New(rand.NewPCG(1, uint64(i))))
		if err != nil {
			tb.Fatal(err)
		}
		(*m).Start(g.now, &g.out[i])
	}
	for i := range objects {
		g.set(uint64(i))
		if !g.source.Put(g.now, g.key[:], g.state[:]) {
			tb.Fatal("an object was refused")
		}
	}
	for range 100 + objects/100 {
		g.now = g.now.Add(25 * time.Millisecond)
		g.exchange()
	}
	if s := g.source.Proof(g.now, 2).State; s != Proven {
		tb.Fatalf("the rig is %v before it is used", s)
	}
	return g
}

func (g *rig) set(number uint64) {
	binary.BigEndian.PutUint64(g.key[2:], number)
	g.n++
	binary.BigEndian.PutUint64(g.state[6:], g.n)
}

// change changes the next of the objects.
func (g *rig) change() {
	g.set(g.n % uint64(g.objects))
	g.source.Put(g.now, g.key[:], g.state[:])
}

// exchange lets both say what is due, until neither has more to say.
func (g *rig) exchange() {
	g.source.Tick(g.now, &g.out[0])
	g.sink.Tick(g.now, &g.out[1])
	for len(g.out[0].Send)+len(g.out[1].Send) > 0 {
		deliver(g.now, &g.out[0], g.sink, 1, &g.out[1])
		deliver(g.now, &g.out[1], g.source, 2, &g.out[0])
	}
}

func deliver(now time.Time, from *Output, to *Machine, id view.ID, answers *Output) {
	for i := range from.Send {
		_, payload, _ := wire.Open(from.Send[i].Frame)
		to.Receive(now, view.Member{ID: id, Incarnation: 1}, payload, answers)
	}
	from.Reset()
}

// TestSteadyStateAllocatesNothing proves it for the whole round: a change noted, told,
// taken, confirmed.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	g := newRig(t, 1000)
	round := func() {
		for range 100 {
			g.change()
		}
		g.now = g.now.Add(25 * time.Millisecond)
		g.exchange()
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations in a round of 100 changes", n)
	}
	g.now = g.now.Add(25 * time.Millisecond)
	g.exchange()
	if s := g.source.Proof(g.now, 2).State; s != Proven {
		t.Errorf("the sink is %v after that", s)
	}
}

// TestChurnAllocatesNothing does the same with objects that come and go.
func TestChurnAllocatesNothing(t *testing.T) {
	g := newRig(t, 1000)
	next := uint64(1000)
	round := func() {
		for range 20 {
			g.set(next)
			g.source.Put(g.now, g.key[:], g.state[:])
			g.set(next - 1000)
			g.source.Delete(g.now, g.key[:])
			next++
		}
		g.now = g.now.Add(250 * time.Millisecond)
		g.exchange()
	}
	for range 200 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations in a round of 20 new and 20 old objects", n)
	}
}

// BenchmarkEventToFrame is the way of a change at the source: into the cache, into a
// frame, and out of the resend queue when it is confirmed.
func BenchmarkEventToFrame(b *testing.B) {
	g := newRig(b, 10_000)
	b.ReportAllocs()
	frames, bytes := 0, 0
	for b.Loop() {
		g.change()
		if g.n%burst == 0 {
			g.now = g.now.Add(time.Millisecond)
			g.source.Tick(g.now, &g.out[0])
			for _, e := range g.out[0].Send {
				frames++
				bytes += len(e.Frame)
			}
			b.StopTimer()
			g.exchange()
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "B/change")
	b.ReportMetric(float64(b.N)/float64(max(1, frames)), "changes/frame")
}

// BenchmarkFrameToCache is the way of a frame of updates at the sink, per update.
func BenchmarkFrameToCache(b *testing.B) {
	g := newRig(b, 10_000)
	b.ReportAllocs()
	const updates = 48
	for i := 0; i < b.N; i += updates {
		b.StopTimer()
		for range updates {
			g.change()
		}
		g.now = g.now.Add(time.Millisecond)
		g.source.Tick(g.now, &g.out[0])
		b.StartTimer()
		deliver(g.now, &g.out[0], g.sink, 1, &g.out[1])
		b.StopTimer()
		g.exchange()
		b.StartTimer()
	}
}

// BenchmarkChange is the whole way of a change, both sides and the confirmation.
func BenchmarkChange(b *testing.B) {
	g := newRig(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		g.change()
		if g.n%1000 == 0 {
			g.now = g.now.Add(time.Millisecond)
			g.exchange()
		}
	}
}

// BenchmarkResync tells a peer 10,000 objects again, per object.
func BenchmarkResync(b *testing.B) {
	const objects = 10_000
	g := newRig(b, objects)
	b.ReportAllocs()
	for i := 0; i < b.N; i += objects {
		g.source.Resync(g.now, 2)
		for g.source.Proof(g.now, 2).State != Proven {
			g.now = g.now.Add(25 * time.Millisecond)
			g.exchange()
		}
	}
}

// TestMemory holds the estimate of Usage and the documented cost of an object, about 150
// bytes at the source and as much at the sink, against what the heap says.
func TestMemory(t *testing.T) {
	const objects = 100_000
	used := func() int64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := used()
	g := newRig(t, objects)
	for i := range g.out {
		g.out[i] = Output{} // the driver's, and as large as its largest step
	}
	both := used() - before
	estimate := int64(g.source.Usage(2).Bytes + g.sink.Usage(1).Bytes)
	t.Logf("%d objects: source and sink together %d bytes an object; estimated %d", objects, both/objects, estimate/objects)
	if each := both / objects; each > 2*(150+150) {
		t.Errorf("an object costs %d bytes at source and sink together; 300 are documented, and as much again for tables that have just doubled", each)
	}
	if both > estimate*5/4 || both < estimate*3/4 {
		t.Errorf("the heap has %d bytes, and Usage estimates %d", both, estimate)
	}
	runtime.KeepAlive(g)
}

// TestSizes holds the constants of the estimate against the compiler's.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name string
		got  uintptr
		want uintptr
	}{
		{"object", unsafe.Sizeof(object{}), objectBytes},
		{"entry", unsafe.Sizeof(entry{}), entryBytes},
		{"slot", unsafe.Sizeof(slot(0)), slotBytes},
		{"mark", unsafe.Sizeof(mark{}), markBytes},
		{"held", unsafe.Sizeof(held{}), heldBytes},
		{"binding", unsafe.Sizeof(binding{}), bindingBytes},
		{"checkpoint", unsafe.Sizeof(checkpoint{}), checkpointBytes},
	} {
		if c.got != c.want {
			t.Errorf("%s has %d bytes, and is taken for %d", c.name, c.got, c.want)
		}
	}
}

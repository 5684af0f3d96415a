package simnet

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestHeapGivesTimeThenSequence(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var h Heap[int]
	type thing struct {
		at time.Duration
		n  int
	}
	var want []thing
	for n := range 2000 {
		at := time.Duration(rng.IntN(50))
		h.Push(at, n)
		want = append(want, thing{at, n})
	}
	slices.SortStableFunc(want, func(a, b thing) int { return int(a.at - b.at) })
	for i, w := range want {
		if next, ok := h.Next(); !ok || next != w.at {
			t.Fatalf("thing %d is next at %v (there is one: %v), want %v", i, next, ok, w.at)
		}
		if at, n := h.Pop(); at != w.at || n != w.n {
			t.Fatalf("thing %d is %d at %v, want %d at %v", i, n, at, w.n, w.at)
		}
	}
	if _, ok := h.Next(); ok || h.Len() != 0 {
		t.Error("the heap is not empty")
	}
}

// send sends n datagrams a millisecond apart from 1 to 2 and gives what arrives.
func send(seed uint64, f Faults, n int) (*Network, []Datagram) {
	net := New(rand.New(rand.NewPCG(seed, 1)), 2, 1)
	net.Shape(1, 2, 1, f)
	from := view.Member{ID: 1, Incarnation: 3}
	for i := range n {
		net.Send(time.Duration(i)*time.Millisecond, from, 2, 0, fmt.Appendf(nil, "datagram %d", i))
	}
	var got []Datagram
	for last := time.Duration(0); ; {
		if _, ok := net.Next(); !ok {
			return net, got
		}
		at, d := net.Arrive()
		if at < last {
			panic("time goes backwards")
		}
		last = at
		d.Frame = bytes.Clone(d.Frame)
		got = append(got, d)
	}
}

func TestCalmNetworkKeepsOrderAndContent(t *testing.T) {
	_, got := send(1, Calm(), 1000)
	if len(got) != 1000 {
		t.Fatalf("%d of 1000 arrive", len(got))
	}
	for i, d := range got {
		if string(d.Frame) != fmt.Sprint("datagram ", i) || d.From.ID != 1 || d.To != 2 || d.Link != 1 {
			t.Fatalf("number %d is %+v %q", i, d, d.Frame)
		}
	}
}

func TestEachFaultHappensAsOftenAsAsked(t *testing.T) {
	const n = 20000
	for _, c := range []struct {
		name   string
		faults Faults
		count  func(Counts) uint64
		least  uint64
		most   uint64
	}{
		{"loss", Faults{Loss: 0.3}, func(c Counts) uint64 { return c.Lost }, 5700, 6300},
		{"damage", Faults{Damage: 0.1}, func(c Counts) uint64 { return c.Damaged }, 1800, 2200},
		{"duplication", Faults{Duplicate: 0.2, Late: time.Second}, func(c Counts) uint64 { return c.Duplicated }, 3700, 4300},
		{"reordering", Faults{Reorder: 0.2, Late: time.Second}, func(c Counts) uint64 { return c.Reordered }, 3700, 4300},
		{"bursts", Faults{Burst: 0.01, BurstMost: 50}, func(c Counts) uint64 { return c.Lost }, 2500, 6500},
		{"nothing", Faults{Jitter: time.Second}, func(c Counts) uint64 { return c.Lost + c.Damaged + c.Duplicated + c.Reordered }, 0, 0},
	} {
		net, got := send(7, c.faults, n)
		counts := net.Counts()
		if v := c.count(counts); v < c.least || v > c.most {
			t.Errorf("%s: %d of %d, want %d to %d", c.name, v, n, c.least, c.most)
		}
		if uint64(len(got)) != counts.Sent-counts.Lost+counts.Duplicated {
			t.Errorf("%s: %d arrive, of %+v", c.name, len(got), counts)
		}
		ordered := slices.IsSortedFunc(got, func(a, b Datagram) int { return int(a.Serial) - int(b.Serial) })
		if want := c.faults.Reorder == 0 && c.faults.Duplicate == 0; ordered != want {
			t.Errorf("%s: in order: %v, want %v", c.name, ordered, want)
		}
	}
}

func TestCutIsOneWayOfOneLink(t *testing.T) {
	net := New(rand.New(rand.NewPCG(1, 1)), 3, 2)
	net.Cut(1, 2, 1, true)
	for from := view.ID(1); from <= 3; from++ {
		for to := view.ID(1); to <= 3; to++ {
			net.Send(0, view.Member{ID: from, Incarnation: 1}, to, 0, []byte("x"))
		}
	}
	arrived := map[string]bool{}
	for _, ok := net.Next(); ok; _, ok = net.Next() {
		_, d := net.Arrive()
		arrived[fmt.Sprint(d.From.ID, d.To, d.Link)] = true
	}
	if len(arrived) != 3*2*2-1 || arrived[fmt.Sprint(view.ID(1), view.ID(2), 1)] {
		t.Errorf("arrived: %v; all but from m1 to m2 over link 1 should", arrived)
	}
	net.Settle()
	net.Send(0, view.Member{ID: 1, Incarnation: 1}, 2, 1, []byte("x"))
	if _, ok := net.Next(); !ok {
		t.Error("the way is cut after the network was settled")
	}
}

func TestSameSeedSameArrivals(t *testing.T) {
	sum := func(seed uint64) uint64 {
		f := Draw(rand.New(rand.NewPCG(seed, 9)))
		_, got := send(seed, f, 300)
		h := fnv.New64a()
		for _, d := range got {
			fmt.Fprintf(h, "%d %d %q;", d.Serial, d.Link, d.Frame)
		}
		return h.Sum64()
	}
	for seed := range uint64(100) {
		if first, again := sum(seed), sum(seed); first != again {
			t.Fatalf("seed %d: not the same twice", seed)
		}
	}
}

func TestWindowRefusesCopies(t *testing.T) {
	var w Window
	seen := map[uint64]bool{}
	top := uint64(0)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		s := 1 + rng.Uint64N(top+40)
		if rng.IntN(5000) == 0 {
			s += 3 * windowSize // a large step: nothing of before may be left in the ring
		}
		want := !seen[s] && (s+windowSize > top || top == 0)
		if got := w.Accept(s); got != want {
			t.Fatalf("serial %d with %d the highest: accepted=%v, want %v", s, top, got, want)
		}
		seen[s] = true
		top = max(top, s)
	}
}

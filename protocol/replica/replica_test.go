package replica

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestQueue holds a queue against a slice.
func TestQueue(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var q Queue
	var want []Item
	for step := range uint64(20000) {
		switch n := rng.IntN(7); {
		case n < 3:
			e := q.Push(Client(step), step)
			e.Data = fmt.Append(e.Data, step)
			if step%3 != 0 {
				q.Filled()
			}
			want = append(want, Item{Client: Client(step), Index: step, Data: fmt.Append(nil, step)})
		case n < 5 && len(want) > 0:
			q.Pop()
			want = want[1:]
		case n == 5 && len(want) > 0:
			i := rng.IntN(len(want))
			q.Remove(i)
			want = slices.Delete(want, i, i+1)
		case n == 6 && step%100 == 0:
			q.Clear()
			want = nil
		}
		if q.Len() != len(want) {
			t.Fatalf("step %d: %d items, want %d", step, q.Len(), len(want))
		}
		size := 0
		for i := range want {
			if want[i].Index%3 != 0 {
				size += len(want[i].Data)
			}
			if e := q.At(i); e.Client != want[i].Client || !bytes.Equal(e.Data, want[i].Data) {
				t.Fatalf("step %d: item %d is %+v, want %+v", step, i, e, want[i])
			}
		}
		if q.Bytes() != size {
			t.Fatalf("step %d: %d bytes, want %d", step, q.Bytes(), size)
		}
	}
}

// TestQueueKeepsNoLargeItem: what one long request took is given back, however the queue gets rid of it.
func TestQueueKeepsNoLargeItem(t *testing.T) {
	for what, drop := range map[string]func(q *Queue){
		"Pop": (*Queue).Pop, "Remove": func(q *Queue) { q.Remove(0) }, "Clear": (*Queue).Clear,
	} {
		var q Queue
		q.Push(1, 0).Data = make([]byte, itemMax+1)
		drop(&q)
		for i := range q.ring {
			if cap(q.ring[i].Data) > itemMax {
				t.Errorf("%s keeps %d bytes", what, cap(q.ring[i].Data))
			}
		}
	}
}

// TestOutput: what is put out stays as it is while the memory grows, and nobody answers Passer.
func TestOutput(t *testing.T) {
	var o Output
	for i := range 100 {
		o.Answer(Client(i), append(o.Begin(), bytes.Repeat([]byte{byte(i)}, i)...))
		o.Send(append(o.Message(), bytes.Repeat([]byte{byte(i)}, i)...), i%2 == 0)
	}
	o.Answer(Passer, append(o.Begin(), 1))
	if len(o.Replies) != 99 || len(o.Multicast) != 100 {
		t.Fatalf("%d replies, %d messages", len(o.Replies), len(o.Multicast))
	}
	for i, m := range o.Multicast {
		if !bytes.Equal(m.Data, bytes.Repeat([]byte{byte(i)}, i)) || m.Total != (i%2 == 0) {
			t.Errorf("message %d is %v", i, m)
		}
	}
	for i, r := range o.Replies {
		if !bytes.Equal(r.Data, bytes.Repeat([]byte{byte(i + 1)}, i+1)) || r.To != Client(i+1) {
			t.Errorf("reply %d is %v", i, r)
		}
	}
	if o.Reset(); len(o.Replies)+len(o.Multicast)+len(o.Do) != 0 {
		t.Error("something is left")
	}
}

// TestClock: the agreed time goes on with the own clock, and not back with it.
func TestClock(t *testing.T) {
	var c Clock
	now := time.Unix(50, 0)
	c.Set(now, 7*time.Second)
	if got := c.Agreed(now.Add(2 * time.Second)); got != 9*time.Second {
		t.Errorf("after 2 s it is %v", got)
	}
	if got := c.Agreed(now.Add(-time.Hour)); got != 7*time.Second {
		t.Errorf("with a clock that jumps back it is %v", got)
	}
	if got := c.When(8 * time.Second); !got.Equal(now.Add(time.Second)) {
		t.Errorf("it is 8 s at %v", got)
	}
}

// TestDispute: who differs from more than half is named, with the first command.
func TestDispute(t *testing.T) {
	for name, c := range map[string]struct {
		rings [][]uint64 // by rank; nil: does not know
		want  Verb       // 0: nobody has diverged
		who   []view.ID
		index uint64
		sure  bool
	}{
		"all the same":              {[][]uint64{{1, 2}, {1, 2}, {1, 2}}, 0, nil, 0, false},
		"one at the last":           {[][]uint64{{1, 2}, {1, 3}, {1, 2}}, Diverged, []view.ID{2}, 10, true},
		"one before":                {[][]uint64{{1, 5, 6}, {1, 2, 3}, {1, 2, 3}}, Diverged, []view.ID{1}, 9, true},
		"earlier than is told":      {[][]uint64{{5, 6}, {2, 3}, {2, 3}}, Diverged, []view.ID{1}, 9, false},
		"differed, and not anymore": {[][]uint64{{5, 3}, {2, 3}, {2, 3}}, 0, nil, 0, false},
		"two of two":                {[][]uint64{{1, 2}, {1, 3}}, Halted, []view.ID{1, 2}, 10, true},
		"half and half":             {[][]uint64{{1, 2}, {1, 2}, {1, 3}, {1, 3}}, Halted, []view.ID{1, 2, 3, 4}, 10, true},
		"one does not know":         {[][]uint64{{1, 2}, nil, {1, 2}, {1, 3}}, Diverged, []view.ID{4}, 10, true},
	} {
		v := &view.View{}
		for i := range c.rings {
			v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 1}})
		}
		v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: 9, Incarnation: 1}, Witness: true})
		d := NewDispute(v, 10)
		for i, r := range c.rings {
			if all := d.Tell(v, v.Seats[i].Member, r); all != (i == len(c.rings)-1) {
				t.Errorf("%s: all have told after %d: %v", name, i+1, all)
			}
		}
		got, differ := d.Judge(v, &Heads{})
		var who []view.ID
		for _, m := range got.Members {
			who = append(who, m.ID)
		}
		if differ != (c.want != 0) || got.Verb != c.want || !slices.Equal(who, c.who) || differ && (got.Index != c.index || got.Sure != c.sure) {
			t.Errorf("%s: %+v, differ %v", name, got, differ)
		}
	}
}

// FuzzReadRing reads digests that nobody has written.
func FuzzReadRing(f *testing.F) {
	f.Add([]byte{5, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(b)
		if _, digests, ok := ReadRing(&r); ok && 8*len(digests) > len(b) {
			t.Errorf("%d bytes have %d digests", len(b), len(digests))
		}
	})
}

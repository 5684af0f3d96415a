package transfer

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func failing(t *testing.T) func(string) { return func(what string) { t.Helper(); t.Error(what) } }

// TestLoss transfers 64 MiB at each rate of loss, with as many repetitions, and reordering,
// and prints how long that takes over a network of 0.1 to 0.15 ms.
func TestLoss(t *testing.T) {
	state := random(1, 64<<20)
	for _, loss := range []float64{0, 0.01, 0.05, 0.20} {
		w := newWorld(t, 2, 1, failing(t))
		w.loss, w.repeat, w.want = loss, loss, state
		w.serve(2, cutOf(3), state, true)
		w.fetch(2, cutOf(3))
		if !w.run(time.Minute, w.ended) || w.events[0].Kind != Done {
			t.Fatalf("loss %v: not done after a minute, %d bytes: %+v", loss, w.got, w.events)
		}
		took := w.now.Sub(w.begin)
		t.Logf("loss %2.0f %%: %v, %.0f MB/s, %.3f frames a piece", loss*100, took.Round(time.Millisecond),
			float64(len(state))/1e6/took.Seconds(), float64(w.frames)/float64(len(state)/pieceSize))
		if took > 3*time.Second {
			t.Errorf("loss %v: it took %v", loss, took)
		}
	}
}

// TestNarrow transfers over a link that is narrower than the window is wide: what the joiner
// asks for too much is lost at its queue. It must use the link all the same.
func TestNarrow(t *testing.T) {
	state := random(1, 16<<20)
	for _, c := range []struct{ rate, queue float64 }{{100e6, 256e3}, {100e6, 64e3}, {10e6, 64e3}, {10e6, 16e3}, {1e6, 256e3}} {
		for _, loss := range []float64{0, 0.05} {
			w := newWorld(t, 2, 1, failing(t))
			w.rate, w.queue, w.want, w.loss = c.rate, c.queue, state, loss
			w.serve(2, cutOf(3), state, true)
			w.fetch(2, cutOf(3))
			if !w.run(10*time.Minute, w.ended) || w.events[0].Kind != Done {
				t.Fatalf("%+v: not done: %d bytes, %+v", c, w.got, w.events)
			}
			used := float64(len(state)) / w.now.Sub(w.begin).Seconds() / c.rate
			t.Logf("%4.0f MB/s, queue %3.0f KB, loss %v: %2.0f %% of the link's rate, %.2f frames a piece", c.rate/1e6, c.queue/1e3, loss, 100*used,
				float64(w.frames)/float64(len(state)/pieceSize))
			if used < 0.6 {
				t.Errorf("%+v, loss %v: %2.0f %% of the link are used", c, loss, 100*used)
			}
		}
	}
}

// TestSizes transfers states whose ends fall everywhere, with and without the size being
// known beforehand, and from owners of all manners.
func TestSizes(t *testing.T) {
	for _, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, askMax, askMax + 1, 3*askMax - 1, ringSize * pieceSize, 2*ringSize*pieceSize + 5} {
		for kind, set := range map[string]func(n *node){
			"at once":          func(*node) {},
			"late":             func(n *node) { n.slow = 3 * time.Millisecond },
			"piecemeal":        func(n *node) { n.most = 1000 },
			"much later":       func(n *node) { n.slow = 2 * time.Second },
			"sometimes absent": func(n *node) { n.absent = 0.3 },
		} {
			for _, known := range []bool{true, false} {
				w := newWorld(t, 2, uint64(size), func(what string) { t.Errorf("%d bytes, known %v, owner answers %s: %s", size, known, kind, what) })
				w.want, w.loss = random(2, size), 0.01
				w.serve(2, cutOf(3), w.want, known)
				set(w.nodes[1])
				w.fetch(2, cutOf(3))
				if !w.run(20*time.Minute, w.ended) || w.events[0].Kind != Done {
					t.Errorf("%d bytes, known %v, owner answers %s: %d bytes after %v, %+v", size, known, kind, w.got, w.now.Sub(w.begin), w.events)
				}
			}
		}
	}
}

// TestDonorDies: another goes on where the first was.
func TestDonorDies(t *testing.T) {
	for _, known := range []bool{true, false} {
		w := newWorld(t, 3, 3, failing(t))
		w.loss, w.want = 0.05, random(3, 20<<20)
		w.serve(2, cutOf(3), w.want, known)
		w.serve(3, cutOf(3), w.want, known)
		w.fetch(2, cutOf(3))
		w.run(time.Minute, func() bool { return w.got > 7<<20 })
		w.nodes[1].up = false
		w.run(3*time.Second, func() bool { return false })
		frames := w.frames
		w.fetch(3, cutOf(3))
		if got, _ := w.joiner().m.Progress(); got != w.got || got < 7<<20 {
			t.Errorf("progress is %d, %d were handed over", got, w.got)
		}
		if !w.run(time.Minute, w.ended) || w.events[0].Kind != Done {
			t.Fatalf("not done: %+v", w.events)
		}
		if pieces := (w.frames - frames) * pieceSize; pieces > 18<<20 {
			t.Errorf("the second donor sent %d bytes for the remaining 13 MiB", pieces)
		}
	}
}

// TestDonorsDiffer: the sum covers what the first donor sent too.
func TestDonorsDiffer(t *testing.T) {
	for _, longer := range []int{0, 1, -1} {
		differ(t, longer, failing(t))
	}
}

// differ goes on with a donor whose state is another: in one byte, longer, or shorter.
func differ(t testing.TB, longer int, complain func(string)) {
	w := newWorld(t, 3, 4, func(string) {})
	w.want = random(3, 4<<20)
	w.serve(2, cutOf(3), w.want, true)
	other := append([]byte(nil), w.want...)
	switch longer {
	case 0:
		other[1000]++ // long since handed over
	case 1:
		other = append(other, 1)
	case -1:
		other = other[:1<<20]
	}
	w.serve(3, cutOf(3), other, true)
	w.fetch(2, cutOf(3))
	w.run(time.Minute, func() bool { return w.got > 2<<20 })
	w.fetch(3, cutOf(3))
	if !w.run(time.Minute, w.ended) || w.events[0].Kind != Failed || w.events[0].Cause != Differs {
		complain(fmt.Sprintf("donors that differ (%d): %+v", longer, w.events))
	}
	if !w.joiner().m.Deadline().IsZero() {
		complain("a joiner that failed still has a deadline")
	}
}

// TestJoinerSleeps: a minute in which it is not run costs a minute and little more.
func TestJoinerSleeps(t *testing.T) {
	w := newWorld(t, 2, 5, failing(t))
	w.want = random(5, 16<<20)
	w.serve(2, cutOf(3), w.want, true)
	w.fetch(2, cutOf(3))
	w.run(time.Minute, func() bool { return w.got > 5<<20 })
	w.pause(w.joiner(), time.Minute)
	if !w.run(2*time.Minute, w.ended) || w.events[0].Kind != Done {
		t.Fatalf("not done: %d bytes, %+v", w.got, w.events)
	}
	if took := w.now.Sub(w.begin); took > 62*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestDonorSleeps: the joiner asks patiently, and not too often.
func TestDonorSleeps(t *testing.T) {
	w := newWorld(t, 2, 5, failing(t))
	w.want = random(5, 4<<20)
	w.fetch(2, cutOf(3)) // before it is offered
	w.run(10*time.Second, func() bool { return false })
	if w.frames > 100 {
		t.Errorf("%d frames to a donor that does not answer for ten seconds", w.frames)
	}
	w.serve(2, cutOf(3), w.want, true)
	w.run(time.Minute, func() bool { return w.got > 1<<20 })
	w.pause(w.nodes[1], 10*time.Second)
	if !w.run(time.Minute, w.ended) || w.events[0].Kind != Done {
		t.Fatalf("not done: %d bytes, %+v", w.got, w.events)
	}
}

func TestWithdrawn(t *testing.T) {
	w := newWorld(t, 2, 6, failing(t))
	w.want = random(6, 8<<20)
	w.serve(2, cutOf(3), w.want, true)
	w.fetch(2, cutOf(3))
	w.run(time.Minute, func() bool { return w.got > 1<<20 })
	w.nodes[1].m.Withdraw(cutOf(3))
	if !w.run(time.Minute, w.ended) || w.events[0].Kind != Failed || w.events[0].Cause != Withdrawn {
		t.Fatalf("%+v", w.events)
	}
	// A later cut begins anew.
	w.events, w.got, w.want = nil, 0, random(7, 3<<20)
	w.serve(2, cutOf(4), w.want, true)
	w.fetch(2, cutOf(4))
	if !w.run(time.Minute, w.ended) || w.events[0].Kind != Done {
		t.Fatalf("%+v", w.events)
	}
}

// TestAnotherCut: pieces of the cut that was being fetched before are not taken.
func TestAnotherCut(t *testing.T) { otherCut(t, failing(t)) }

func otherCut(t testing.TB, complain func(string)) {
	w := newWorld(t, 2, 8, complain)
	w.delay, w.jitter = 5*time.Millisecond, 20*time.Millisecond
	old := random(8, 8<<20)
	w.want = old
	w.serve(2, cutOf(3), old, true)
	w.fetch(2, cutOf(3))
	w.run(time.Minute, func() bool { return w.got > 0 })
	w.got, w.want = 0, random(9, 8<<20)
	w.serve(2, cutOf(4), w.want, true)
	w.fetch(2, cutOf(4))
	if !w.run(time.Minute, w.ended) || w.events[0].Kind != Done {
		complain(fmt.Sprintf("not done: %d bytes, %+v", w.got, w.events))
	}
}

// TestSeveralJoiners: each gets everything; a later life of one begins anew.
func TestSeveralJoiners(t *testing.T) {
	state := random(10, 1<<20)
	donor, _ := New(Config{Self: member(1), Group: 7}, nil)
	now := time.Unix(1e9, 0)
	donor.Offer(now, cutOf(3), uint64(len(state)), true)
	joiners := make([]*Machine, 5)
	for i := range joiners {
		self := member(2 + i)
		if i == 4 {
			self = view.Member{ID: 2, Incarnation: 99}
		}
		joiners[i], _ = New(Config{Self: self, Group: 7}, nil)
		var toDonor, toJoiner Output
		got := 0
		joiners[i].Fetch(now, member(1), cutOf(3), &toDonor)
		for range 2000 {
			toJoiner.Reset()
			for _, e := range toDonor.Send {
				donor.Receive(now, self, e.Frame[wire.HeaderSize:], &toJoiner)
			}
			for k := 0; k < len(toJoiner.Asks); k++ {
				a := toJoiner.Asks[k]
				donor.Data(now, a.To, a.Cut, a.Offset, state[a.Offset:][:a.Size], a.Offset+uint64(a.Size) == uint64(len(state)), &toJoiner)
			}
			toDonor.Reset()
			for _, e := range toJoiner.Send {
				joiners[i].Receive(now, member(1), e.Frame[wire.HeaderSize:], &toDonor)
			}
			for _, c := range toDonor.Chunks {
				got += len(c.Data)
			}
			if len(toDonor.Events) > 0 {
				break
			}
		}
		if len(toDonor.Events) != 1 || toDonor.Events[0].Kind != Done || got != len(state) {
			t.Errorf("joiner %d: %d bytes, %+v", i, got, toDonor.Events)
		}
	}
	if n := len(donor.donor.sessions); n != 4 {
		t.Errorf("the donor has %d sessions for 4 joiners", n)
	}
}

// TestStorm is everything at once, many times over.
func TestStorm(t *testing.T) {
	for seed := range uint64(60) {
		storm(t, seed, func(what string) { t.Errorf("seed %d: %s", seed, what) })
		if t.Failed() {
			return
		}
	}
}

// storm transfers a small state through faults of all kinds, and calls complain for what
// breaks a promise.
func storm(t testing.TB, seed uint64, complain func(string)) {
	w := newWorld(t, 3, seed, complain)
	w.loss, w.repeat = []float64{0, 0.01, 0.05, 0.2}[w.rng.IntN(4)], 0.1*w.rng.Float64()
	w.jitter = time.Duration(1 + w.rng.Int64N(int64(5*time.Millisecond)))
	w.want = random(seed, w.rng.IntN(4<<20))
	for donor := 2; donor <= 3; donor++ {
		n := w.nodes[donor-1]
		n.slow = time.Duration(w.rng.Int64N(int64(4*time.Millisecond))) * time.Duration(w.rng.IntN(2))
		n.most = w.rng.IntN(2) * (1 + w.rng.IntN(5000))
		n.absent = 0.2 * float64(w.rng.IntN(2))
		w.serve(donor, cutOf(3), w.want, w.rng.IntN(2) == 0)
	}
	w.fetch(2, cutOf(3))
	for range 6 {
		w.run(time.Duration(w.rng.Int64N(int64(20*time.Millisecond))), w.ended)
		switch w.rng.IntN(3) {
		case 0:
			if !w.ended() {
				w.fetch(2+w.rng.IntN(2), cutOf(3))
			}
		case 1:
			w.pause(w.nodes[w.rng.IntN(3)], time.Duration(w.rng.Int64N(int64(time.Minute))))
		}
	}
	if !w.run(time.Hour, w.ended) || w.events[0].Kind != Done {
		complain(fmt.Sprintf("not done: %d of %d bytes, %+v", w.got, len(w.want), w.events))
	}
}

package seal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

var (
	first  = view.Member{ID: 1, Incarnation: 100}
	second = view.Member{ID: 2, Incarnation: 200}
)

const ringText = "5 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n" +
	"6 101112131415161718191a1b1c1d1e1f000102030405060708090a0b0c0d0e0f\n"

func testRing(t testing.TB) *key.Ring {
	t.Helper()
	r, err := key.Parse("ring", []byte(ringText))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sealer(t testing.TB, self view.Member, r *key.Ring) *Sealer {
	t.Helper()
	s, err := New(self, r, r == nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// receive does all that a transport does with an envelope.
func receive(s *Sealer, p *Peer, link int, b []byte) (string, wire.Reason) {
	frame, reason := take(s, p, link, b)
	return string(frame), reason
}

func take(s *Sealer, p *Peer, link int, b []byte) ([]byte, wire.Reason) {
	var h Header
	if reason := s.Parse(&h, b); reason != wire.OK {
		return nil, reason
	}
	frame, reason := s.Open(p, &h, link, b)
	if reason == wire.OK {
		p.Take(&h, link)
	}
	return frame, reason
}

func TestThereAndBack(t *testing.T) {
	for name, r := range map[string]*key.Ring{"sealed": testRing(t), "clear": nil} {
		a, b, p := sealer(t, first, r), sealer(t, second, r), NewPeer(1)
		for _, scope := range []Scope{Member, Everyone, Notice, Hello} {
			e := a.Append([]byte("before"), scope, 1, 2, []byte("frame"))
			if string(e[:6]) != "before" {
				t.Errorf("%s: what was there is %q", name, e[:6])
			}
			if frame, reason := receive(b, &p, 0, bytes.Clone(e[6:])); frame != "frame" || reason != wire.OK || p.Life() != first {
				t.Errorf("%s, scope %d: %q, %v from %v", name, scope, frame, reason, p.Life())
			}
			if _, reason := receive(b, &p, 0, e[6:]); reason != wire.Replayed {
				t.Errorf("%s, scope %d, again: %v", name, scope, reason)
			}
		}
	}
}

// TestOpenAloneChangesNothing opens without taking.
func TestOpenAloneChangesNothing(t *testing.T) {
	r := testRing(t)
	b, p := sealer(t, second, r), NewPeer(1)
	receive(b, &p, 0, sealer(t, first, r).Append(nil, Member, 0, 2, nil))
	later := sealer(t, view.Member{ID: 1, Incarnation: 101}, r).Append(nil, Member, 0, 2, []byte("f"))
	for range 2 {
		var h Header
		e := bytes.Clone(later)
		if reason := b.Parse(&h, e); reason != wire.OK || !p.Later(&h) {
			t.Fatalf("%v, later: %v", reason, p.Later(&h))
		}
		if _, reason := b.Open(&p, &h, 0, e); reason != wire.OK || p.Life() != first {
			t.Errorf("opened: %v, and the life is %v", reason, p.Life())
		}
	}
	if _, reason := receive(b, &p, 0, later); reason != wire.OK || p.Life().Incarnation != 101 {
		t.Errorf("taken: %v, and the life is %v", reason, p.Life())
	}
}

func TestNewRefuses(t *testing.T) {
	r := testRing(t)
	for name, make := range map[string]func() (*Sealer, error){
		"no life":          func() (*Sealer, error) { return New(view.Member{ID: 1}, r, false) },
		"no key":           func() (*Sealer, error) { return New(first, nil, false) },
		"key and insecure": func() (*Sealer, error) { return New(first, r, true) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if sealer(t, first, r).SetKeys(nil) == nil || sealer(t, first, nil).SetKeys(r) == nil {
		t.Error("sealing was turned on or off")
	}
}

func TestLifeEnds(t *testing.T) {
	s := sealer(t, first, nil)
	s.counter = CounterMax - 1
	if err := s.Check(nil); err != nil {
		t.Errorf("before the last: %v", err)
	}
	s.Append(nil, Member, 0, 2, nil)
	if err := s.Check(nil); !errors.Is(err, ErrExhausted) {
		t.Errorf("after the last: %v", err)
	}
	if err := sealer(t, first, nil).Check(make([]byte, wire.FrameMax+1)); err == nil {
		t.Error("a frame too long may be sealed")
	}
}

func TestNothingIsAllocated(t *testing.T) {
	r := testRing(t)
	a, b, p := sealer(t, first, r), sealer(t, second, r), NewPeer(1)
	room, frame := make([]byte, 0, Max), make([]byte, wire.FrameMax)
	step := func() {
		if _, reason := take(b, &p, 0, a.Append(room, Everyone, 0, 0, frame)); reason != wire.OK {
			t.Fatal(reason)
		}
	}
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%v allocations for an envelope made and opened, want none", n)
	}
}

func FuzzOpen(f *testing.F) {
	r := testRing(f)
	good := sealer(f, first, r).Append(nil, Everyone, 0, 2, []byte("frame"))
	f.Add(good)
	f.Add(good[:HeaderSize])
	f.Add(sealer(f, first, nil).Append(nil, Member, 1, 2, []byte("frame")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, e []byte) {
		for _, keys := range []*key.Ring{r, nil} {
			s, p := sealer(t, second, keys), NewPeer(1)
			frame, reason := receive(s, &p, 0, bytes.Clone(e))
			if reason != wire.OK {
				if p.Life().Incarnation != 0 {
					t.Fatalf("an envelope that is %v began a life", reason)
				}
				continue
			}
			if keys != nil && (frame != "frame" || !bytes.Equal(e, good)) {
				t.Fatalf("an envelope that nobody sealed is good: %q", frame)
			}
			if _, again := receive(s, &p, 0, bytes.Clone(e)); again == wire.OK {
				t.Fatal("an envelope was taken twice")
			}
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	r := testRing(b)
	from, to, p := sealer(b, first, r), sealer(b, second, r), NewPeer(1)
	room, frame := make([]byte, 0, Max), make([]byte, wire.FrameMax)
	b.SetBytes(wire.FrameMax)
	b.ReportAllocs()
	for b.Loop() {
		take(to, &p, 0, from.Append(room, Everyone, 0, 0, frame))
	}
}

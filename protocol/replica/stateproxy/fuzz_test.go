package stateproxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReadMessage proves that no bytes make readMessage panic or give more than its
// limits, and that what it accepts can be written again to the same bytes.
func FuzzReadMessage(f *testing.F) {
	add := func(o op, s slot, more ...[]byte) {
		b := appendOp(nil, o, s)
		for _, m := range more {
			b = wire.AppendBlock(b, m)
		}
		f.Add(b)
	}
	add(opNew, 1, []byte("key"), []byte("state"))
	add(opNew, ObjectsMax, bytes.Repeat([]byte("k"), KeyMax), make([]byte, StateMax))
	add(opNew, 0, []byte("key"), nil)
	add(opNew, 1, nil, nil)
	f.Add(wire.AppendBlock(append(appendOp(nil, opUpdate, 7), 3), []byte("tail")))
	f.Add(append(appendOp(nil, opUpdate, 7), 0xff, 0xff, 3, 0))
	add(opDestroy, 9)
	f.Add(binary.AppendUvarint(appendOp(nil, opEnd, 0), 1000))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(b)
		m := readMessage(&r)
		if r.Failed() {
			return
		}
		if len(m.key) > KeyMax || len(m.state) > StateMax || m.prefix > StateMax || m.slot > 2*ObjectsMax {
			t.Fatalf("beyond a limit: %+v", m)
		}
		again := appendOp(nil, m.op, m.slot)
		switch m.op {
		case opNew:
			again = wire.AppendBlock(wire.AppendBlock(again, m.key), m.state)
		case opUpdate:
			again = wire.AppendBlock(binary.AppendUvarint(again, uint64(m.prefix)), m.state)
		case opEnd:
			again = binary.AppendUvarint(again, m.count)
		}
		if read := b[:len(b)-r.Len()]; !bytes.Equal(again, read) {
			t.Fatalf("% x is written again as % x", read, again)
		}
	})
}

// FuzzReadSpans is the same for the ranges of a Nack.
func FuzzReadSpans(f *testing.F) {
	f.Add(appendSpans(nil, []span{{1, 1}}))
	f.Add(appendSpans(nil, []span{{3, 9}, {11, 11}, {1 << 40, 1 << 41}}))
	f.Add([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(b)
		spans, ok := readSpans(&r, nil)
		if !ok {
			return
		}
		last := uint64(0)
		for _, s := range spans {
			if s.from <= last || s.to < s.from || s.to > numberMax {
				t.Fatalf("not ascending: %v", spans)
			}
			last = s.to
		}
		if again := appendSpans(nil, spans); !bytes.Equal(again, b) {
			t.Fatalf("% x is written again as % x", b, again)
		}
	})
}

// FuzzReceive gives a proxy, in the middle of its work, payloads that its peer's life or
// another sends. Nothing panics; the caches keep their digests; a payload that is dropped
// as malformed or as another's changes no object.
func FuzzReceive(f *testing.F) {
	source, _ := busyPair(f)
	var seeds Output
	source.put(0, "b", "another state of b")
	source.m[0].Tick(source.now.Add(time.Second), &seeds)
	for _, e := range seeds.Send {
		if _, payload, why := wire.Open(e.Frame); why == wire.OK {
			f.Add(uint8(0), payload)
		}
	}
	right := func(k kind, generation uint32, more ...byte) []byte {
		return append(appendHead(nil, k, head{1, generation}), more...)
	}
	f.Add(uint8(0), []byte{byte(kindHello), helloAsk, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add(uint8(1), []byte{byte(kindHello), 0, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Add(uint8(0), right(kindData, 1, 1, 200, 1<<opBits))
	f.Add(uint8(0), right(kindData, 2, 1, 0, 1<<opBits, 1, 'k', 1, 'v', byte(opEnd), 1))
	f.Add(uint8(0), right(kindData, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0))
	f.Add(uint8(0), right(kindMark, 1, 1, 200, 1, 0, 0, 0, 0, 0, 0, 0, 0, 4))
	f.Add(uint8(0), right(kindAck, 1, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 3))
	f.Add(uint8(0), right(kindNack, 1, 2, 0, 0, 3, 200))
	f.Add(uint8(2), right(kindData, 1))
	f.Fuzz(func(t *testing.T, who uint8, payload []byte) {
		p, before := busyPair(t)
		from := view.Member{ID: 2, Incarnation: 1}
		switch who % 4 {
		case 1:
			from.Incarnation = 2 // a new life
		case 2:
			from.ID = 77 // nobody we know
		case 3:
			from.Incarnation = 0
		}
		m := p.m[0]
		drops := m.Drops()
		m.Receive(p.now, from, payload, &p.out[0])
		after := m.Drops()
		for _, why := range []wire.Reason{wire.Malformed, wire.WrongDestination, wire.UnknownSender, wire.OldIncarnation} {
			if after[why] != drops[why] && contents(m) != before {
				t.Fatalf("dropped as %v, and changed\n%s\ninto\n%s", why, before, contents(m))
			}
		}
		p.out[0].Reset()
		for range 50 { // whatever it has begun must go on without a panic, and stay bounded
			p.now = p.now.Add(10 * time.Millisecond)
			m.Tick(p.now, &p.out[0])
			if n := len(p.out[0].Send); n > stepFrames+8 {
				t.Fatalf("one step sends %d frames", n)
			}
			p.out[0].Reset()
		}
		sound(t, m)
	})
}

// busyPair is two proxies that have told each other something, and what the first holds.
func busyPair(t testing.TB) (*pair, string) {
	p := newPair(t, func(c *Config) { c.ObjectsMax = 200 })
	for i := range 5 {
		p.put(0, fmt.Sprint("a", i), "state of ours")
		p.put(1, fmt.Sprint("b", i), "state of theirs")
	}
	p.run(300 * time.Millisecond)
	p.del(1, "b0")
	p.put(0, "a1", "state of ours that is not confirmed")
	p.m[0].Tick(p.now.Add(5*time.Millisecond), &p.out[0])
	p.out[0].Reset()
	return p, contents(p.m[0])
}

// contents lists what a machine holds.
func contents(m *Machine) string {
	s := ""
	list := func(key, state []byte) { s += fmt.Sprintf("%q=%q ", key, state) }
	m.Own(0, 1<<30, list)
	s += "| "
	m.Held(2, 0, 1<<30, list)
	return s
}

// sound proves that the sums that are kept are those of what there is.
func sound(t testing.TB, m *Machine) {
	t.Helper()
	for _, p := range m.peers {
		r := &p.receiver
		digest, count := uint64(0), uint64(0)
		for s := slot(1); s <= r.cache.top; s++ {
			if r.cache.taken(s) && r.held1(s).round == r.round {
				digest += r.cache.at(s).term
				count++
				if b := r.bindings[r.held1(s).remote]; b.local != s {
					t.Fatalf("slot %d of the peer stands for %d, which says that it stands for %d", r.held1(s).remote, b.local, s)
				}
			}
		}
		if digest != r.digest || count != r.count {
			t.Fatalf("the digest is kept as %x of %d objects, and is %x of %d", r.digest, r.count, digest, count)
		}
		n := 0
		for at, last := p.inflight.head, uint64(0); at != 0; at = p.sender.mark(at).next {
			k := p.sender.mark(at)
			if k.number <= last || k.flags&inFlight == 0 {
				t.Fatalf("the resend queue is out of order at slot %d", at)
			}
			last = k.number
			n++
		}
		if n != p.inflight.n {
			t.Fatalf("the resend queue has %d messages and says %d", n, p.inflight.n)
		}
	}
}

// TestDamagedStreamsKeepTheSumsSound runs a pair whose frames arrive in random order,
// twice or never, and looks into it all the while.
func TestDamagedStreamsKeepTheSumsSound(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	p := newPair(t, func(c *Config) { c.ObjectsMax, c.Coalesce = 60, 0 })
	p.lose = func(int, []byte) bool { return rng.IntN(3) == 0 }
	for step := range 3000 {
		k := fmt.Sprint(rng.IntN(80))
		switch rng.IntN(4) {
		case 0:
			p.del(rng.IntN(2), k)
		default:
			p.put(rng.IntN(2), k, fmt.Sprint("state ", rng.IntN(1000)))
		}
		if step%500 == 499 {
			p.boot(rng.IntN(2))
		}
		rng.Shuffle(len(p.wires[0]), func(i, k int) { p.wires[0][i], p.wires[0][k] = p.wires[0][k], p.wires[0][i] })
		p.run(time.Duration(rng.IntN(3000)) * time.Microsecond)
		sound(t, p.m[0])
		sound(t, p.m[1])
	}
}

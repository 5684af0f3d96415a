package stateproxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
)

func TestChangesReachThePeerAndAreProven(t *testing.T) {
	p := newPair(t, nil)
	p.run(100 * time.Millisecond)
	p.proof(0, Proven)
	p.put(0, "a", "one")
	p.put(0, "b", "two")
	p.run(time.Millisecond)
	p.proof(0, Behind)
	p.run(100 * time.Millisecond)
	p.holds(1, map[string]string{"a": "one", "b": "two"})
	p.proof(0, Proven)
	p.put(0, "a", "onward")
	p.del(0, "b")
	p.run(time.Second)
	p.holds(1, map[string]string{"a": "onward"})
	p.proof(0, Proven)
	if n := p.m[0].own.used(); n != 1 {
		t.Errorf("%d slots in use: a confirmed tombstone must be freed", n)
	}
}

func TestShortLifeCostsNothing(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	before := p.m[0].Sent(2).Messages
	p.put(0, "short", "x")
	p.del(0, "short")
	p.run(time.Second)
	if n := p.m[0].Sent(2).Messages - before; n != 0 {
		t.Errorf("%d messages for an object that lived less than Coalesce", n)
	}
	p.holds(1, map[string]string{})
}

func TestRetransmissionCarriesTheCurrentState(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	p.put(0, "r1", "state-1")
	p.lose = func(to int, _ []byte) bool { return to == 1 }
	p.run(3 * time.Millisecond) // number of state-1 is lost
	p.lose = nil
	p.put(0, "r1", "state-2")
	p.put(0, "r2", "other")
	p.run(time.Second)
	p.holds(1, map[string]string{"r1": "state-2", "r2": "other"})
	p.proof(0, Proven)
	if p.count(trace.Nacked) == 0 {
		t.Error("the gap was not asked for")
	}
}

func TestLostTailIsFoundWithoutMoreTraffic(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	n := 0
	p.lose = func(to int, b []byte) bool { n++; return to == 1 && n == 1 }
	p.put(0, "k", "v")
	p.run(probeAfter + 10*time.Millisecond)
	p.holds(1, map[string]string{"k": "v"})
}

func TestRestartedPeerIsToldEverything(t *testing.T) {
	p := newPair(t, nil)
	want := map[string]string{}
	for i := range 5000 {
		k := fmt.Sprintf("key-%d", i)
		p.put(0, k, "value")
		want[k] = "value"
	}
	p.run(time.Second)
	p.holds(1, want)
	p.boot(1)
	p.run(time.Second)
	p.holds(1, want)
	p.proof(0, Proven)
}

func TestRestartedSourceRemovesWhatItNoLongerHas(t *testing.T) {
	p := newPair(t, nil)
	p.put(0, "old", "1")
	p.put(0, "kept", "1")
	p.run(time.Second)
	p.boot(0)
	p.put(0, "kept", "2")
	p.run(time.Second)
	p.holds(1, map[string]string{"kept": "2"})
	p.proof(0, Proven)
}

func TestFormerLifeIsKeptUntilReleased(t *testing.T) {
	p := newPair(t, func(c *Config) { c.KeepFormer = true })
	p.put(0, "flow", "1")
	p.run(time.Second)
	p.boot(0)
	p.run(time.Second)
	p.holds(1, map[string]string{"flow": "1"})
	p.m[1].Release(1, &p.out[1])
	p.collect(1)
	p.holds(1, map[string]string{})
}

func TestAbsentPeerCostsNoMemoryAndIsResynced(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	p.lose = func(int, []byte) bool { return true }
	for i := range 1000 {
		p.put(0, fmt.Sprint(i), "x")
		p.run(5 * time.Millisecond)
		p.del(0, fmt.Sprint(i))
	}
	p.proof(0, Away)
	if n := p.m[0].own.used(); n != 0 {
		t.Errorf("%d slots are kept for a peer that is away", n)
	}
	p.put(0, "now", "here")
	p.lose = nil
	p.run(time.Second)
	p.holds(1, map[string]string{"now": "here"})
	p.proof(0, Proven)
}

func TestFullResendQueueIsNamedAndResynced(t *testing.T) {
	p := newPair(t, func(c *Config) { c.ResendMax = 100 })
	p.run(time.Second)
	p.lose = func(to int, _ []byte) bool { return to == 1 }
	want := map[string]string{}
	for i := range 300 {
		k := fmt.Sprint(i)
		p.put(0, k, "x")
		want[k] = "x"
		p.run(3 * time.Millisecond)
	}
	if p.count(trace.Overflow) == 0 {
		t.Error("no overflow was named")
	}
	p.lose = nil
	p.run(2 * time.Second)
	p.holds(1, want)
	p.proof(0, Proven)
}

func TestFullExternalCacheIsNeverProven(t *testing.T) {
	p := newPair(t, func(c *Config) { c.KeepFormer, c.ObjectsMax = true, 2 })
	for life := range 3 { // each leaves two objects; four is the most that is held
		if life > 0 {
			p.boot(0)
		}
		p.put(0, fmt.Sprint(life, "a"), "x")
		p.put(0, fmt.Sprint(life, "b"), "x")
		p.run(3 * time.Second)
	}
	if s := p.m[0].Proof(p.now, 2).State; s == Proven {
		t.Error("proven although the peer refused objects")
	}
	if p.count(trace.Diverged) == 0 || p.count(trace.Overflow) == 0 || p.m[1].Received(1).Refused == 0 {
		t.Error("the refusal was not noticed")
	}
	p.m[1].Release(1, &p.out[1])
	p.collect(1)
	p.run(time.Minute)
	p.holds(1, map[string]string{"2a": "x", "2b": "x"})
	p.proof(0, Proven)
}

func TestDamagedCopyIsFoundAndRepaired(t *testing.T) {
	p := newPair(t, nil)
	p.put(0, "k", "right")
	p.run(time.Second)
	r := &p.m[1].peers[0].receiver
	s := r.cache.find([]byte("k"))
	r.digest -= r.cache.at(s).term
	r.cache.setState(s, []byte("wrong"))
	r.digest += r.cache.at(s).term
	p.run(time.Second)
	if p.count(trace.Diverged) != 1 {
		t.Errorf("diverged was told %d times, want once", p.count(trace.Diverged))
	}
	p.holds(1, map[string]string{"k": "right"})
	p.proof(0, Proven)
}

func TestAdoptedObjectsAreTold(t *testing.T) {
	p := newPair(t, nil)
	p.put(0, "a", "1")
	p.put(0, "b", "1")
	p.run(time.Second)
	p.put(1, "a", "mine")
	for c := uint32(0); ; {
		if c = p.m[1].Adopt(p.now, 1, c, 1); c == 0 {
			break
		}
	}
	p.m[0].Clear(p.now)
	p.run(time.Second)
	p.holds(0, map[string]string{"a": "mine", "b": "1"})
	p.holds(1, map[string]string{})
	p.proof(0, Proven)
	p.proof(1, Proven)
}

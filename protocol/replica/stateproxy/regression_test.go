package stateproxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Each test here is a mistake that the simulator found (internal/sim/proxies), as small
// as it can be told.

// loseData loses the frames of numbered messages to a node whose turn is in the list,
// counted from 0.
func loseData(node int, turns ...int) func(int, []byte) bool {
	n := -1
	return func(to int, frame []byte) bool {
		if to != node || kind(frame[wire.HeaderSize]) != kindData {
			return false
		}
		n++
		for _, turn := range turns {
			if n == turn {
				return true
			}
		}
		return false
	}
}

// The first message and its replacement are lost, and a Mark declares the first number
// settled: the numbers are then gapless below the replacement, and the digest is still
// not that of the source at that number.
func TestLostReplacementIsNoDivergence(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	p.lose = loseData(1, 0, 2)
	p.put(0, "a", "lost twice")
	p.run(3 * time.Millisecond)
	p.put(0, "b", "received")
	p.run(time.Second)
	if n := p.count(trace.Diverged); n != 0 {
		t.Errorf("%d divergences, and nothing was damaged", n)
	}
	p.holds(1, map[string]string{"a": "lost twice", "b": "received"})
	p.proof(0, Proven)
}

// The same during a resync: everything below the end marker is declared settled, but
// what was not received is still to come. Removing it would leave a hole.
func TestResyncDoesNotEndBeforeReplacements(t *testing.T) {
	p := newPair(t, nil)
	for i := range 200 {
		p.put(0, fmt.Sprint("key-", i), "a state of some length, to fill frames")
	}
	p.run(time.Second)
	p.lose = loseData(1, 0, 8, 9, 10)
	p.m[0].Resync(p.now, 2)
	p.run(time.Second)
	if p.gone[1] != 0 {
		t.Errorf("%d objects were removed from the copy for a while, which the source had all the time", p.gone[1])
	}
	p.proof(0, Proven)
}

// A tombstone that comes back to life is a new object for the limit.
func TestRevivedObjectNeedsRoom(t *testing.T) {
	p := newPair(t, func(c *Config) { c.ObjectsMax = 2 })
	p.run(time.Second)
	p.put(0, "a", "1")
	p.put(0, "c", "1")
	p.run(time.Second)
	p.del(0, "a")
	if !p.m[0].Put(p.now, []byte("b"), nil) {
		t.Fatal("an object was refused although there is room")
	}
	if p.m[0].Put(p.now, []byte("a"), []byte("2")) {
		t.Error("a third object was taken; two is the limit")
	}
	if p.count(trace.Overflow) != 1 {
		t.Error("the refusal was not named")
	}
	p.run(time.Second)
	p.holds(1, map[string]string{"b": "", "c": "1"})
	if p.count(trace.Diverged) != 0 {
		t.Error("the peer had no room for an object although the source had")
	}
}

// What is kept of a former life is what only that life had: what the present life had
// and gave up goes.
func TestKeptFormerLifeDoesNotKeepThePresentOne(t *testing.T) {
	p := newPair(t, func(c *Config) { c.KeepFormer = true })
	p.put(0, "former", "1")
	p.run(time.Second)
	p.boot(0)
	p.put(0, "present", "1")
	p.run(time.Second)
	p.holds(1, map[string]string{"former": "1", "present": "1"})
	p.m[0].Clear(p.now)
	p.run(time.Second)
	p.holds(1, map[string]string{"former": "1"})
}

// A Mark that comes while numbers are on their way must not be answered by asking for
// them again and again: in a network that is slow and not lossy that was a storm.
func TestAskedForIsNotAskedForAgainByAMark(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	p.lose = loseData(1, 0)
	p.put(0, "a", "1")
	p.run(3 * time.Millisecond)
	for range 10 { // the peer's answers are on their way all the while
		p.m[0].sendMark(p.now, &p.m[0].peers[0].sender, &p.out[0])
		p.collect(0)
		marks := p.wires[1]
		p.wires[1] = nil
		for _, frame := range marks {
			_, payload, _ := wire.Open(frame)
			p.m[1].Receive(p.now, view.Member{ID: 1, Incarnation: 1}, payload, &p.out[1])
		}
		p.collect(1)
	}
	if n := p.m[1].Received(1).Nacks; n != 1 {
		t.Errorf("%d Nacks for one gap that ten Marks told of", n)
	}
	p.run(time.Second)
	p.holds(1, map[string]string{"a": "1"})
}

// A Nack that makes the source send again is not followed by a Mark as well.
func TestNackIsAnsweredOnce(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	p.lose = loseData(1, 0)
	marks := 0
	p.put(0, "a", "1")
	p.run(3 * time.Millisecond)
	lose := p.lose
	p.lose = func(to int, frame []byte) bool {
		if to == 1 && kind(frame[wire.HeaderSize]) == kindMark {
			marks++
		}
		return lose(to, frame)
	}
	p.put(0, "b", "1")
	p.run(10 * time.Millisecond)
	p.holds(1, map[string]string{"a": "1", "b": "1"})
	if marks != 0 {
		t.Errorf("%d Marks with a resend", marks)
	}
}

// The life of a sender is proved by the transport. A frame that is not for this life
// tells of it all the same, and nothing of the former life is claimed any more.
func TestNewLifeIsLearnedFromAnyFrame(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	p.proof(0, Proven)
	var out Output
	out.Reset()
	payload := appendHead(nil, kindMark, head{life: 77, generation: 1})
	p.m[0].Receive(p.now, view.Member{ID: 2, Incarnation: 2}, payload, &out)
	p.proof(0, Unknown)
}

// Resync is for a peer that is heard; it does not make one so.
func TestResyncDoesNotReviveAnAbsentPeer(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	p.m[0].Away(p.now, 2)
	p.m[0].Resync(p.now, 2)
	p.proof(0, Away)
	p.m[0].Near(2)
	p.run(time.Second)
	p.proof(0, Proven)
}

// Two that each hold the other for silent, and still hear it, must not begin again at
// every frame: that went on at the speed of the network.
func TestSilentPeersDoNotBeginAgain(t *testing.T) {
	p := newPair(t, nil)
	p.run(time.Second)
	before := p.count(trace.SyncBegan)
	for i := range p.m {
		p.m[i].Away(p.now, view.ID(2-i))
	}
	p.put(0, "a", "1")
	p.run(time.Second)
	if n := p.count(trace.SyncBegan) - before; n != 0 {
		t.Errorf("%d resyncs of silent peers", n)
	}
	for i := range p.m {
		p.m[i].Near(view.ID(2 - i))
	}
	p.run(time.Second)
	p.holds(1, map[string]string{"a": "1"})
	p.proof(0, Proven)
}

// A stream with as many gaps as are remembered must heal as fast as the resends come:
// what they declare settled is what makes room for them.
func TestBrokenStreamHeals(t *testing.T) {
	p := newPair(t, func(c *Config) { c.Coalesce, c.AckWindow = 0, 1000 })
	p.run(time.Second)
	n := 0
	p.lose = func(to int, frame []byte) bool {
		n++
		return to == 0 || n%2 == 0 // and no Nack arrives
	}
	want := map[string]string{}
	for i := range 2 * (gapsMax + 200) {
		k := fmt.Sprint("key-", i)
		p.put(0, k, "x")
		want[k] = "x"
		p.m[0].Tick(p.now, &p.out[0])
		p.collect(0)
	}
	p.exchange()
	if p.count(trace.Overflow) == 0 {
		t.Fatal("the stream is not as broken as it should be")
	}
	p.lose = nil
	p.run(time.Second)
	p.holds(1, want)
	p.proof(0, Proven)
}

// A frame of which one message breaks a limit is not taken at all.
func TestMalformedFrameChangesNothing(t *testing.T) {
	p := newPair(t, nil)
	p.put(0, "a", "1")
	p.run(time.Second)
	r := &p.m[1].peers[0].receiver
	payload := appendHead(nil, kindData, head{life: 1, generation: r.generation + 1})
	payload = append(payload, 1, 0)
	payload = appendOp(payload, opNew, 1)
	payload = append(wire.AppendBlock(wire.AppendBlock(payload, []byte("b")), nil), 0xff)
	before := r.generation
	p.m[1].Receive(p.now, view.Member{ID: 1, Incarnation: 1}, payload, &p.out[1])
	p.collect(1)
	p.holds(1, map[string]string{"a": "1"})
	if p.m[1].Drops()[wire.Malformed] != 1 || r.generation != before {
		t.Error("a malformed frame was taken in part")
	}
}

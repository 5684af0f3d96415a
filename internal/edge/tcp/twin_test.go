package tcp

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestTwinIsRefusedAndTold starts a second process under the name of one that lives.
func TestTwinIsRefusedAndTold(t *testing.T) {
	all := configs(3, 1, testRing(t))
	n := startAll(t, all)
	second := all[0]
	second.Self.Incarnation++
	second.Links = append(second.Links[:0:0], second.Links...)
	second.Links[0].Local = addressesOf.next()
	twin := start(t, second)
	until(t, "the twin was told", func() bool {
		n[0].send(wire.Envelope{To: view.Everyone, Members: []view.ID{2, 3}, Frame: []byte("alive")})
		_, told := twin.Refused()
		return told
	}, append(n, twin)...)
	r, _ := twin.Refused()
	if r.Reason != wire.Twin || r.From.ID == 1 || r.Other.Addr() != all[0].Links[0].Local.Addr() {
		t.Errorf("told %+v, want a twin at %v", r, all[0].Links[0].Local)
	}
	refuser := n[r.From.ID-1]
	if s := refuser.Stats()[0]; s.Dropped[wire.Twin] == 0 || s.LastReason != wire.Twin || s.LastSource.Addr() != second.Links[0].Local.Addr() {
		t.Errorf("stats of who refused: %+v", s)
	}
	if !connected(n...) || connected(twin) {
		t.Error("the first process was given up, or the twin is heard")
	}
	if _, told := n[0].Refused(); told {
		t.Error("the first process was told that it is one too many")
	}
	// What is over is not told for ever.
	if refuser.Stats()[0].Twin != second.Self {
		t.Errorf("stats of who refused: %+v", refuser.Stats()[0])
	}
	for _, m := range []*node{refuser, twin} {
		m.clock = func() time.Time { return time.Now().Add(link.RefusalMax) }
	}
	if _, told := twin.Refused(); told || refuser.Stats()[0].Twin.Known() {
		t.Error("it is told long after")
	}
}

// TestLaterLifeElsewhere is heard when the former one is silent, or speaks from the same
// address.
func TestLaterLifeElsewhere(t *testing.T) {
	r := testRing(t)
	n, at, from := target(t, r)
	life := func(i view.Incarnation) *speaker {
		s := speak(t, from, at, view.Member{ID: 1, Incarnation: i}, r)
		s.write(append(s.hello(2), s.unit(seal.Member, 2, "f")...))
		return s
	}
	life(100)
	until(t, "the first is heard", func() bool { return len(n.got) == 1 }, n)
	life(101)
	until(t, "one from the same address is heard at once", func() bool { return len(n.got) == 2 }, n)
	from = addressesOf.next().Addr()
	life(102).isClosed("one from elsewhere is not", n)
	if n.dropped(wire.Twin) != 1 || len(n.got) != 2 {
		t.Errorf("dropped %v", n.Stats()[0].Dropped)
	}
	n.clock = func() time.Time { return time.Now().Add(twinMax) }
	life(103)
	until(t, "one from elsewhere is heard after the first is silent", func() bool { return len(n.got) == 3 }, n)
}

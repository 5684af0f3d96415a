package udp

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// elsewhere is a configuration for a later life at other addresses.
func elsewhere(c Config) Config {
	c.Self.Incarnation++
	c.Links = slices.Clone(c.Links)
	for i := range c.Links {
		c.Links[i].Local = addressesOf.next()
	}
	return c
}

// TestTwinIsRefusedAndTold starts a second process under the name of one that lives.
func TestTwinIsRefusedAndTold(t *testing.T) {
	for name, r := range map[string]*key.Ring{"sealed": testRing(t, 1), "clear": nil} {
		t.Run(name, func(t *testing.T) {
			all := several(3, 1, r)
			n := startAll(t, all)
			n[0].sendAll(0, "alive", 2, 3)
			n[1].take(1, 1)
			config := elsewhere(all[0])
			twin := start(t, config)
			for range 5 {
				twin.sendAll(0, "me too", 2, 3)
			}
			n[1].take(1, 5)
			n[0].sendAll(0, "alive", 2, 3)
			n[1].take(1, 1)
			n[1].expect(got{first, 1, "alive"}, got{first, 1, "alive"})
			n[1].dropped(map[wire.Reason]uint64{wire.Twin: 5})
			s := n[1].Stats()[0]
			if s.Twin != config.Self || s.TwinSource != config.Links[0].Local || s.LastSource != config.Links[0].Local {
				t.Errorf("stats of who refused: %+v", s)
			}
			twin.take(1, 1) // one notice, not five
			refusal, told := twin.Refused()
			refusal.At = time.Time{}
			if !told || refusal.Reason != wire.Twin || refusal.From != second || refusal.Other != all[0].Links[0].Local {
				t.Errorf("told %v: %+v, want a twin at %v", told, refusal, all[0].Links[0].Local)
			}
			twin.expect()
			twin.dropped(nil)
			if n, err := twin.Receive(1, nil); n != 0 || err != nil {
				t.Errorf("%d more datagrams came (%v)", n, err)
			}
			if _, told := n[0].Refused(); told {
				t.Error("the first process was told that it is one too many")
			}
			// What is over is not told for ever.
			for _, m := range []*node{n[1], twin} {
				m.clock = func() time.Time { return time.Now().Add(link.RefusalMax) }
			}
			if _, told := twin.Refused(); told || n[1].Stats()[0].Twin.Known() {
				t.Error("it is told long after")
			}
		})
	}
}

// TestTwinIsToldAgainAndHeardAfterSilence lets the clock go on.
func TestTwinIsToldAgainAndHeardAfterSilence(t *testing.T) {
	all := several(2, 1, testRing(t, 1))
	n := startAll(t, all)
	now := time.Now()
	n[1].clock = func() time.Time { return now }
	n[0].send(2, 1, "alive")
	n[1].take(1, 1)
	twin := start(t, elsewhere(all[0]))
	for range 2 {
		twin.send(2, 1, "me too")
		n[1].take(1, 1)
		twin.take(1, 1)
		now = now.Add(noticeMin - 1)
		twin.send(2, 1, "not told again so soon")
		n[1].take(1, 1)
		now = now.Add(1)
		n[0].send(2, 1, "alive")
		n[1].take(1, 1)
	}
	n[1].dropped(map[wire.Reason]uint64{wire.Twin: 4})
	now = now.Add(twinMax)
	n[1].got = nil
	twin.send(2, 1, "at last")
	n[1].take(1, 1)
	n[1].expect(got{twin.Self(), 1, "at last"})
	n[0].send(2, 1, "too late")
	n[1].take(1, 1)
	n[1].dropped(map[wire.Reason]uint64{wire.Twin: 4, wire.OldIncarnation: 1})
}

// TestRestartAtTheSamePlaceIsHeardAtOnce ends a process and starts it again; over a link
// on which it was not heard before, its configured address is the right one.
func TestRestartAtTheSamePlaceIsHeardAtOnce(t *testing.T) {
	all := several(2, 2, testRing(t, 1))
	n := startAll(t, all)
	n[0].send(2, 1, "before")
	n[1].take(1, 1)
	n[0].Close()
	all[0].Self.Incarnation++
	again := start(t, all[0])
	again.send(2, 2, "over the other link")
	n[1].take(2, 1)
	again.Close()
	all[0].Self.Incarnation++
	again = start(t, all[0])
	again.send(2, wire.AllLinks, "over both")
	n[1].take(1, 1)
	n[1].take(2, 1)
	n[1].dropped(map[wire.Reason]uint64{wire.Duplicate: 1})
	if len(n[1].got) != 3 {
		t.Errorf("heard %v", n[1].got)
	}
}

// TestTwinOverAnotherLink speaks where the first was never heard.
func TestTwinOverAnotherLink(t *testing.T) {
	all := several(2, 2, nil)
	n := startAll(t, all)
	n[0].send(2, 1, "alive")
	n[1].take(1, 1)
	twin := start(t, elsewhere(all[0]))
	twin.send(2, 2, "me too")
	n[1].take(2, 1)
	n[1].dropped(map[wire.Reason]uint64{wire.Twin: 1})
	twin.take(2, 1)
	if refusal, told := twin.Refused(); !told || refusal.Other != all[0].Links[1].Local {
		t.Errorf("told %v: %+v", told, refusal)
	}
}

// TestTwinOverIPv6 has the address of the first in the notice.
func TestTwinOverIPv6(t *testing.T) {
	all := several(2, 1, nil)
	at := [2]netip.AddrPort{addressesOf.next6(), addressesOf.next6()}
	for i := range all {
		all[i].Links[0].Local = at[i]
		all[i].Links[0].Peers = map[view.ID]netip.AddrPort{view.ID(2 - i): at[1-i]}
	}
	n := startAll(t, all)
	n[0].send(2, 1, "alive")
	n[1].take(1, 1)
	config := elsewhere(all[0])
	config.Links[0].Local = addressesOf.next6()
	twin := start(t, config)
	twin.send(2, 1, "me too")
	n[1].take(1, 1)
	twin.take(1, 1)
	if refusal, told := twin.Refused(); !told || refusal.Other != at[0] {
		t.Errorf("told %v: %+v, want %v", told, refusal, at[0])
	}
}

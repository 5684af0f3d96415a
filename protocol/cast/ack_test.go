package cast

import (
	"encoding/binary"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// addressees gives who is sent acknowledgements by a step, and forgets what it put out.
func (g *rig) addressees() (to []view.ID) {
	for _, e := range g.out.Send {
		if kind(e.Frame[wire.HeaderSize]) != kindAck {
			continue
		}
		if e.To == view.Everyone {
			to = append(to, e.Members...)
		} else {
			to = append(to, e.To)
		}
	}
	g.out.Reset()
	return to
}

// TestWhoWaitsIsAcknowledgedToAtOnce: in a view in which two holders are enough the others
// wait for nothing; in larger ones they wait for one another.
func TestWhoWaitsIsAcknowledgedToAtOnce(t *testing.T) {
	for _, c := range []struct{ members, atOnce, later int }{{2, 1, 0}, {3, 1, 1}, {4, 1, 2}, {5, 4, 0}} {
		g := newRig(t, c.members)
		g.fill()
		g.pack[1] |= packetUrgent
		binary.BigEndian.PutUint64(g.pack[placeAt:], 1)
		g.m.Receive(g.now, g.m.view.Seats[1].Member, g.pack, &g.out)
		g.m.Release(1, 1)
		g.m.Flush(g.now, &g.out)
		to := g.addressees()
		if len(to) != c.atOnce || c.atOnce == 1 && to[0] != 2 {
			t.Errorf("%d members: %v had an acknowledgement at once", c.members, to)
		}
		if g.m.Agreed(1) != 1 && c.members <= 4 {
			t.Errorf("%d members: the packet is not agreed, and its sender has it as well", c.members)
		}
		g.now = g.now.Add(2 * ackDelay)
		g.m.Tick(g.now, &g.out)
		g.m.Flush(g.now, &g.out)
		if to := g.addressees(); len(to) != c.later || c.later > 0 && to[0] != 3 {
			t.Errorf("%d members: %v had an acknowledgement later", c.members, to)
		}
	}
}

// TestVotesDecideWhoWaits: not two members, but their votes, are enough.
func TestVotesDecideWhoWaits(t *testing.T) {
	seats := func(votes ...uint8) *view.View {
		v := &view.View{}
		for i, n := range votes {
			v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 1}, Votes: n})
		}
		return v
	}
	for _, c := range []struct {
		v    *view.View
		all  bool
		want bool
	}{
		{seats(1, 1, 1), false, true}, {seats(1, 1, 1), true, false}, {seats(3, 1, 1), false, false},
		{seats(1, 1, 1, 1), false, true}, {seats(1, 1, 1, 1, 1), false, false}, {seats(1), false, true},
	} {
		a := newAgreement(c.v, c.all, 0)
		if got := a.pairs(c.v); got != c.want {
			t.Errorf("%+v, all=%v: pairs are enough: %v", c.v.Seats, c.all, got)
		}
	}
}

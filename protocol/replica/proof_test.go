package replica

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestProofs(t *testing.T) {
	a, b, w := view.Member{ID: 1, Incarnation: 1}, view.Member{ID: 2, Incarnation: 1}, view.Member{ID: 3, Incarnation: 1}
	at := func(n int) time.Time { return time.Unix(0, 0).Add(time.Duration(n) * time.Millisecond) }
	var p Proofs
	p.Begin(at(1), &view.View{Seats: []view.Seat{{Member: a, Votes: 1}, {Member: b, Votes: 1}, {Member: w, Votes: 1, Witness: true}}}, a)
	expect := func(what string, want Proof) {
		t.Helper()
		if all := p.All(); len(all) != 1 || all[0] != want {
			t.Errorf("%s: %+v, and should be %+v", what, all, want)
		}
	}
	expect("a view begins", Proof{Member: b, Since: at(1)})
	p.Hear(at(2), b, 0, 0, true)
	expect("the first state is proven", Proof{Member: b, Told: true})
	p.Moved(at(3))
	p.Moved(at(4))
	expect("it is behind from the first command on", Proof{Member: b, Told: true, Since: at(3)})
	p.Hear(at(5), b, 1, 2, true)
	expect("one of two is proven", Proof{Member: b, Told: true, Index: 1, Since: at(5)})
	p.Hear(at(6), b, 1, 2, true)
	expect("the same again is not news", Proof{Member: b, Told: true, Index: 1, Since: at(5)})
	p.Hear(at(7), b, 2, 2, true)
	expect("both are", Proof{Member: b, Told: true, Index: 2})
	p.Hear(at(8), b, 3, 3, false)
	expect("it differs", Proof{Member: b, Told: true, Index: 3, Diverged: true, Since: at(8)})
	p.Hear(at(9), view.Member{ID: 2, Incarnation: 9}, 3, 3, true)
	expect("another life says nothing of this one", Proof{Member: b, Told: true, Index: 3, Diverged: true, Since: at(8)})
	if p.End(); len(p.All()) != 0 {
		t.Error("out of the view there are proofs")
	}
}

package cohort

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// An owner that is asked for a piece of one state may answer when the joiner has come in anew and is
// given another: the bytes of the former are none of the later.
func TestAnAnswerThatComesLateIsNotTakenForALaterState(t *testing.T) {
	m := newMesh(t, 3, GroupConfig{Name: "g", Stateful: true})
	m.boot(0)
	m.boot(1)
	m.run(time.Second)
	a, c := m.nodes[0], m.nodes[2]
	shots := map[view.Name]string{}
	var late []func() // answers about the first state
	a.deliver = func(d *Delivery) {
		switch d.Kind {
		case Message:
			a.state = append(a.state, string(d.Append(nil)))
		case Wanted:
			shots[d.View.Name] = fmt.Sprintf("%q", a.state)
			if !a.group.Serve(m.now, d.View.Name, 0, false) {
				t.Error("the state is not wanted any more when it has just been asked for")
			}
		case ChunkWanted:
			cut, to, offset := d.View.Name, d.Peer, d.Number
			answer := func() {
				data := []byte(shots[cut])
				from := min(int(offset), len(data))
				a.step(func(out *Output) { a.group.Chunk(m.now, cut, to, offset, data[from:], true, out) })
			}
			if len(shots) == 1 {
				late = append(late, answer)
				return
			}
			m.after(0, func() {
				for _, do := range late {
					do()
				}
				answer()
			})
		}
	}
	a.multicast(order.Total, "one")
	m.run(10 * time.Millisecond)
	m.boot(2)
	m.run(time.Second)
	a.multicast(order.Total, "two")
	m.run(50 * time.Millisecond)
	m.boot(2)
	m.run(2 * time.Second)
	if got, want := string(c.staged), fmt.Sprintf("%q", a.state); len(late) == 0 || got != want {
		t.Errorf("%d questions were answered late; c has the state %s, and a had %s", len(late), got, want)
	}
	a.step(func(*Output) {
		if a.group.Serve(m.now, view.Name{Epoch: 1}, 0, true) {
			t.Error("a state is taken that nobody wants")
		}
	})
}

package pair

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// kernel is what a host does without the process: it has a table of flows, and the
// addresses, or not.
type kernel struct {
	table [][]byte // state by number; nil: there is no such flow
	holds bool
	still time.Duration // until when neighbours send here although the addresses are gone
}

// event is what the kernel tells the process of one flow.
type event struct {
	flow  int
	state []byte // nil: it is gone
}

// learning is how long neighbours go on sending to the former holder.
const learning = 30 * time.Millisecond

// key is the key of a flow; number is the reverse.
func (w *pair) key(number int) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 0, 13), uint32(number))
}

func (w *pair) number(key []byte) int { return int(binary.BigEndian.Uint32(key)) }

// address puts the addresses on a host or takes them away.
func (w *pair) address(n *node, holds bool) {
	if n.host.holds == holds {
		return
	}
	n.host.holds, n.host.still = holds, w.Now+learning
	f := check.Fact{Kind: check.Addressed, Node: n.Self}
	if holds {
		f.Value = 1
		w.moved(n)
	}
	w.hear(&f)
}

// moved ends the time in which neighbours send to somebody else: they are told.
func (w *pair) moved(to *node) {
	for i := range w.nodes {
		if n := &w.nodes[i]; n != to {
			n.host.still = min(n.host.still, w.Now+learning)
		}
	}
}

// traffic is one packet that opens, changes or closes a flow. If several hosts hold the
// addresses it goes to any of them; if none does it is lost.
func (w *pair) traffic() {
	var through []*node
	for i := range w.nodes {
		if w.nodes[i].host.holds {
			through = append(through, &w.nodes[i])
		}
	}
	if len(through) == 0 || w.Rng.IntN(8) == 0 {
		for i := range w.nodes {
			// A process that does not mind its table any more is not told of changes, so the
			// neighbours must have learned by then: that is an assumption of the stack.
			if n := &w.nodes[i]; !n.host.holds && w.Now < n.host.still && n.stack != nil && n.stack.Owning() {
				through = append(through, n)
			}
		}
	}
	if len(through) == 0 {
		return
	}
	n := through[w.Rng.IntN(len(through))]
	number := w.Rng.IntN(w.opt.flows)
	old := n.host.table[number]
	switch {
	case old == nil && w.open[number]:
		// A packet of a flow that this host does not know is dropped.
	case old != nil && !w.open[number] && !n.host.holds:
		// It has ended through the new holder; nobody sends it to the former one.
	case old == nil:
		w.flow(n, number, w.state(nil))
	case w.Rng.IntN(5) == 0:
		w.flow(n, number, nil)
	default:
		w.flow(n, number, w.state(old))
	}
}

// state draws a flow's next state: what changes is most often its end.
func (w *pair) state(old []byte) []byte {
	keep := 0
	if len(old) > 0 && w.Rng.IntN(8) != 0 {
		keep = len(old) - w.Rng.IntN(min(len(old), 6)+1)
	}
	state := append([]byte{}, old[:keep]...)
	for len(state) < w.opt.size && w.Rng.IntN(6) != 0 {
		state = append(state, byte(w.Rng.IntN(256)))
	}
	return state
}

// flow changes a flow in a host's table, and the kernel tells the process.
func (w *pair) flow(n *node, number int, state []byte) {
	n.host.table[number] = state
	w.open[number], w.changed[number] = state != nil, w.Now
	f := check.Fact{Kind: check.Opened, Node: n.Self, Key: w.key(number), State: state}
	if state == nil {
		f.Kind = check.Closed
	}
	w.hear(&f)
	w.notify(n, event{number, state})
}

// notify brings an event to the process, late if it stands still, or not at all: then it
// is told that something is missing.
func (w *pair) notify(n *node, e event) {
	switch {
	case n.stack == nil:
	case n.Paused:
		if len(n.events) >= eventMax {
			n.lost = true
		} else {
			n.events = append(n.events, e)
		}
	case !w.Calm && w.Rng.Float64() < w.opt.deaf:
		n.stack.Lost()
		w.after(n)
	default:
		w.tellEvent(n, e)
		w.after(n)
	}
}

func (w *pair) tellEvent(n *node, e event) {
	if e.state == nil {
		n.stack.Gone(w.read(n), w.key(e.flow), &n.out)
	} else if n.stack.Owning() { // as service/firewall does
		n.stack.Changed(w.read(n), w.key(e.flow), e.state)
	}
}

// expire lets a standby's table give up a flow of which it sees no packets.
func (w *pair) expire() {
	n := &w.nodes[w.Rng.IntN(len(w.nodes))]
	number := w.Rng.IntN(w.opt.flows)
	if !n.Runs() || n.host.holds || n.host.table[number] == nil ||
		n.stack.Role() != takeover.Standby || n.stack.Active().ID == view.Nobody {
		return
	}
	n.host.table[number] = nil
	n.stack.Gone(w.read(n), w.key(number), &n.out)
	w.after(n)
}

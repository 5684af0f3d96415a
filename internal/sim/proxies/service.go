package proxies

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
)

// key is the key of a number; keys are of different lengths, up to the longest there is.
func (w *proxies) key(number int) []byte {
	b := binary.BigEndian.AppendUint32(w.keyBuf[:0], uint32(number)*2654435761)
	switch number % 8 {
	case 0:
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	case 1, 2:
		b = append(b, make([]byte, 36)...)
	case 3:
		b = append(b, make([]byte, stateproxy.KeyMax-len(b))...)
	case 4:
		b = append(b, b...) // begins with another's
	}
	w.keyBuf = b
	return b
}

// choose draws a key.
func (w *proxies) choose() int {
	if w.Rng.Float64() < w.opt.hot {
		return w.Rng.IntN(min(3, w.opt.keys))
	}
	return w.Rng.IntN(w.opt.keys)
}

// fresh draws a state.
func (w *proxies) fresh() []byte {
	n := 0
	switch w.opt.size {
	case 0:
		n = w.Rng.IntN(16)
	case 1:
		n = w.Rng.IntN(16) + w.Rng.IntN(2)*w.Rng.IntN(120)
	default:
		n = w.Rng.IntN(stateproxy.StateMax + 1)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.Rng.IntN(4)) // few values, so that beginnings agree
	}
	return b
}

// altered draws what a state becomes: most often only its end changes.
func (w *proxies) altered(old []byte) []byte {
	if w.Rng.IntN(8) == 0 || len(old) == 0 {
		return w.fresh()
	}
	keep := len(old) - w.Rng.IntN(min(len(old), 8)+1)
	b := append([]byte(nil), old[:keep]...)
	for range w.Rng.IntN(9) {
		b = append(b, byte(w.Rng.IntN(256)))
	}
	return b[:min(len(b), stateproxy.StateMax)]
}

// operate lets a service change something.
func (w *proxies) operate(n *node) {
	if w.Rng.Float64() < w.opt.burst {
		for range 1 + w.Rng.IntN(max(20, w.opt.keys/2)) {
			w.change(n)
		}
	} else {
		w.change(n)
	}
	w.after(n, n.Self)
}

// change is one change.
func (w *proxies) change(n *node) {
	number := w.choose()
	switch dice := w.Rng.Float64(); {
	case n.objects[number] != nil && dice < w.opt.removals:
		w.remove(n, number)
	case n.objects[number] != nil:
		w.put(n, number, w.altered(n.objects[number]))
	default:
		w.put(n, number, w.fresh())
		if w.Rng.Float64() < w.opt.short {
			w.remove(n, number)
		}
	}
	if w.Rng.IntN(1000) == 0 {
		w.put(n, number, make([]byte, stateproxy.StateMax+1)) // must be refused, and change nothing
	}
}

func (w *proxies) put(n *node, number int, state []byte) {
	f := check.Fact{Kind: check.Stored, Node: n.Self, Key: w.key(number), State: state}
	if n.m.Put(w.Read(&n.Host), f.Key, state) {
		n.objects[number] = append([]byte{}, state...)
	} else {
		f.Kind = check.Turned
	}
	w.hear(&f)
}

func (w *proxies) remove(n *node, number int) {
	if n.objects[number] == nil {
		return
	}
	n.objects[number] = nil
	key := w.key(number)
	n.m.Delete(w.Read(&n.Host), key)
	w.hear(&check.Fact{Kind: check.Removed, Node: n.Self, Key: key})
}

// clear empties a service.
func (w *proxies) clear(n *node) {
	clear(n.objects)
	n.m.Clear(w.Read(&n.Host))
	w.hear(&check.Fact{Kind: check.Cleared, Node: n.Self})
	w.after(n, n.Self)
}

// adopt makes a peer's objects a node's own: those that it holds at that moment and has
// no object of its own for, as far as there is room.
func (w *proxies) adopt(n, from *node) {
	held := make([][]byte, w.opt.keys)
	for number := range held {
		if n.objects[number] != nil {
			continue
		}
		if state, ok := n.m.HeldState(from.Self.ID, w.key(number)); ok {
			held[number] = append([]byte{}, state...)
		}
	}
	for cursor, first := uint32(0), true; first || cursor != 0; first = false {
		cursor = n.m.Adopt(w.Read(&n.Host), from.Self.ID, cursor, 1+w.Rng.IntN(500))
	}
	for number, state := range held {
		if state == nil {
			continue
		}
		f := check.Fact{Kind: check.Stored, Node: n.Self, Key: w.key(number), State: state}
		if _, ok := n.m.State(f.Key); ok {
			n.objects[number] = state
			w.hear(&f)
		}
	}
	w.after(n, n.Self)
}

package simnet

import "time"

// Heap holds things that will happen, and gives them back in the order of their time;
// those of one time in the order in which they were put in. Nothing else decides the
// order, so a run depends on its seed alone. Its zero value is empty and ready.
type Heap[T any] struct {
	items    []item[T]
	sequence uint64
}

type item[T any] struct {
	at       time.Duration // since the world began
	sequence uint64
	value    T
}

func (h *Heap[T]) before(i, j int) bool {
	a, b := &h.items[i], &h.items[j]
	return a.at < b.at || a.at == b.at && a.sequence < b.sequence
}

// Len is how many things are waiting.
func (h *Heap[T]) Len() int { return len(h.items) }

// Push puts a thing in that happens at a time.
func (h *Heap[T]) Push(at time.Duration, value T) {
	h.sequence++
	h.items = append(h.items, item[T]{at, h.sequence, value})
	for i := len(h.items) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			return
		}
		h.items[i], h.items[parent] = h.items[parent], h.items[i]
		i = parent
	}
}

// Next is the time of the first thing; false if there is none.
func (h *Heap[T]) Next() (time.Duration, bool) {
	if len(h.items) == 0 {
		return 0, false
	}
	return h.items[0].at, true
}

// Pop takes the first thing out. The heap must not be empty.
func (h *Heap[T]) Pop() (time.Duration, T) {
	first := h.items[0]
	last := len(h.items) - 1
	h.items[0] = h.items[last]
	h.items[last] = item[T]{}
	h.items = h.items[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h.before(child+1, child) {
			child++
		}
		if !h.before(child, i) {
			break
		}
		h.items[i], h.items[child] = h.items[child], h.items[i]
		i = child
	}
	return first.at, first.value
}

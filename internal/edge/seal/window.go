package seal

import "github.com/holdfast-ha/holdfast/protocol/wire"

// window remembers which counters of one life were accepted, and over which links
// each came. It is a ring of words: the word of the highest counter is the last one,
// and words are cleared when they come into use again (the way of RFC 6479).
type window struct {
	top   uint64 // the highest counter accepted
	taken [windowWords]uint64
	over  [LinkMax][windowWords]uint64
}

// place gives a counter's word and bit.
func place(counter uint64) (int, uint64) {
	return int(counter / 64 % windowWords), 1 << (counter % 64)
}

// judge says whether a counter is new. It changes nothing but the mark over which
// links an accepted counter came. Links are counted from 0 here.
func (w *window) judge(counter uint64, link int) wire.Reason {
	if counter > w.top {
		return wire.OK
	}
	if w.top/64-counter/64 >= windowWords {
		return wire.Stale
	}
	word, bit := place(counter)
	if w.taken[word]&bit == 0 {
		return wire.OK
	}
	if w.over[link][word]&bit != 0 {
		return wire.Replayed
	}
	w.over[link][word] |= bit
	return wire.Duplicate
}

// take marks a counter that judge found new and that is authentic.
func (w *window) take(counter uint64, link int) {
	if counter > w.top {
		steps := counter/64 - w.top/64
		first := w.top/64 + 1
		for i := range min(steps, windowWords) {
			word := int((first + i) % windowWords)
			w.taken[word] = 0
			for l := range w.over {
				w.over[l][word] = 0
			}
		}
		w.top = counter
	}
	word, bit := place(counter)
	w.taken[word] |= bit
	w.over[link][word] |= bit
}

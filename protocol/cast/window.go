package cast

// window is how many own packets may be on their way: it grows while the network takes
// what it is given and falls by an eighth when more than one in thirty-two of a round
// trip was lost. That is mild on purpose: the streams of a view are few, the flow
// control of the receivers bounds them anyway, and losses are repaired one by one.
type window struct {
	size, most int
	begin, end uint64 // the packets of this round: it is over when all are acknowledged
	lost       int    // of them
	opening    bool   // nothing was lost yet: it doubles
	full       bool   // something waited for the window in this round
}

func newWindow(most int) window { return window{size: windowMin, most: most, opening: true} }

// arrived ends the round if it is over: everything up to reached has arrived, and sent is
// the last packet that left.
func (w *window) arrived(reached, sent uint64) {
	if reached < w.end || reached <= w.begin {
		return
	}
	switch round := int(reached - w.begin); {
	case w.lost > round/32:
		w.size -= w.size / 8
		w.opening = false
	case w.full && w.opening && w.lost == 0:
		w.size *= 2
	case w.full:
		w.size += w.size/16 + 1
	}
	w.size = min(max(w.size, windowMin), w.most)
	w.begin, w.end, w.lost, w.full = reached, sent, 0, false
}

// trip measures how long own packets take until all have acknowledged them, one at a
// time; packets that were sent again are no measure (Karn and Partridge 1987).
type trip struct {
	length instant
	timing bool
	number uint64
	from   instant
}

func (t *trip) left(at instant, number uint64) {
	if !t.timing {
		t.timing, t.number, t.from = true, number, at
	}
}

func (t *trip) arrived(at instant, reached uint64) {
	if t.timing && reached >= t.number {
		t.timing = false
		t.length = blend(t.length, at-t.from)
	}
}

// blend takes a measurement of a round trip into the estimate.
func blend(estimate, measured instant) instant {
	return min(max(estimate+(measured-estimate)/8, instant(roundMin)), instant(roundMost))
}

package simnet

// windowSize is how many serials back a [Window] knows what was there.
const windowSize = 1 << 12

// Window tells datagrams that are new from copies, as the envelope of a real network
// does with its replay window: a copy, and what is so old that it cannot be told, is
// refused. It is of one receiving life and one sending life. Its zero value is ready.
type Window struct {
	top  uint64
	seen [windowSize / 64]uint64
}

// Accept says whether a serial is new, and notes it.
func (w *Window) Accept(serial uint64) bool {
	switch {
	case serial+windowSize <= w.top:
		return false
	case serial > w.top:
		// What lies between was not there yet; all of it if the step is large.
		for s := max(w.top, serial-min(serial, windowSize)) + 1; s <= serial; s++ {
			*w.word(s) &^= 1 << (s % 64)
		}
		w.top = serial
	case *w.word(serial)&(1<<(serial%64)) != 0:
		return false
	}
	*w.word(serial) |= 1 << (serial % 64)
	return true
}

func (w *Window) word(serial uint64) *uint64 { return &w.seen[serial%windowSize/64] }

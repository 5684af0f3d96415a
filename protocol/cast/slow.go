package cast

import (
	"math/bits"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// slow is who holds this member's stream up.
type slow struct {
	rank  int // or -1
	since instant
	next  instant // how long it must last until it is told again
	at    instant // when that is, or when to look again
}

// Slowest is who holds this member's stream up, and for how long, as of the last Flush;
// view.Nobody if nobody does. That is a member, perhaps this one, that releases nothing
// for 100 ms, or lags half a window behind all others, while the window is nearly full.
func (m *Machine) Slowest() (view.ID, time.Duration) {
	if m.rank < 0 || m.slow.rank < 0 {
		return view.Nobody, 0
	}
	return m.seats[m.slow.rank].ID, time.Duration(m.at - m.slow.since)
}

// judge finds out who holds the own stream up.
func (m *Machine) judge() {
	w := &m.slow
	w.at = never
	if int(m.last-m.freed) < m.cfg.Window*3/4 {
		w.rank = -1
		return
	}
	slowest, least, second := -1, m.last, m.last
	for to := m.others | bit(m.rank); to != 0; to &= to - 1 {
		i := bits.TrailingZeros64(uint64(to))
		switch r := m.seats[i].released; {
		case slowest < 0 || r < least:
			slowest, least, second = i, r, least
		case r < second:
			second = r
		}
	}
	p := &m.seats[slowest]
	if m.at < p.movedAt+instant(stuckAfter) && int(second-least) < m.cfg.Window/2 {
		w.rank = -1
		w.at = p.movedAt + instant(stuckAfter)
		return
	}
	if w.rank != slowest {
		*w = slow{rank: slowest, since: m.at, next: instant(slowAfter)}
	}
	if m.at >= w.since+w.next {
		w.next *= 2
		m.record(trace.SlowMember, p.ID, m.last-least, uint64(m.at-w.since)/1000)
	}
	w.at = w.since + w.next
}

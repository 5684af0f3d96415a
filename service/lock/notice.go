package lock

import "github.com/holdfast-ha/holdfast/protocol/session"

// notices is a ring of what is to be told; its buffers are used again.
type notices struct {
	ring    []Notice
	from, n int
	dropped uint64
}

// add adds one, in place of the oldest if there are too many.
func (t *notices) add(id session.ID, what Status, number uint64, name []byte) {
	if t.n == len(t.ring) && t.n < noticesMax {
		t.grow()
	}
	if t.n == noticesMax {
		t.from, t.n = (t.from+1)%len(t.ring), t.n-1
		t.dropped++
	}
	n := &t.ring[(t.from+t.n)%len(t.ring)]
	*n = Notice{id, what, number, append(n.Name[:0], name...)}
	t.n++
}

// grow makes room, the oldest first.
func (t *notices) grow() {
	ring := make([]Notice, max(16, 2*len(t.ring)))
	for i := range t.ring {
		ring[i] = t.ring[(t.from+i)%len(t.ring)]
	}
	t.ring, t.from = ring, 0
}

// Notices gives what sessions are to be told since the last call, oldest first, and forgets
// it. Notices are not part of the state: a replica that answers no clients need not call this, the oldest are
// dropped beyond a bound, none outlives [Service.Restore], and a client that waits asks
// now and then, which tells what is.
func (s *Service) Notices(fn func(Notice)) {
	t := &s.notices
	for ; t.n > 0; t.n-- {
		fn(t.ring[t.from])
		t.from = (t.from + 1) % len(t.ring)
	}
}

// NoticesDropped is how many notices were dropped because nobody had drained them.
func (s *Service) NoticesDropped() uint64 { return s.notices.dropped }

// Notify is Notices for a stack, which knows sessions and bytes only.
func (s *Service) Notify(tell func(to session.ID, body []byte)) {
	s.Notices(func(n Notice) {
		s.told = n.Append(s.told[:0])
		tell(n.Session, s.told)
	})
}

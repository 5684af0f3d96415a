package lock

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// Owns says whether a session has a lock.
func (s *Service) Owns(id session.ID) bool {
	c := s.clients[id]
	if c == nil {
		return false
	}
	for e := c.head; e != nil; e = e.down {
		if e.owner {
			return true
		}
	}
	return false
}

// Abandon takes a session out of all queues, and leaves it the locks that it has: nobody is there any more who could
// be granted one, but somebody may still believe in what it has.
func (s *Service) Abandon(at time.Duration, id session.ID) {
	s.Passed(at)
	c := s.clients[id]
	if c == nil {
		return
	}
	var next *entry
	for e := c.head; e != nil; e = next {
		if next = e.down; !e.owner {
			l := e.lock
			s.remove(e)
			s.proceed(l, at)
		}
	}
}

// Raise sees to it that all numbers given from now on are greater than this one. It is called where some may have been given that this
// state knows nothing of.
func (s *Service) Raise(number uint64) {
	if number > s.number && number < 1<<63 {
		s.number, s.floor = number, number
	}
}

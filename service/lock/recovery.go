package lock

import (
	"bytes"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// Next is when the window of recovery ends; 0 if none is open.
func (s *Service) Next() time.Duration { return s.until }

// Passed ends the window of recovery when it is time: the queues go on, lock by lock in
// the order of their names, each in the order of turns.
func (s *Service) Passed(at time.Duration) {
	if s.until == 0 || at < s.until {
		return
	}
	s.until = 0
	byName := slices.Clone(s.all)
	slices.SortFunc(byName, compareLocks)
	for _, l := range byName {
		if l.barrier != 0 {
			l.barrier = 0
			s.weighLock(l)
		}
		s.proceed(l, at)
	}
}

// compareLocks orders locks by name.
func compareLocks(a, b *lock) int { return bytes.Compare(a.name, b.name) }

// reassert puts a session back to where it was before the service lost its state.
func (s *Service) reassert(c session.Command, q *request, l *lock, hash uint64, e *entry, reply []byte) []byte {
	if e != nil {
		if e.mode != q.mode || e.owner == q.waited || e.number != q.number {
			return appendLine(head(reply, Conflict, c.At), q.name, l)
		}
		return s.tell(reply, c.At, e)
	}
	if s.until == 0 {
		return head(reply, Late, c.At)
	}
	if q.number == 0 || q.number > s.floor {
		return numbered(reply, UnknownNumber, c.At, s.floor)
	}
	if why := s.room(c.At, q.client, l, q.waited); why.status != 0 {
		return refused(reply, c.At, why)
	}
	if l == nil || l.unused() {
		l = s.ready(l, q, hash)
	} else if q.order == Strict && l.order != Strict {
		l.order = Strict
		s.weighLock(l)
	}
	won := s.contend(l, q)
	if !won {
		reply = appendLine(head(reply, Lost, c.At), q.name, l)
		s.proceed(l, c.At)
		return reply
	}
	if canary == BackOfQueue && q.waited {
		s.number++
		q.number = s.number
	}
	return s.tell(reply, c.At, s.add(l, s.begun(q.client, c.Session), q, !q.waited, q.number, c.At))
}

// contend says whether an assertion stands against those before it, and puts out the owners
// that do not stand against it. An exclusive token ends every lesser one, also if it is itself ended
// by a greater: so the outcome is the same in whatever order the assertions come.
func (s *Service) contend(l *lock, q *request) bool {
	if q.waited {
		for e := l.waiters.tail; e != nil && e.number >= q.number; e = e.prev {
			if e.number == q.number {
				return false // two cannot have had one turn
			}
		}
		return true
	}
	if canary == LastWins {
		for l.owners.n > 0 && (q.mode == Exclusive || l.owners.head.mode == Exclusive) {
			s.evict(l.owners.head)
		}
		return true
	}
	won := q.number > l.barrier
	for e := l.owners.tail; e != nil && e.number >= q.number; e = e.prev {
		if q.mode == Exclusive || e.number == q.number {
			won = false
		}
	}
	if q.mode == Exclusive && q.number > l.barrier {
		l.barrier = q.number
		s.weighLock(l)
	}
	for l.owners.n > 0 && l.owners.head.number < l.barrier {
		s.evict(l.owners.head)
	}
	if won && q.mode == Shared && l.owners.n > 0 && l.owners.head.mode == Exclusive {
		s.evict(l.owners.head)
	}
	return won
}

// evict puts out an owner whose assertion has lost.
func (s *Service) evict(e *entry) {
	s.notices.add(e.client.id, Lost, e.number, e.lock.name)
	s.remove(e)
}

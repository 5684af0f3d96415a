package lock

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// model is the lock service once more, too simple to be wrong: slices, searched from the
// beginning, and nothing kept that can be counted.
type model struct {
	order         Order
	floor, number uint64
	until, window time.Duration
	locks         []*modelLock
	notices       []Notice
}

type modelLock struct {
	name            string
	order           Order
	overtaken       int
	barrier         uint64
	broken          Breaking
	owners, waiters []Seat
}

func (m *model) lock(name string) *modelLock {
	for _, l := range m.locks {
		if l.name == name {
			return l
		}
	}
	return nil
}

// make makes a lock, or makes one that nobody uses what is asked for.
func (m *model) make(l *modelLock, q *Request) *modelLock {
	if l == nil {
		l = &modelLock{name: q.Name}
		m.locks = append(m.locks, l)
	}
	l.order = q.Order
	if l.order == AnyOrder {
		l.order = m.order
	}
	return l
}

func (l *modelLock) unused() bool { return len(l.owners)+len(l.waiters) == 0 && l.barrier == 0 }

func (m *model) tell(what Status, name string, s Seat) {
	m.notices = append(m.notices, Notice{Session: s.Session, What: what, Number: s.Number, Name: []byte(name)})
}

func placeOf(list []Seat, id session.ID) int {
	return slices.IndexFunc(list, func(s Seat) bool { return s.Session == id })
}

func byNumber(list []Seat) {
	slices.SortFunc(list, func(a, b Seat) int { return int(int64(a.Number) - int64(b.Number)) })
}

func fits(owners []Seat, mode Mode) bool {
	return len(owners) == 0 || mode == Shared && owners[0].Mode == Shared
}

// settle grants what can be granted, and forgets locks that are not used.
func (m *model) settle(l *modelLock, at time.Duration) {
	for m.until == 0 && len(l.waiters) > 0 && fits(l.owners, l.waiters[0].Mode) {
		s := l.waiters[0]
		l.waiters = l.waiters[1:]
		m.number++
		s.Number, s.Since, l.overtaken = m.number, at, 0
		l.owners = append(l.owners, s)
		m.tell(Granted, l.name, s)
	}
	m.locks = slices.DeleteFunc(m.locks, func(l *modelLock) bool {
		return l.unused() && l.broken.Number == 0
	})
}

func (m *model) passed(at time.Duration) {
	if m.until == 0 || at < m.until {
		return
	}
	m.until = 0
	locks := slices.Clone(m.locks)
	slices.SortFunc(locks, func(a, b *modelLock) int { return strings.Compare(a.name, b.name) })
	for _, l := range locks {
		l.barrier = 0
		m.settle(l, at)
	}
}

// quit takes a session out of a queue.
func (l *modelLock) quit(i int) {
	if i == 0 {
		l.overtaken = 0
	}
	l.waiters = slices.Delete(l.waiters, i, i+1)
}

func (m *model) ended(at time.Duration, id session.ID) {
	m.passed(at)
	type seat struct {
		l      *modelLock
		number uint64
		owner  bool
	}
	var seats []seat
	for _, l := range m.locks {
		if i := placeOf(l.owners, id); i >= 0 {
			seats = append(seats, seat{l, l.owners[i].Number, true})
		}
		if i := placeOf(l.waiters, id); i >= 0 {
			seats = append(seats, seat{l, l.waiters[i].Number, false})
		}
	}
	slices.SortFunc(seats, func(a, b seat) int {
		if a.number != b.number {
			return int(int64(a.number) - int64(b.number))
		}
		return strings.Compare(a.l.name, b.l.name)
	})
	for _, s := range seats {
		if s.owner {
			i := placeOf(s.l.owners, id)
			s.l.owners = slices.Delete(s.l.owners, i, i+1)
		} else {
			s.l.quit(placeOf(s.l.waiters, id))
		}
		m.settle(s.l, at)
	}
}

// apply gives the status, the number and the place that the service must reply.
func (m *model) apply(at time.Duration, id session.ID, q *Request) (Status, uint64, int) {
	m.passed(at)
	l := m.lock(q.Name)
	owns, waits := -1, -1
	if l != nil {
		owns, waits = placeOf(l.owners, id), placeOf(l.waiters, id)
	}
	switch q.Kind {
	case Enter:
		return m.enter(at, id, q, l, owns, waits)
	case Leave:
		if owns < 0 {
			return NotOwner, 0, 0
		}
		if l.owners[owns].Number != q.Number {
			return OtherToken, 0, 0
		}
		l.owners = slices.Delete(l.owners, owns, owns+1)
		m.settle(l, at)
		return Done, 0, 0
	case Cancel:
		if owns >= 0 {
			return Granted, l.owners[owns].Number, 0
		}
		if waits < 0 {
			return NotWaiting, 0, 0
		}
		l.quit(waits)
		m.settle(l, at)
		return Done, 0, 0
	case Ask:
		if owns >= 0 {
			return Granted, l.owners[owns].Number, 0
		}
		if waits >= 0 {
			return Queued, l.waiters[waits].Number, waits + 1
		}
		return NotWaiting, 0, 0
	case Break:
		return m.breakLock(at, q, l)
	}
	return m.reassert(at, id, q, l, owns, waits)
}

func (m *model) enter(at time.Duration, id session.ID, q *Request, l *modelLock, owns, waits int) (Status, uint64, int) {
	switch {
	case owns >= 0 && l.owners[owns].Mode == q.Mode:
		return Granted, l.owners[owns].Number, 0
	case waits >= 0 && l.waiters[waits].Mode == q.Mode:
		return Queued, l.waiters[waits].Number, waits + 1
	case owns >= 0 || waits >= 0:
		return Conflict, 0, 0
	case l != nil && !l.unused() && q.Order != AnyOrder && q.Order != l.order:
		return OtherOrder, 0, 0
	}
	overtakes := l != nil && len(l.waiters) > 0 && q.Mode == Shared && l.order == Loose && l.overtaken < OvertakesMax
	free := m.until == 0 && (l == nil || fits(l.owners, q.Mode) && (len(l.waiters) == 0 || overtakes))
	if !free && q.Try {
		if m.until != 0 {
			return Recovering, 0, 0
		}
		return Busy, 0, 0
	}
	if l == nil || l.unused() {
		l = m.make(l, q)
	}
	m.number++
	s := Seat{id, q.Mode, m.number, at, q.Label, q.Purpose}
	if free {
		if overtakes {
			l.overtaken++
		}
		l.owners = append(l.owners, s)
		return Granted, s.Number, 0
	}
	l.waiters = append(l.waiters, s)
	return Queued, s.Number, len(l.waiters)
}

func (m *model) breakLock(at time.Duration, q *Request, l *modelLock) (Status, uint64, int) {
	n := 0
	if l != nil {
		l.owners = slices.DeleteFunc(l.owners, func(s Seat) bool {
			if q.Number != 0 && s.Number != q.Number {
				return false
			}
			if m.until != 0 && q.Number == 0 {
				l.barrier = max(l.barrier, s.Number)
			}
			m.tell(Broken, l.name, s)
			n++
			return true
		})
	}
	if n == 0 {
		return NotHeld, 0, 0
	}
	m.number++
	fence := m.number
	l.broken = Breaking{fence, at, q.Label, q.Purpose}
	m.settle(l, at)
	return Done, fence, 0
}

func (m *model) reassert(at time.Duration, id session.ID, q *Request, l *modelLock, owns, waits int) (Status, uint64, int) {
	switch {
	case owns >= 0 && !q.Waited && l.owners[owns].Number == q.Number && l.owners[owns].Mode == q.Mode:
		return Granted, q.Number, 0
	case waits >= 0 && q.Waited && l.waiters[waits].Number == q.Number && l.waiters[waits].Mode == q.Mode:
		return Queued, q.Number, waits + 1
	case owns >= 0 || waits >= 0:
		return Conflict, 0, 0
	case m.until == 0:
		return Late, 0, 0
	case q.Number == 0 || q.Number > m.floor:
		return UnknownNumber, m.floor, 0
	}
	if l == nil || l.unused() {
		l = m.make(l, q)
	} else if q.Order == Strict {
		l.order = Strict
	}
	s := Seat{id, q.Mode, q.Number, at, q.Label, q.Purpose}
	if q.Waited {
		if slices.ContainsFunc(l.waiters, func(w Seat) bool { return w.Number == q.Number }) {
			return Lost, 0, 0
		}
		l.waiters = append(l.waiters, s)
		byNumber(l.waiters)
		return Queued, q.Number, placeOf(l.waiters, id) + 1
	}
	won := s.Number > l.barrier
	for _, o := range l.owners {
		if o.Number == s.Number || s.Mode == Exclusive && o.Number > s.Number {
			won = false
		}
	}
	if s.Mode == Exclusive {
		l.barrier = max(l.barrier, s.Number)
	}
	l.owners = slices.DeleteFunc(l.owners, func(o Seat) bool {
		loses := o.Number < l.barrier || won && o.Mode == Exclusive
		if loses {
			m.tell(Lost, l.name, o)
		}
		return loses
	})
	if !won {
		m.settle(l, at)
		return Lost, 0, 0
	}
	l.owners = append(l.owners, s)
	byNumber(l.owners)
	return Granted, s.Number, 0
}

// digest is that of docs/rfc/0015-lock.md, from scratch.
func (m *model) digest() uint64 {
	b := binary.BigEndian.AppendUint64(nil, m.floor)
	b = binary.BigEndian.AppendUint64(b, m.number)
	b = binary.BigEndian.AppendUint64(b, uint64(m.until))
	b = append(b, byte(m.order))
	b = binary.BigEndian.AppendUint64(b, uint64(m.window))
	b = binary.BigEndian.AppendUint64(b, uint64(m.window)) // the longest lease
	sum := xxhash.Sum64(b)
	text := func(b []byte, s string) []byte { return wire.AppendBlock(b, []byte(s)) }
	for _, l := range m.locks {
		b = append(text(nil, l.name), byte(l.order), byte(l.overtaken))
		b = binary.BigEndian.AppendUint64(b, l.barrier)
		if l.broken.Number == 0 {
			b = append(b, 0)
		} else {
			b = binary.BigEndian.AppendUint64(append(b, 1), l.broken.Number)
			b = binary.BigEndian.AppendUint64(b, uint64(l.broken.At))
			b = text(text(b, l.broken.By), l.broken.Reason)
		}
		sum += xxhash.Sum64(b)
		for i, list := range [][]Seat{l.waiters, l.owners} {
			for _, s := range list {
				b = binary.BigEndian.AppendUint64(nil, xxhash.Sum64String(l.name))
				b = binary.BigEndian.AppendUint64(append(b, byte(i)), uint64(s.Session))
				b = binary.BigEndian.AppendUint64(append(b, byte(s.Mode)), s.Number)
				b = binary.BigEndian.AppendUint64(b, uint64(s.Since))
				sum += xxhash.Sum64(text(text(b, s.Label), s.Purpose))
			}
		}
	}
	return sum
}

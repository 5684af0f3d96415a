package lock

import (
	"bytes"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// lock is a name with owners and a queue. It is there only while it has one of them, or a
// breaking that is remembered, or, in the window of recovery, a barrier.
type lock struct {
	name      []byte
	hash      uint64 // of the name
	chain     *lock  // the next with the same hash; or the next free one
	index     int    // in Service.all
	order     Order  // Strict or Loose
	overtaken int    // how often the first waiter was, with the order loose
	barrier   uint64 // while the window is open: the greatest token that ends all before it
	broken    breaking
	owners    list // sorted by token
	waiters   list // sorted by turn
	sum       uint64
}

// breaking is the last break of a lock; number 0: there was none.
type breaking struct {
	number     uint64
	at         time.Duration
	by, reason []byte
}

// entry is a session's ownership of a lock or its place in the queue.
type entry struct {
	lock           *lock
	client         *client
	mode           Mode
	owner          bool
	number         uint64 // token or turn
	since          time.Duration
	label, purpose []byte
	prev, next     *entry // in the lock's list
	up, down       *entry // in the client's list
	sum            uint64
}

// client is a session that has been in a lock, until it ends. Its entries are sorted by
// number, then by name: in the order in which they are given up when the session ends,
// which every replica must have alike.
type client struct {
	id         session.ID
	head, tail *entry
	n          int
	free       *client
}

// list is the owners of a lock, or its queue.
type list struct {
	head, tail *entry
	n          int
}

// insert puts e in its place by number; almost always that is the end.
func (l *list) insert(e *entry) {
	after := l.tail
	for after != nil && after.number > e.number {
		after = after.prev
	}
	e.prev = after
	if after == nil {
		e.next, l.head = l.head, e
	} else {
		e.next, after.next = after.next, e
	}
	if e.next == nil {
		l.tail = e
	} else {
		e.next.prev = e
	}
	l.n++
}

func (l *list) remove(e *entry) {
	if e.prev == nil {
		l.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	l.n--
}

// before is the order of a client's entries.
func (e *entry) before(o *entry) bool {
	if e.number != o.number {
		return e.number < o.number
	}
	return bytes.Compare(e.lock.name, o.lock.name) < 0
}

func (c *client) insert(e *entry) {
	after := c.tail
	for after != nil && e.before(after) {
		after = after.up
	}
	e.up = after
	if after == nil {
		e.down, c.head = c.head, e
	} else {
		e.down, after.down = after.down, e
	}
	if e.down == nil {
		c.tail = e
	} else {
		e.down.up = e
	}
	c.n++
}

func (c *client) remove(e *entry) {
	if e.up == nil {
		c.head = e.down
	} else {
		e.up.down = e.down
	}
	if e.down == nil {
		c.tail = e.up
	} else {
		e.down.up = e.up
	}
	e.up, e.down = nil, nil
	c.n--
}

// compatible says whether a lock's owners leave room for one more of a mode.
func (l *lock) compatible(m Mode) bool {
	if l.owners.n == 0 {
		return true
	}
	if canary == Mixed && m == Shared {
		return true
	}
	if canary == Crowded && m == Exclusive {
		return l.owners.head.mode == Shared
	}
	return m == Shared && l.owners.head.mode == Shared
}

// admits says whether who asks now can be granted the lock at once.
func (l *lock) admits(m Mode) bool {
	if !l.compatible(m) {
		return false
	}
	if l.waiters.n == 0 || canary == QueueJumper {
		return true
	}
	return m == Shared && l.order == Loose && (l.overtaken < OvertakesMax || canary == Starving)
}

// unused says whether nobody holds the lock, waits for it, or is kept from it: its order is that of
// who comes next.
func (l *lock) unused() bool { return l.owners.n+l.waiters.n == 0 && l.barrier == 0 }

// ready makes a lock that nobody uses what a request says.
func (s *Service) ready(l *lock, q *request, hash uint64) *lock {
	if l == nil {
		return s.addLock(q.name, hash, q.order)
	}
	o := q.order
	if o == AnyOrder {
		o = s.order
	}
	if l.order != o {
		l.order = o
		s.weighLock(l)
	}
	return l
}

// lookup finds a lock; nil if there is nothing to know of it.
func (s *Service) lookup(name []byte) (*lock, uint64) {
	hash := xxhash.Sum64(name)
	l := s.locks[hash]
	for l != nil && !bytes.Equal(l.name, name) {
		l = l.chain
	}
	return l, hash
}

// addLock makes a lock.
func (s *Service) addLock(name []byte, hash uint64, o Order) *lock {
	l := s.freeLocks
	if l == nil {
		l = &lock{}
	} else {
		s.freeLocks = l.chain
	}
	if o == AnyOrder {
		o = s.order
	}
	*l = lock{name: append(l.name[:0], name...), hash: hash, chain: s.locks[hash], index: len(s.all), order: o, broken: breaking{by: l.broken.by[:0], reason: l.broken.reason[:0]}}
	s.locks[hash] = l
	s.all = append(s.all, l)
	s.weighLock(l)
	return l
}

// dropLock forgets a lock of which there is nothing to know.
func (s *Service) dropLock(l *lock) {
	s.sum -= l.sum
	if first := s.locks[l.hash]; first != l {
		for first.chain != l {
			first = first.chain
		}
		first.chain = l.chain
	} else if l.chain != nil {
		s.locks[l.hash] = l.chain
	} else {
		delete(s.locks, l.hash)
	}
	last := s.all[len(s.all)-1]
	s.all[l.index], last.index = last, l.index
	s.all[len(s.all)-1] = nil
	s.all = s.all[:len(s.all)-1]
	l.chain, s.freeLocks = s.freeLocks, l
}

// begun gives a session, and begins it if there is none yet.
func (s *Service) begun(c *client, id session.ID) *client {
	if c != nil {
		return c
	}
	if c = s.freeClients; c == nil {
		c = &client{}
	} else {
		s.freeClients = c.free
	}
	*c = client{id: id}
	s.clients[id] = c
	return c
}

// find finds a session's entry in a lock, by way of the shorter list.
func (s *Service) find(l *lock, c *client) *entry {
	if l == nil || c == nil {
		return nil
	}
	if c.n <= l.owners.n+l.waiters.n {
		for e := c.tail; e != nil; e = e.up {
			if e.lock == l {
				return e
			}
		}
		return nil
	}
	for e := l.owners.head; e != nil; e = e.next {
		if e.client == c {
			return e
		}
	}
	for e := l.waiters.head; e != nil; e = e.next {
		if e.client == c {
			return e
		}
	}
	return nil
}

// add puts a session into a lock, as an owner or a waiter.
func (s *Service) add(l *lock, c *client, q *request, owner bool, number uint64, at time.Duration) *entry {
	e := s.freeEntries
	if e == nil {
		e = &entry{}
	} else {
		s.freeEntries = e.next
	}
	*e = entry{
		lock: l, client: c, mode: q.mode, owner: owner, number: number, since: at,
		label: append(e.label[:0], q.label...), purpose: append(e.purpose[:0], q.purpose...),
	}
	if owner {
		l.owners.insert(e)
	} else {
		l.waiters.insert(e)
	}
	c.insert(e)
	s.entries++
	s.weighEntry(e)
	return e
}

// remove takes an entry out of its lock and its session.
func (s *Service) remove(e *entry) {
	l := e.lock
	if e.owner {
		l.owners.remove(e)
	} else {
		s.unqueue(e)
	}
	e.client.remove(e)
	s.entries--
	s.sum -= e.sum
	e.lock, e.client = nil, nil
	e.next, s.freeEntries = s.freeEntries, e
}

// unqueue takes a waiter out of the queue; who becomes the first has not been overtaken.
func (s *Service) unqueue(e *entry) {
	l := e.lock
	if l.waiters.head == e && l.overtaken > 0 {
		l.overtaken = 0
		s.weighLock(l)
	}
	l.waiters.remove(e)
}

// place counts a waiter's place; the next is 1.
func (e *entry) place() int {
	n := 1
	for w := e.prev; w != nil; w = w.prev {
		n++
	}
	return n
}

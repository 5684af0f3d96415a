package lock

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config is what all replicas of a service must have alike.
type Config struct {
	// Order is that of locks for which nobody says another: Strict or Loose. Default: Strict.
	Order Order
	// Floor is a number above all that any former life of the service can have given: of a
	// service that keeps its state 0, for it goes on counting. One that does not is told its floor when it
	// begins ([Service.Founded]); then this is 0, too. If it is too low, tokens come again and guards refuse the new owners.
	Floor uint64
	// Window is for how long, in agreed time, a service that begins with nothing hears what its clients had
	// before it grants anything; 0: it does not. No session may have a longer lease: so whoever was not in time for
	// the window does not believe any more to hold what another is granted after it.
	Window time.Duration
	// LeaseMost is the longest lease that a session may have; 0: as long as the window, or if there is none, any.
	LeaseMost time.Duration
}

// Floor is the number above which a service that begins with nothing in an epoch counts: the epoch, which in
// memory is nanoseconds since 1970, in units of 1024 ns, so that tokens stay below 2^53 for programs that have no
// whole numbers above that.
func Floor(epoch view.Epoch) uint64 { return uint64(epoch) >> floorShift }

// Founded tells a service that has done nothing yet in which epoch it begins. Its numbers are above [Floor] of that.
func (s *Service) Founded(epoch view.Epoch) {
	if s.number == 0 && canary != Floorless {
		s.floor = Floor(epoch)
		s.number = s.floor
	}
}

// Recovery is the window of recovery, and when the present one ends; 0: there is none.
func (s *Service) Recovery() (window, until time.Duration) { return s.window, s.until }

// LeaseMost is the longest lease that a session may have: not more than the window of recovery, if there is one; 0: any.
func (s *Service) LeaseMost() time.Duration { return s.leaseMost }

// Terms are the settings that all replicas must have alike, in the words of the configuration.
func (s *Service) Terms() string {
	terms := "order=" + s.order.String()
	if s.window > 0 {
		terms += " window=" + s.window.String()
	}
	if s.leaseMost > 0 {
		terms += " lease_max=" + s.leaseMost.String()
	}
	return terms
}

// Service is the lock service, a session.Service. Everything but notices is its state.
type Service struct {
	told []byte // by Notify
	// As it is set.
	window, leaseMost time.Duration
	// The state.
	order   Order
	floor   uint64
	number  uint64        // the last one given
	until   time.Duration // the window's end; 0: none is open
	locks   map[uint64]*lock
	all     []*lock
	broken  []*lock // those of which it is known who broke them last, that one last
	clients map[session.ID]*client
	entries int
	sum     uint64

	notices notices

	req         request
	scratch     []byte
	page        []*lock
	freeLocks   *lock
	freeEntries *entry
	freeClients *client
}

var (
	_ session.Service = (*Service)(nil)
	_ session.Termed  = (*Service)(nil)
)

// New makes a service that has no locks. The error says which setting is wrong.
func New(cfg Config) (*Service, error) {
	if cfg.Order == AnyOrder {
		cfg.Order = Strict
	}
	switch {
	case cfg.Order > Loose:
		return nil, fmt.Errorf("lock: the order %d is unknown: use Strict or Loose", cfg.Order)
	case cfg.Floor >= numberMax:
		return nil, fmt.Errorf("lock: the floor %d leaves no numbers: use at most %d, or 0", cfg.Floor, uint64(numberMax-1))
	case cfg.Window < 0 || cfg.Window > session.LeaseMax:
		return nil, fmt.Errorf("lock: a window of %v cannot be: use 0 for none, or as long as the longest lease of a client, at most %v", cfg.Window, session.LeaseMax)
	case cfg.LeaseMost < 0 || cfg.LeaseMost > session.LeaseMax:
		return nil, fmt.Errorf("lock: leases of up to %v cannot be: use 0, or at most %v", cfg.LeaseMost, session.LeaseMax)
	case cfg.Window > 0 && cfg.LeaseMost > cfg.Window:
		return nil, fmt.Errorf("lock: the window %v is shorter than the longest lease, %v: who was not in time for it could still believe to hold what another is granted; make it as long", cfg.Window, cfg.LeaseMost)
	case cfg.LeaseMost == 0:
		cfg.LeaseMost = cfg.Window
	}
	return &Service{
		window: cfg.Window, leaseMost: cfg.LeaseMost, order: cfg.Order, floor: cfg.Floor, number: cfg.Floor, until: cfg.Window,
		locks: map[uint64]*lock{}, clients: map[session.ID]*client{},
	}, nil
}

// Apply executes a command of docs/rfc/0015-lock.md and appends the reply.
func (s *Service) Apply(c session.Command, reply []byte) []byte {
	s.Passed(c.At)
	q := &s.req
	if why := q.parse(c.Body); why.status != 0 {
		return refused(reply, c.At, why)
	}
	if c.Session == 0 {
		switch q.kind {
		case Enter, Leave, Cancel, Reassert, Ask:
			return head(reply, NoSession, c.At)
		}
	}
	l, hash := s.lookup(q.name)
	q.client = s.clients[c.Session]
	e := s.find(l, q.client)
	switch q.kind {
	case Enter:
		return s.enter(c, q, l, hash, e, reply)
	case Leave:
		return s.leave(c, q, l, e, reply)
	case Cancel:
		return s.cancel(c, q, l, e, reply)
	case Break:
		return s.breakLock(c, q, l, reply)
	case List:
		return s.list(c, q, reply)
	case Explain:
		return s.explain(c, q, l, reply)
	case Ask:
		if e == nil {
			return appendLine(head(reply, NotWaiting, c.At), q.name, l)
		}
		return s.tell(reply, c.At, e)
	}
	return s.reassert(c, q, l, hash, e, reply)
}

// tell is the reply to who is in a lock: the token, or turn and place.
func (s *Service) tell(reply []byte, now time.Duration, e *entry) []byte {
	if e.owner && canary != Coy {
		return numbered(reply, Granted, now, e.number)
	}
	return s.appendPlace(reply, now, e.number, e.place())
}

// appendPlace is the reply to who waits.
func (s *Service) appendPlace(reply []byte, now time.Duration, turn uint64, place int) []byte {
	reply = binary.AppendUvarint(numbered(reply, Queued, now, turn), uint64(place))
	return s.appendLeft(reply, now)
}

// appendLeft appends for how long nothing is granted yet; 0: the window of recovery is not open.
func (s *Service) appendLeft(reply []byte, now time.Duration) []byte {
	return binary.AppendUvarint(reply, uint64(max(0, s.until-now)))
}

// enter grants a lock, or puts the session into its queue.
func (s *Service) enter(c session.Command, q *request, l *lock, hash uint64, e *entry, reply []byte) []byte {
	if e != nil {
		if e.mode != q.mode {
			return appendLine(head(reply, Conflict, c.At), q.name, l)
		}
		return s.tell(reply, c.At, e)
	}
	if l != nil && !l.unused() && q.order != AnyOrder && q.order != l.order {
		return appendLine(head(reply, OtherOrder, c.At), q.name, l)
	}
	open := s.until != 0 && canary != Eager
	free := !open && (l == nil || l.admits(q.mode))
	switch {
	case free:
	case q.try && open:
		return numbered(reply, Recovering, c.At, uint64(s.until))
	case q.try:
		return appendLine(head(reply, Busy, c.At), q.name, l)
	}
	if why := s.room(c.At, q.client, l, !free); why.status != 0 {
		return refused(reply, c.At, why)
	}
	if l == nil || l.unused() {
		l = s.ready(l, q, hash)
	} else if free && l.waiters.n > 0 {
		l.overtaken++
		s.weighLock(l)
	}
	if canary == Counts {
		l.overtaken = 0
		s.weighLock(l)
	}
	s.number++
	e = s.add(l, s.begun(q.client, c.Session), q, free, s.number, c.At)
	if free {
		return numbered(reply, Granted, c.At, e.number)
	}
	return s.appendPlace(reply, c.At, e.number, l.waiters.n)
}

// room says whether there is room for one more entry.
func (s *Service) room(at time.Duration, c *client, l *lock, waits bool) refusal {
	switch {
	case s.entries >= EntriesMax:
		return refusal{ServiceFull, uint64(s.entries), EntriesMax}
	case l == nil && len(s.all) >= EntriesMax+brokenMax:
		return refusal{ServiceFull, uint64(len(s.all)), EntriesMax + brokenMax}
	case c != nil && c.n >= SessionMax:
		return refusal{SessionFull, uint64(c.n), SessionMax}
	case waits && l != nil && l.waiters.n >= WaitersMax:
		return refusal{QueueFull, uint64(l.waiters.n), WaitersMax}
	case s.spent(at):
		return refusal{status: Exhausted}
	}
	return refusal{}
}

// spent says whether numbers were given as fast as they may be. With a floor they grow half as fast as the time that
// the floor is made of: so the floor of a later life, which begins later, is above them, though
// nobody remembers them, and though clocks differ by half of the time for which this life has lasted.
func (s *Service) spent(at time.Duration) bool {
	if s.floor == 0 {
		return s.number >= numberMax
	}
	return s.number-s.floor >= numbersFirst+uint64(at)>>(floorShift+1)
}

// leave gives a lock back.
func (s *Service) leave(c session.Command, q *request, l *lock, e *entry, reply []byte) []byte {
	if e == nil || !e.owner {
		return appendLine(head(reply, NotOwner, c.At), q.name, l)
	}
	if e.number != q.number && canary != StaleLeave {
		return appendLine(head(reply, OtherToken, c.At), q.name, l)
	}
	s.remove(e)
	s.proceed(l, c.At)
	return numbered(reply, Done, c.At, 0)
}

// cancel leaves a queue.
func (s *Service) cancel(c session.Command, q *request, l *lock, e *entry, reply []byte) []byte {
	if e == nil {
		return appendLine(head(reply, NotWaiting, c.At), q.name, l)
	}
	if e.owner {
		return numbered(reply, Granted, c.At, e.number)
	}
	s.remove(e)
	if canary != Forgetful || l.owners.n+l.waiters.n == 0 {
		s.proceed(l, c.At)
	}
	return numbered(reply, Done, c.At, 0)
}

// breakLock takes a lock from its owners. The number of the reply is between their tokens and
// those of all who come after.
func (s *Service) breakLock(c session.Command, q *request, l *lock, reply []byte) []byte {
	n := 0
	if l != nil {
		var next *entry
		for e := l.owners.head; e != nil; e = next {
			next = e.next
			if q.number == 0 || e.number == q.number {
				s.notices.add(e.client.id, Broken, e.number, l.name)
				if s.until != 0 && q.number == 0 {
					l.barrier = max(l.barrier, e.number) // nobody comes back with it
				}
				s.remove(e)
				n++
			}
		}
	}
	if n == 0 {
		return appendLine(head(reply, NotHeld, c.At), q.name, l)
	}
	if s.number++; canary == Unbroken {
		s.number -= 2
	}
	fence := s.number
	s.note(l, breaking{fence, c.At, append(l.broken.by[:0], q.label...), append(l.broken.reason[:0], q.purpose...)})
	s.proceed(l, c.At)
	return numbered(reply, Done, c.At, fence)
}

// note notes who broke a lock, which is remembered for a while also when nobody has the lock any more.
func (s *Service) note(l *lock, b breaking) {
	if i := slices.Index(s.broken, l); i >= 0 {
		s.broken = slices.Delete(s.broken, i, i+1)
	}
	s.broken = append(s.broken, l)
	l.broken = b
	s.weighLock(l)
	if len(s.broken) <= brokenMax {
		return
	}
	oldest := s.broken[0]
	s.broken = slices.Delete(s.broken, 0, 1)
	oldest.broken = breaking{by: oldest.broken.by[:0], reason: oldest.broken.reason[:0]}
	s.weighLock(oldest)
	if oldest.unused() {
		s.dropLock(oldest)
	}
}

// proceed grants a lock to those in its queue who can have it, or forgets a lock of which
// there is nothing to know.
func (s *Service) proceed(l *lock, at time.Duration) {
	for s.until == 0 && l.waiters.n > 0 && l.compatible(l.waiters.head.mode) {
		e := l.waiters.head
		s.unqueue(e)
		e.client.remove(e)
		s.number++
		e.owner, e.number, e.since = true, s.number, at
		l.owners.insert(e)
		e.client.insert(e)
		s.weighEntry(e)
		s.notices.add(e.client.id, Granted, e.number, l.name)
	}
	if l.unused() && l.broken.number == 0 {
		s.dropLock(l)
	}
}

// Ended takes a session out of all locks and queues.
func (s *Service) Ended(at time.Duration, id session.ID) {
	s.Passed(at)
	c := s.clients[id]
	if c == nil {
		return
	}
	var next *entry
	for e := c.head; e != nil; e = next {
		next = e.down
		if canary == Haunted && !e.owner || canary == Lingering && !e.owner && e.mode == Exclusive || canary == Undead && e.owner {
			continue
		}
		l := e.lock
		s.remove(e)
		s.proceed(l, at)
	}
	if c.n > 0 {
		return // planted
	}
	delete(s.clients, id)
	c.free, s.freeClients = s.freeClients, c
}

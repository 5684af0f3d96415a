package lock

import (
	"fmt"
	"time"
)

// Status is what a reply says. Those above 15 are refusals, and errors: errors.Is tells them apart.
type Status uint8

// What may be replied. The numbers are those of docs/rfc/0015-lock.md.
const (
	Granted   Status = 1 // the session is an owner, with this token
	Queued    Status = 2 // the session waits, at this place
	Done      Status = 3 // left, cancelled, broken
	Listed    Status = 4
	Explained Status = 5
	Broken    Status = 6 // a notice: somebody has broken the lock, and it is not the session's any more

	Busy          Status = 16 // a try would have to wait
	Recovering    Status = 17 // a try while the window of recovery is open
	NotOwner      Status = 18 // Leave of what the session does not own
	NotWaiting    Status = 19 // Cancel or Ask of what the session does not wait for
	NotHeld       Status = 20 // Break of what nobody owns, or not with this token
	OtherToken    Status = 21 // Leave with the token of another time
	Conflict      Status = 22 // the session is in this lock already, in another way
	OtherOrder    Status = 23 // the lock is in use with another order
	Lost          Status = 24 // an assertion against a greater token; also a notice
	Late          Status = 25 // an assertion when no window is open
	UnknownNumber Status = 26 // an assertion of a number that cannot have been given

	NameTooLong Status = 32
	NameInvalid Status = 33
	TextTooLong Status = 34
	TextInvalid Status = 35
	Malformed   Status = 36
	NoSession   Status = 37
	QueueFull   Status = 38
	SessionFull Status = 39
	ServiceFull Status = 40
	Exhausted   Status = 41
)

// Refused says whether a status is a refusal.
func (s Status) Refused() bool { return s >= Busy }

// shape is what follows a status in a reply.
type shape uint8

const (
	plain   shape = iota
	number        // a number
	place         // a number and a place
	holding       // the line of the lock
	limit         // what there was and what there may be
	page          // lines
	seats         // a line and its seats
)

// shape says what follows a status.
func (s Status) shape() shape {
	switch s {
	case Granted, Done, Broken, Recovering, UnknownNumber:
		return number
	case Queued:
		return place
	case Listed:
		return page
	case Explained:
		return seats
	case Busy, NotOwner, NotWaiting, NotHeld, OtherToken, Conflict, OtherOrder, Lost:
		return holding
	case NameTooLong, NameInvalid, TextTooLong, TextInvalid, QueueFull, SessionFull, ServiceFull:
		return limit
	}
	return plain
}

// known says whether a reply may have this status.
func (s Status) known() bool {
	switch s {
	case Late, Malformed, NoSession, Exhausted:
		return true
	}
	return s.shape() != plain
}

// String is the status in a word or two.
func (s Status) String() string {
	switch s {
	case Granted:
		return "granted"
	case Queued:
		return "queued"
	case Done:
		return "done"
	case Listed:
		return "listed"
	case Explained:
		return "explained"
	case Broken:
		return "broken"
	case Busy:
		return "busy"
	case Recovering:
		return "recovering"
	case NotOwner:
		return "not the owner"
	case NotWaiting:
		return "not waiting"
	case NotHeld:
		return "not held"
	case OtherToken:
		return "another token"
	}
	return s.rest()
}

// rest is String for those that come seldom.
func (s Status) rest() string {
	switch s {
	case Conflict:
		return "conflict"
	case OtherOrder:
		return "another order"
	case Lost:
		return "lost"
	case Late:
		return "late"
	case UnknownNumber:
		return "unknown number"
	case NameTooLong:
		return "name too long"
	case NameInvalid:
		return "name invalid"
	case TextTooLong:
		return "text too long"
	case TextInvalid:
		return "text invalid"
	case Malformed:
		return "malformed"
	case NoSession:
		return "no session"
	case QueueFull:
		return "queue full"
	case SessionFull:
		return "session full"
	case ServiceFull:
		return "service full"
	case Exhausted:
		return "exhausted"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Error makes a status a sentinel: errors.Is(err, lock.Busy).
func (s Status) Error() string { return "lock: " + s.String() }

// Refusal is a reply that says no, as an error. It unwraps to its Status.
type Refusal struct {
	Name  string // of the lock, or the prefix
	Reply Reply
}

// Unwrap gives the status.
func (r *Refusal) Unwrap() error { return r.Reply.Status }

// Error says what was refused, why, and what helps.
func (r *Refusal) Error() string {
	p := &r.Reply
	switch p.Status {
	case Busy:
		return fmt.Sprintf("lock %q is not free: %s; wait for it, or try again later", r.Name, p.holder())
	case Recovering:
		return fmt.Sprintf("lock %q: the service has lost its state, or begins, and hears from former owners for another %v; wait for the lock, or try again then", r.Name, (p.Until - p.Now).Round(time.Millisecond))
	case NotOwner:
		return fmt.Sprintf("lock %q is not held by this session: %s; leave only what was granted, and cancel what is waited for", r.Name, p.holder())
	case NotWaiting:
		return fmt.Sprintf("lock %q: this session is not in it: %s; enter it to wait for it", r.Name, p.holder())
	case NotHeld:
		if p.Line.Owners > 0 { // broken was to be another token
			return fmt.Sprintf("lock %q is not broken, for its token is another: %s; look at it again with explain", r.Name, p.holder())
		}
		return fmt.Sprintf("lock %q: nothing to break: %s; look at it again with explain", r.Name, p.holder())
	case OtherToken:
		return fmt.Sprintf("lock %q is held by this session with another token: %s; leave it with that one", r.Name, p.holder())
	case Conflict:
		return fmt.Sprintf("lock %q: this session is in it already in another way: %s; leave or cancel first", r.Name, p.holder())
	case OtherOrder:
		return fmt.Sprintf("lock %q is in use with the order %v; ask without an order, or with that one", r.Name, p.Line.Order)
	case Lost:
		return fmt.Sprintf("lock %q: what was asserted is lost, to a greater token or to another with the same turn: %s; stop the work and enter anew", r.Name, p.holder())
	case Late:
		return fmt.Sprintf("lock %q: assertions are not taken now: the window of recovery is over, or the service has its state; stop the work and enter anew", r.Name)
	case UnknownNumber:
		return fmt.Sprintf("lock %q: tokens and turns that were given before are from 1 to %d, and what is asserted is not; was a member's clock wrong, or set back? Stop the work and enter anew", r.Name, p.Number)
	}
	return r.limits()
}

// limits is Error for what is too long, too much or no command.
func (r *Refusal) limits() string {
	p := &r.Reply
	switch p.Status {
	case NameTooLong:
		return fmt.Sprintf("the name of the lock has %d bytes, at most %d are possible; shorten it", p.Got, p.Most)
	case NameInvalid:
		if r.Name == "" {
			return fmt.Sprintf("the name of the lock is empty; give it 1 to %d bytes of printable UTF-8", p.Most)
		}
		return fmt.Sprintf("the name of lock %q is not printable UTF-8 at byte %d; use 1 to %d bytes of it", r.Name, p.Got, p.Most)
	case TextTooLong:
		return fmt.Sprintf("lock %q: the label, purpose or reason has %d bytes, at most %d are possible; shorten it", r.Name, p.Got, p.Most)
	case TextInvalid:
		return fmt.Sprintf("lock %q: the label, purpose or reason is not printable UTF-8 at byte %d; use up to %d bytes of it", r.Name, p.Got, p.Most)
	case NoSession:
		return fmt.Sprintf("lock %q can be entered, left and waited for in a session only; open one first", r.Name)
	case QueueFull:
		return fmt.Sprintf("lock %q: %d wait already, at most %d can; try again later, or use several locks", r.Name, p.Got, p.Most)
	case SessionFull:
		return fmt.Sprintf("lock %q: this session holds and waits for %d locks, at most %d are possible; leave some, or open another session", r.Name, p.Got, p.Most)
	case ServiceFull:
		return fmt.Sprintf("lock %q: the service has %d owners and waiters, at most %d are possible; leave some locks, or run a second service", r.Name, p.Got, p.Most)
	case Exhausted:
		return fmt.Sprintf("lock %q: the service gives numbers as fast as it may; try again in a moment", r.Name)
	case Malformed:
		return "the lock service does not understand the command; use a client of the same version"
	}
	return fmt.Sprintf("lock %q: %s", r.Name, p.Status.String())
}

// holder says who has the lock.
func (p *Reply) holder() string {
	l := &p.Line
	if l.Owners == 0 {
		return "nobody holds it"
	}
	who := l.Owner.Label
	if who == "" {
		who = fmt.Sprintf("session %d", l.Owner.Session)
	}
	s := fmt.Sprintf("held by %s for %v (token %d, %v)", who, (p.Now - l.Owner.Since).Round(time.Millisecond), l.Owner.Number, l.Owner.Mode)
	if l.Owners > 1 {
		s += fmt.Sprintf(" and %d more", l.Owners-1)
	}
	if l.Waiters > 0 {
		s += fmt.Sprintf(", %d waiting", l.Waiters)
	}
	return s
}

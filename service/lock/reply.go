package lock

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Reply is what the service answers. Which fields count beside Status and Now says each.
type Reply struct {
	Status Status
	Now    time.Duration // the agreed time; the Since of a seat is to be seen against it
	// Number is the token of Granted, the turn of Queued; of Done after Break a number
	// between all broken tokens and all later ones, with which a guard can be told at once.
	Number uint64
	Place  int // of Queued: 1 is next
	// Until is of Recovering, Queued, Listed and Explained the agreed time at which the window of recovery ends; 0: none
	// is open. Nothing is granted before.
	Until time.Duration
	// Got and Most are of what is too long or too many: what there was, and what there may be. Of what is
	// invalid Got is the position of the first wrong byte.
	Got, Most int
	Line      Line   // of Explained, and of refusals that say who holds the lock; its Name is set
	Lines     []Line // of Listed, sorted by name
	// Holders and Waiting are of Explained, the first of each. What Line counts beyond them was left out.
	Holders, Waiting []Seat
	Breaking         Breaking // of Explained: the last one, if Number is not 0
	More             bool     // of Listed and Explained: ask again after the last line or turn
}

// Line is a lock in a listing.
type Line struct {
	Name            string
	Order           Order
	Owners, Waiters int
	Owner           Seat // the first owner, if there is one
}

// Seat is an owner or a waiter.
type Seat struct {
	Session        session.ID
	Mode           Mode
	Number         uint64        // the token of an owner, the turn of a waiter
	Since          time.Duration // agreed time
	Label, Purpose string
}

// Breaking says who broke a lock, and why.
type Breaking struct {
	Number     uint64        // greater than every broken token
	At         time.Duration // agreed time
	By, Reason string
}

// Err is the reply to a request for a lock as an error: a [*Refusal], or nil.
func (p *Reply) Err(name string) error {
	if !p.Status.Refused() {
		return nil
	}
	return &Refusal{name, *p}
}

// ParseReply reads a reply. Bytes that are none are an error that unwraps to Malformed.
func ParseReply(b []byte) (Reply, error) {
	r := wire.NewReader(b)
	p := Reply{Status: Status(r.U8()), Now: time.Duration(r.U64())}
	switch p.Status.shape() {
	case number:
		p.Number = r.U64()
		if p.Status == Recovering {
			p.Until, p.Number = time.Duration(p.Number), 0
		}
	case place:
		p.Number, p.Place = r.U64(), count(&r)
		p.readLeft(&r)
	case limit:
		p.Got, p.Most = count(&r), count(&r)
	case holding:
		p.Line = readLine(&r)
	case page:
		p.readLeft(&r)
		p.More = readBool(&r)
		for n := count(&r); n > 0 && !r.Failed(); n-- {
			p.Lines = append(p.Lines, readLine(&r))
		}
	case seats:
		p.readLeft(&r)
		p.More = readBool(&r)
		p.Line = readLine(&r)
		p.Breaking = readBreaking(&r)
		p.Holders, p.Waiting = readSeats(&r), readSeats(&r)
	}
	if !r.Done() || !p.Status.known() {
		return Reply{}, &Refusal{Reply: Reply{Status: Malformed}}
	}
	return p, nil
}

// readLeft reads for how long the window of recovery is open.
func (p *Reply) readLeft(r *wire.Reader) {
	left := r.Uvarint()
	if left > 1<<62 {
		r.Fail()
	}
	if left > 0 {
		p.Until = p.Now + time.Duration(left)
	}
}

// Notice is what a session is told without having asked. It may be lost, come twice or late.
type Notice struct {
	Session session.ID
	// What is Granted (the session waited, and now owns the lock), Broken or Lost (the
	// session owned it, and does not any more).
	What   Status
	Number uint64 // the token
	Name   []byte // of the lock; valid until the next call
}

// Append appends the notice as its session is sent it, without the session.
func (n *Notice) Append(dst []byte) []byte {
	dst = append(dst, byte(n.What))
	dst = binary.BigEndian.AppendUint64(dst, n.Number)
	return wire.AppendBlock(dst, n.Name)
}

// ParseNotice reads a notice. Its Name aliases b.
func ParseNotice(b []byte) (Notice, error) {
	r := wire.NewReader(b)
	n := Notice{What: Status(r.U8()), Number: r.U64(), Name: r.Block(NameMax)}
	known := n.What == Granted || n.What == Broken || n.What == Lost
	if !r.Done() || !known || len(n.Name) == 0 || unprintable(n.Name) >= 0 {
		return Notice{}, &Refusal{Reply: Reply{Status: Malformed}}
	}
	return n, nil
}

// count reads a number that fits into an int whatever its size.
func count(r *wire.Reader) int {
	n := r.Uvarint()
	if n > 1<<31-1 {
		r.Fail()
		return 0
	}
	return int(n)
}

func readBool(r *wire.Reader) bool {
	b := r.U8()
	if b > 1 {
		r.Fail()
	}
	return b == 1
}

func readMode(r *wire.Reader) Mode {
	m := Mode(r.U8())
	if m > Shared {
		r.Fail()
	}
	return m
}

func readText(r *wire.Reader, most int) string {
	b := r.Block(most)
	if unprintable(b) >= 0 {
		r.Fail()
	}
	return string(b)
}

func readLine(r *wire.Reader) Line {
	l := Line{Name: readText(r, NameMax), Order: Order(r.U8()), Owners: count(r), Waiters: count(r)}
	if l.Order > Loose {
		r.Fail()
	}
	if l.Owners > 0 {
		l.Owner = readSeat(r)
	}
	return l
}

func readSeat(r *wire.Reader) Seat {
	return Seat{
		Session: session.ID(r.U64()), Mode: readMode(r), Number: r.U64(), Since: time.Duration(r.U64()),
		Label: readText(r, TextMax), Purpose: readText(r, TextMax),
	}
}

func readSeats(r *wire.Reader) []Seat {
	var list []Seat
	for n := count(r); n > 0 && !r.Failed(); n-- {
		list = append(list, readSeat(r))
	}
	return list
}

func readBreaking(r *wire.Reader) Breaking {
	if !readBool(r) {
		return Breaking{}
	}
	b := Breaking{Number: r.U64(), At: time.Duration(r.U64()), By: readText(r, TextMax), Reason: readText(r, TextMax)}
	if b.Number == 0 {
		r.Fail()
	}
	return b
}

// head begins a reply.
func head(reply []byte, s Status, now time.Duration) []byte {
	return binary.BigEndian.AppendUint64(append(reply, byte(s)), uint64(now))
}

// numbered is a reply with a number.
func numbered(reply []byte, s Status, now time.Duration, n uint64) []byte {
	return binary.BigEndian.AppendUint64(head(reply, s, now), n)
}

// refused is the reply to what is refused for its own sake.
func refused(reply []byte, now time.Duration, why refusal) []byte {
	reply = head(reply, why.status, now)
	if why.status.shape() == limit {
		reply = binary.AppendUvarint(reply, why.got)
		reply = binary.AppendUvarint(reply, why.most)
	}
	return reply
}

// appendLine appends a lock as a line; of a lock that is not there, nobody's.
func appendLine(dst, name []byte, l *lock) []byte {
	dst = wire.AppendBlock(dst, name)
	if l == nil {
		return append(dst, byte(AnyOrder), 0, 0)
	}
	dst = append(dst, byte(l.order))
	dst = binary.AppendUvarint(dst, uint64(l.owners.n))
	dst = binary.AppendUvarint(dst, uint64(l.waiters.n))
	if l.owners.n > 0 {
		dst = appendSeat(dst, l.owners.head)
	}
	return dst
}

// appendSeat appends an owner or a waiter.
func appendSeat(dst []byte, e *entry) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.client.id))
	dst = append(dst, byte(e.mode))
	dst = binary.BigEndian.AppendUint64(dst, e.number)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.since))
	dst = wire.AppendBlock(dst, e.label)
	return wire.AppendBlock(dst, e.purpose)
}

// appendBreaking appends the last breaking of a lock.
func appendBreaking(dst []byte, b *breaking) []byte {
	if b.number == 0 {
		return append(dst, 0)
	}
	dst = binary.BigEndian.AppendUint64(append(dst, 1), b.number)
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.at))
	dst = wire.AppendBlock(dst, b.by)
	return wire.AppendBlock(dst, b.reason)
}

package session

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// atMax is the greatest agreed time that is believed, 146 years, so that a lease can be added to it.
const atMax = 1<<62 - 1

// Executor is the deterministic whole that is replicated: a service, the table of its clients' sessions, and
// the agreed time. Requests given to it in the same order make the same of it everywhere. It is not
// safe for concurrent use.
type Executor struct {
	service Service
	table   *Table
	at      time.Duration // the agreed time
	index   uint64        // of the last command
	chain   uint64        // the digest after it
	left    uint64        // the service's own digest then
	known   bool          // left is
	first   uint64        // the first index whose digest is known
	digests [digestsMax]uint64
	scratch []byte
	applied bool // by the last command
	broken  bool // a Restore failed half way
	watch   func(request []byte)
	former  []byte // with Skips and Mixed: what the call before was answered
}

// NewExecutor makes the executor of a service that has executed nothing.
func NewExecutor(s Service) *Executor { return &Executor{service: s, table: newTable()} }

// Execute executes a request, whatever its bytes, as the next command, and appends the reply to dst.
// Neither is kept.
func (e *Executor) Execute(request, dst []byte) []byte {
	if e.broken {
		panic("session: Execute after a Restore that failed; the state is worthless until a Restore succeeds")
	}
	e.index++
	e.applied = false
	from := len(dst)
	r, why := ParseRequest(request)
	switch {
	case why != wire.OK || r.At > atMax:
		dst = e.answer(&Request{}, Malformed, dst)
	case r.Verb == Pass:
		e.advance(&r)
	default:
		e.advance(&r)
		dst = e.serve(&r, dst)
	}
	e.link(sum(request), sum(dst[from:]))
	if e.watch != nil {
		e.watch(request)
	}
	return dst
}

// Pass lets the agreed time come to at, as the next command: the same as executing a request with the
// verb Pass stamped so.
func (e *Executor) Pass(at time.Duration) {
	r := Request{Verb: Pass, At: max(at, 0), After: e.index}
	e.scratch = r.Append(e.scratch[:0])
	e.Execute(e.scratch, nil)
}

// Next is the agreed time at which Pass has something to do; 0: never.
func (e *Executor) Next() time.Duration {
	next := e.service.Next()
	if c := e.table.next(); c != nil && (next == 0 || c.end() < next) {
		next = c.end()
	}
	return next
}

// Watch has fn called after each command with its request, which is valid during the call: who
// keeps a log of the commands. fn must not execute anything.
func (e *Executor) Watch(fn func(request []byte)) { e.watch = fn }

// Index is that of the last command; 0: nothing was executed.
func (e *Executor) Index() uint64 { return e.index }

// Applied says whether the last command was given to the service; otherwise the table answered it.
func (e *Executor) Applied() bool { return e.applied }

// Time is the agreed time.
func (e *Executor) Time() time.Duration { return e.at }

// Digest is that of everything executed, its replies and the state, after the last command.
func (e *Executor) Digest() uint64 { return e.chain }

// At is the digest after the command of an index; false if that is not among the last 4096, or older
// than the snapshot that was restored.
func (e *Executor) At(index uint64) (uint64, bool) {
	if index < e.first || index > e.index || e.index-index >= digestsMax {
		return 0, false
	}
	return e.digests[index%digestsMax], true
}

// Found tells the service that it begins with nothing, in an epoch, if it wants to know and nothing was executed.
func (e *Executor) Found(epoch view.Epoch) {
	if f, is := e.service.(Founded); is && e.index == 0 {
		f.Founded(epoch)
	}
}

// Terms are the service's settings that all replicas must have alike; "" if it has none.
func (e *Executor) Terms() string { return Terms(e.service) }

// Terms are the settings of a service that all its replicas must have alike; "" if it has none, or is nil.
func Terms(s Service) string {
	if t, is := s.(Termed); is {
		return t.Terms()
	}
	return ""
}

// Table is the table of sessions, to look at.
func (e *Executor) Table() *Table { return e.table }

// link adds a command to the chain of digests.
func (e *Executor) link(request, reply uint64) {
	e.left, e.known = e.service.Digest(), true
	e.chain = mix(e.chain, request, reply, e.left, e.table.Digest(), uint64(e.at))
	e.digests[e.index%digestsMax] = e.chain
}

// advance brings the agreed time to a request's, if it is not there, and does what is due until then, in the
// order of time: sessions end before the service's own at the same time.
//
// Who stamped the request had not executed what came after r.After, and may know of a greater agreed time than
// those who stamped that: a member that was given the state a moment ago knows the time of its last command, which
// may be long past. So what goes by here says nothing of how long ago the sessions were renewed that were so after r.After,
// and does not count for their leases.
func (e *Executor) advance(r *Request) {
	at := max(r.At, e.at)
	if canary != Hasty {
		e.table.spare(r.After, at-e.at)
	}
	told := time.Duration(-1) // what the service was told last
	for {
		end, c := at+1, e.table.next()
		if c != nil {
			end = c.end()
		}
		next := e.service.Next()
		switch {
		case end <= at && (next == 0 || next == told || end <= next):
			e.at = max(e.at, end)
			e.end(c)
		case next != 0 && next != told && next <= at:
			// A service that asks for the same moment again after it was told has nothing
			// to do then; it would keep us here for ever.
			e.at, told = max(e.at, next), next
			e.service.Passed(e.at)
		default:
			e.at = at
			return
		}
	}
}

func (e *Executor) end(c *client) {
	e.table.remove(c)
	e.service.Ended(e.at, c.id)
}

// serve executes a client's request.
func (e *Executor) serve(r *Request, dst []byte) []byte {
	if r.Verb == Open {
		if most := e.leaseMost(); r.Lease > most {
			from := len(dst)
			dst = e.answer(r, LongLease, dst)
			return binary.BigEndian.AppendUint64(dst[:from+replyHead], uint64(most))
		}
		id, status := e.table.open(r, e.at, e.index)
		r.Session = id
		return e.answer(r, status, dst)
	}
	if r.Session == 0 {
		if r.How.Remembered() {
			return e.answer(r, Refused, dst)
		}
		return e.apply(r, dst)
	}
	c := e.table.find(r)
	if c == nil {
		return e.answer(r, StaleSession, dst)
	}
	e.table.renew(c, r, e.at, e.index)
	switch {
	case r.Verb == Close:
		e.end(c)
		return e.answer(r, OK, dst)
	case r.Verb == Renew:
		return e.answer(r, OK, dst)
	case r.Verb == Call && !r.How.Remembered():
		return e.apply(r, dst)
	}
	return e.once(c, r, dst)
}

// leaseMost is the longest lease that a session may have.
func (e *Executor) leaseMost() time.Duration {
	if l, is := e.service.(Leaser); is && l.LeaseMost() > 0 {
		return l.LeaseMost()
	}
	return LeaseMax
}

// once executes, or cancels, a call that is remembered.
func (e *Executor) once(c *client, r *Request, dst []byte) []byte {
	before, status := e.table.admit(c, r.Number)
	if before != nil {
		return append(dst, before.reply...)
	}
	if status != 0 {
		return e.answer(r, status, dst)
	}
	from := len(dst)
	if r.Verb == Cancel {
		dst = e.answer(r, Cancelled, dst)
		if canary == Leaky {
			return dst
		}
	} else {
		dst = e.apply(r, dst)
	}
	e.table.keep(c, r.Number, dst[from:], sum(dst[from:]))
	return dst
}

// apply lets the service execute a call.
func (e *Executor) apply(r *Request, dst []byte) []byte {
	from := len(dst)
	dst = e.answer(r, OK, dst)
	body := len(dst)
	if canary == Skips && e.index%8 == 0 && len(e.former) > 0 {
		return append(dst, e.former...)
	}
	e.applied = true
	dst = e.service.Apply(Command{At: e.at, Session: r.Session, Body: r.Body}, dst)
	if len(dst) < body {
		panic("session: Service.Apply gave less than it got; it must append to reply")
	}
	if canary == Skips || canary == Mixed {
		dst = e.mix(dst, body)
	}
	if len(dst)-body > BodyMax {
		dst = e.answer(r, Oversize, dst[:from])
	}
	return dst
}

// mix is for Skips and Mixed: it remembers the answer, and may give the one before.
func (e *Executor) mix(dst []byte, body int) []byte {
	was := e.former
	e.former = bytes.Clone(dst[body:])
	if canary == Mixed && e.index%8 == 0 && len(was) > 0 {
		return append(dst[:body], was...)
	}
	return dst
}

// answer appends a reply without a body.
func (e *Executor) answer(r *Request, s Status, dst []byte) []byte {
	out := Reply{Status: s, Session: r.Session, Nonce: r.Nonce, Number: r.Number, Index: e.index}
	return out.Append(dst)
}

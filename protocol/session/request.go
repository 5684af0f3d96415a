package session

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Verb is what a client wants.
type Verb uint8

// The verbs.
const (
	Open   Verb = 1 + iota // a session; asked for again with the same nonce it is the same one
	Call                   // that the service executes Body
	Renew                  // nothing but a longer lease; every request of a session renews it too
	Close                  // an end to the session
	Cancel                 // that the call with this number is not executed, if it was not yet; or else its reply
	Pass                   // a member's own: that the agreed time goes on
)

// Semantics is how often a call may be executed, as its caller declares it.
type Semantics uint8

// The semantics.
const (
	Maybe       Semantics = 1 + iota // sent once; nothing is promised
	AtLeastOnce                      // repeated until answered: for what is idempotent
	AtMostOnce                       // never executed twice; perhaps not at all, and then the caller may not know
	ExactlyOnce                      // repeated until answered, and never executed twice
)

// Remembered says whether a call's reply is kept, so that it is not executed twice.
func (s Semantics) Remembered() bool { return s >= AtMostOnce }

// String gives the semantics in words.
func (s Semantics) String() string {
	names := [...]string{"none", "maybe", "at-least-once", "at-most-once", "exactly-once"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Request is what a client asks, and what replicas execute.
type Request struct {
	Verb    Verb
	How     Semantics     // Call
	At      time.Duration // the proposed agreed time, stamped by the member that proposes the request
	After   uint64        // the last command that this member had executed then: At is counted from it
	Session ID            // 0: none
	Nonce   uint64        // the client's, for this session; not 0 in Open
	Number  uint64        // from 1 for calls that are remembered; else what the client likes, it comes back
	Acked   uint64        // the client waits for no number up to this one any more
	Lease   time.Duration // Open: LeaseMin to LeaseMax
	Label   []byte        // Open: who the client is, for people, "host:pid"; UTF-8, at most LabelMax bytes
	Body    []byte        // Call: at most BodyMax bytes
}

const (
	version     = 1
	requestHead = 52
	stampOffset = 4
	ackedOffset = 44
)

// Append adds the request's bytes to dst. It checks nothing: what breaks a bound is refused by
// who reads it.
func (r *Request) Append(dst []byte) []byte {
	dst = append(dst, version, byte(r.Verb), byte(r.How), 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.At))
	dst = binary.BigEndian.AppendUint64(dst, r.After)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Session))
	dst = binary.BigEndian.AppendUint64(dst, r.Nonce)
	dst = binary.BigEndian.AppendUint64(dst, r.Number)
	dst = binary.BigEndian.AppendUint64(dst, r.Acked)
	if r.Verb == Open {
		dst = binary.BigEndian.AppendUint64(dst, uint64(r.Lease))
		return append(dst, r.Label...)
	}
	return append(dst, r.Body...)
}

// Stamp writes the proposed agreed time into a request's bytes, and the index of the last command that
// who proposes it has executed. They must be at least as long as those of a request; shorter ones stay as they are.
func Stamp(request []byte, at time.Duration, after uint64) {
	if len(request) >= requestHead {
		binary.BigEndian.PutUint64(request[stampOffset:], uint64(max(at, 0)))
		binary.BigEndian.PutUint64(request[stampOffset+8:], after)
	}
}

// Acknowledge writes what is acknowledged into a request's bytes: for one that is sent again.
func Acknowledge(request []byte, acked uint64) {
	if len(request) >= requestHead {
		binary.BigEndian.PutUint64(request[ackedOffset:], acked)
	}
}

// ParseRequest reads a request. Label and Body alias b. A request has one encoding; what is
// not one has a reason: Short, Long, WrongVersion or Malformed.
func ParseRequest(b []byte) (Request, wire.Reason) {
	switch {
	case len(b) < requestHead:
		return Request{}, wire.Short
	case b[0] != version:
		return Request{}, wire.WrongVersion
	case len(b) > RequestMax:
		return Request{}, wire.Long
	}
	in := wire.NewReader(b[1:])
	r := Request{Verb: Verb(in.U8()), How: Semantics(in.U8())}
	zero := in.U8()
	r.At, r.After = time.Duration(in.U64()), in.U64()
	r.Session, r.Nonce = ID(in.U64()), in.U64()
	r.Number, r.Acked = in.U64(), in.U64()
	if r.Verb == Open {
		r.Lease = time.Duration(in.U64())
		r.Label = in.Bytes(in.Len())
	} else if r.Verb == Call {
		r.Body = in.Bytes(in.Len())
	}
	if zero != 0 || r.At < 0 || !in.Done() || !r.sound() {
		return Request{}, wire.Malformed
	}
	return r, wire.OK
}

// sound says whether the fields fit together.
func (r *Request) sound() bool {
	if r.Verb != Call && r.How != 0 {
		return false
	}
	switch r.Verb {
	case Open:
		return r.Session == 0 && r.Nonce != 0 && r.Acked == 0 && r.Lease >= LeaseMin && r.Lease <= LeaseMax &&
			len(r.Label) <= LabelMax && utf8.Valid(r.Label)
	case Call:
		return r.How >= Maybe && r.How <= ExactlyOnce && (r.Number > 0 || !r.How.Remembered())
	case Renew, Close:
		return r.Session != 0
	case Cancel:
		return r.Session != 0 && r.Number > 0
	case Pass:
		return r.Session == 0 && r.Nonce == 0 && r.Number == 0 && r.Acked == 0
	}
	return false
}

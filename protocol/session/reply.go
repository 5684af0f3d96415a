package session

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Status is what became of a request.
type Status uint8

// The statuses. Up to Refused, and LongLease, they are an executor's, the same at every replica; the others are said by
// a member that has not put the request into the agreed order.
const (
	OK           Status = 1 + iota // executed; Body is the service's answer. Open: Session is the client's
	Oversize                       // executed; the service's answer was longer than BodyMax and is gone
	Cancelled                      // not executed, and never will be
	Forgotten                      // the number was acknowledged before; this copy is not executed
	StaleSession                   // there is no such session any more; nothing of it will be executed
	TooMany                        // not executed now: acknowledge replies first
	Full                           // Open: no room for another session now
	Malformed                      // not executed, whoever is asked: the bytes are no request
	Refused                        // not executed, whoever is asked: a remembered call without a session, or another's nonce
	Elsewhere                      // not executed now: this member does not serve; Server may know who does
	Busy                           // not executed now: this member has too much to do
	Halted                         // not executed now: this member's service has stopped for good, others' may not
	LongLease                      // Open: not executed, whoever is asked: the service allows no such lease; Body is the longest, 8 bytes
	Crowded                        // Open: not executed now: this member has ProcessMax sessions of the same process
	statusEnd
)

var statusNames = [statusEnd]string{
	"none", "ok", "oversize", "cancelled", "forgotten", "stale session", "too many", "full", "malformed", "refused",
	"elsewhere", "busy", "halted", "lease too long", "crowded",
}

// String gives the status in words.
func (s Status) String() string {
	if s < statusEnd {
		return statusNames[s]
	}
	return "unknown status"
}

// Executed says whether the status is that of a command that was executed.
func (s Status) Executed() bool { return s == OK || s == Oversize }

// Later says whether the same request may be executed when it is sent again: later, or to another.
func (s Status) Later() bool {
	return s == TooMany || s == Full || s == Crowded || s >= Elsewhere && s <= Halted
}

// Reply is the answer to a request.
type Reply struct {
	Status  Status
	Server  view.ID // who serves, as far as the member knows; Nobody: it does not
	Session ID      // of the request; of Open: the new one
	Nonce   uint64  // of the request
	Number  uint64  // of the request
	Index   uint64  // the command's place in the agreed order; 0: it has none
	Body    []byte  // at most BodyMax bytes
}

const replyHead = 36

// Append adds the reply's bytes to dst.
func (r *Reply) Append(dst []byte) []byte {
	dst = append(dst, version, byte(r.Status))
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.Server))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Session))
	dst = binary.BigEndian.AppendUint64(dst, r.Nonce)
	dst = binary.BigEndian.AppendUint64(dst, r.Number)
	dst = binary.BigEndian.AppendUint64(dst, r.Index)
	return append(dst, r.Body...)
}

// ParseReply reads a reply. Body aliases b. The reason is OK, Short, Long, WrongVersion or
// Malformed.
func ParseReply(b []byte) (Reply, wire.Reason) {
	switch {
	case len(b) < replyHead:
		return Reply{}, wire.Short
	case b[0] != version:
		return Reply{}, wire.WrongVersion
	case len(b) > ReplyMax:
		return Reply{}, wire.Long
	}
	in := wire.NewReader(b[1:])
	r := Reply{
		Status: Status(in.U8()), Server: view.ID(in.U16()), Session: ID(in.U64()),
		Nonce: in.U64(), Number: in.U64(), Index: in.U64(),
	}
	if r.Body = in.Bytes(in.Len()); r.Status < OK || r.Status >= statusEnd {
		return Reply{}, wire.Malformed
	}
	return r, wire.OK
}

// AppendRefusal appends the reply of a member that does not put a request into the agreed order: with
// Elsewhere, Busy or Halted, and whom to ask, or Nobody. Bytes that are no request are answered Malformed.
func AppendRefusal(dst, request []byte, s Status, server view.ID) []byte {
	r, why := ParseRequest(request)
	if why != wire.OK {
		s = Malformed
	}
	out := Reply{Status: s, Server: server, Session: r.Session, Nonce: r.Nonce, Number: r.Number}
	return out.Append(dst)
}

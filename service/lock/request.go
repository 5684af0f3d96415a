package lock

import (
	"encoding/binary"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Kind is what a request asks for.
type Kind uint8

// The kinds. The numbers are those of docs/rfc/0015-lock.md.
const (
	Enter    Kind = 1 + iota // Granted or Queued; with Try Granted, Busy or Recovering
	Leave                    // Done; the lock goes to who is next
	Cancel                   // Done; Granted if the lock was granted before: then leave it
	Break                    // Done; for people: who owns the lock loses it
	List                     // Listed: locks by name
	Explain                  // Explained: owners and queue of a lock
	Reassert                 // Granted or Queued; what was held or waited for before the service lost its state
	Ask                      // Granted, Queued or NotWaiting; changes nothing, so it may come twice and late
)

// Mode is what a lock is entered for.
type Mode uint8

// The modes: one exclusive owner, or any number of shared ones.
const (
	Exclusive Mode = iota
	Shared
)

// String is the mode in a word.
func (m Mode) String() string {
	if m == Shared {
		return "shared"
	}
	return "exclusive"
}

// Order is in which order those who wait are granted a lock.
type Order uint8

// The orders.
const (
	AnyOrder Order = iota // as the service is set, or as the lock is
	Strict                // first come, first served
	Loose                 // shared requests may overtake, OvertakesMax times
)

// String is the order in a word.
func (o Order) String() string {
	switch o {
	case Strict:
		return "strict"
	case Loose:
		return "loose"
	}
	return "any"
}

// Request is what a client asks of the service. Which fields count says each of them.
type Request struct {
	Kind Kind
	// Name is the lock's, 1 to NameMax bytes of printable UTF-8. Of List it is a prefix, and may be empty.
	Name string
	// Mode and Order are of Enter and Reassert. A lock has its order from who comes first, for
	// as long as somebody holds it or waits; of assertions Strict counts.
	Mode  Mode
	Order Order
	// Try is of Enter: do not wait.
	Try bool
	// Waited is of Reassert: Number is the turn in the queue, not a token.
	Waited bool
	// Number is the token of Leave, the token or turn of Reassert; of Break the only token to break, 0 for
	// all; of Explain the turn after which the queue is shown, 0 for all of it.
	Number uint64
	// Label says who, for people, as "host:pid"; of Break, who breaks. Purpose says what for; of Break, why.
	// Up to TextMax bytes of printable UTF-8 each.
	Label, Purpose string
	// After is of List: names after this one only.
	After string
	// Most is how many lines or waiters List and Explain give at most; 0: as many as fit.
	Most uint8
}

const (
	flagShared = 1 << 0
	flagTry    = 1 << 1 // of Enter
	flagWaited = 1 << 1 // of Reassert
	orderShift = 2
	flagsKnown = 0x0f
)

// Append appends the command of the request.
func (q *Request) Append(dst []byte) []byte {
	text := func(s string) { dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...) }
	dst = append(dst, byte(q.Kind))
	if q.Kind == Enter || q.Kind == Reassert {
		dst = append(dst, q.flags())
	}
	text(q.Name)
	switch q.Kind {
	case Leave, Break, Explain, Reassert:
		dst = binary.BigEndian.AppendUint64(dst, q.Number)
	case List:
		text(q.After)
	}
	switch q.Kind {
	case Enter, Reassert, Break:
		text(q.Label)
		text(q.Purpose)
	case List, Explain:
		dst = append(dst, q.Most)
	}
	return dst
}

func (q *Request) flags() byte {
	flags := byte(q.Order) << orderShift
	if q.Mode == Shared {
		flags |= flagShared
	}
	if q.Kind == Enter && q.Try {
		flags |= flagTry
	}
	if q.Kind == Reassert && q.Waited {
		flags |= flagWaited
	}
	return flags
}

// request is a command as the service reads it; its fields alias the body.
type request struct {
	kind           Kind
	mode           Mode
	order          Order
	try, waited    bool
	number         uint64
	name           []byte
	label, purpose []byte
	after          []byte
	most           int
	client         *client // whose it is, if it was in a lock before
}

// refusal is why a command is refused: a status, and the numbers that belong to it.
type refusal struct {
	status    Status
	got, most uint64
}

// parse reads a command. The status of what it returns is 0 if there is nothing to refuse.
func (q *request) parse(body []byte) refusal {
	*q = request{}
	r := wire.NewReader(body)
	q.kind = Kind(r.U8())
	if q.kind == Enter || q.kind == Reassert {
		q.takeFlags(r.U8(), &r)
	}
	q.name = r.Block(len(body))
	switch q.kind {
	case Leave, Break, Explain, Reassert:
		q.number = r.U64()
	case List:
		q.after = r.Block(len(body))
	}
	switch q.kind {
	case Enter, Reassert, Break:
		q.label, q.purpose = r.Block(len(body)), r.Block(len(body))
	case List, Explain:
		q.most = int(r.U8())
	}
	if !r.Done() || q.kind < Enter || q.kind > Ask {
		return refusal{status: Malformed}
	}
	return q.check()
}

// ParseRequest reads a command, as an observer does. What the service would refuse is an error, a [*Refusal].
func ParseRequest(body []byte) (Request, error) {
	var q request
	if why := q.parse(body); why.status != 0 {
		return Request{}, &Refusal{string(q.name), Reply{Status: why.status, Got: int(why.got), Most: int(why.most)}}
	}
	return Request{
		Kind: q.kind, Name: string(q.name), Mode: q.mode, Order: q.order, Try: q.try, Waited: q.waited, Number: q.number,
		Label: string(q.label), Purpose: string(q.purpose), After: string(q.after), Most: uint8(q.most),
	}, nil
}

func (q *request) takeFlags(flags uint8, r *wire.Reader) {
	if flags&^flagsKnown != 0 || flags>>orderShift > uint8(Loose) {
		r.Fail()
	}
	q.mode = Mode(flags & flagShared)
	q.try = q.kind == Enter && flags&flagTry != 0
	q.waited = q.kind == Reassert && flags&flagWaited != 0
	q.order = Order(flags >> orderShift)
}

// check checks lengths and text.
func (q *request) check() refusal {
	if why := checkText(q.name, NameMax, NameTooLong, NameInvalid); why.status != 0 {
		return why
	}
	if len(q.name) == 0 && q.kind != List {
		return refusal{status: NameInvalid, most: NameMax}
	}
	if why := checkText(q.after, NameMax, NameTooLong, NameInvalid); why.status != 0 {
		return why
	}
	if why := checkText(q.label, TextMax, TextTooLong, TextInvalid); why.status != 0 {
		return why
	}
	return checkText(q.purpose, TextMax, TextTooLong, TextInvalid)
}

// checkText checks that there are at most so many bytes, and that they are printable UTF-8.
func checkText(b []byte, most int, long, invalid Status) refusal {
	if len(b) > most {
		return refusal{long, uint64(len(b)), uint64(most)}
	}
	if i := unprintable(b); i >= 0 {
		return refusal{invalid, uint64(i), uint64(most)}
	}
	return refusal{}
}

// unprintable is where the first byte stands that is not part of printable UTF-8; -1 if
// there is none.
func unprintable(b []byte) int {
	for i := 0; i < len(b); {
		if c := b[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			return i
		}
		i += size
	}
	return -1
}

// CheckName says whether a lock can have this name, as the service will. The error is a [*Refusal].
func CheckName(name string) error {
	q := request{kind: Enter, name: []byte(name)}
	why := q.check()
	if why.status == 0 {
		return nil
	}
	return &Refusal{name, Reply{Status: why.status, Got: int(why.got), Most: int(why.most)}}
}

// String is the request for people.
func (q *Request) String() string {
	switch q.Kind {
	case Enter:
		if q.Try {
			return fmt.Sprintf("try %q %v", q.Name, q.Mode)
		}
		return fmt.Sprintf("enter %q %v", q.Name, q.Mode)
	case Leave:
		return fmt.Sprintf("leave %q %d", q.Name, q.Number)
	case Cancel:
		return fmt.Sprintf("cancel %q", q.Name)
	case Break:
		return fmt.Sprintf("break %q %d", q.Name, q.Number)
	case List:
		return fmt.Sprintf("list %q after %q", q.Name, q.After)
	case Explain:
		return fmt.Sprintf("explain %q", q.Name)
	case Reassert:
		if q.Waited {
			return fmt.Sprintf("reassert turn %d of %q %v", q.Number, q.Name, q.Mode)
		}
		return fmt.Sprintf("reassert %d of %q %v", q.Number, q.Name, q.Mode)
	case Ask:
		return fmt.Sprintf("ask %q", q.Name)
	}
	return fmt.Sprintf("kind(%d)", uint8(q.Kind))
}

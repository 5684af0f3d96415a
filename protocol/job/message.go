package job

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Verb is what a message says.
type Verb uint8

// The verbs. Those up to Missing are a client's, the others a member's.
const (
	Hello    Verb = 1 + iota // first on a connection: Life is the client's, Body the name that it has in all its lives
	Start                    // begin job Number, whose argument is Body; nobody waits for it after Time (0: no end)
	Attach                   // tell here what becomes of job Number of Life; Lost if nothing is known of it
	Cancel                   // job Number is not wanted any more
	Heard                    // the end of job Number of Life is known here; it need not be kept
	Names                    // Body are jobs of former lives, that were open then: end them, and begin none of them
	Found                    // job Number of Life is wanted
	Missing                  // it is not
	Welcome                  // to Hello: Life is the member's, Why its answer to orphans, Time the quantum
	Done                     // job Number of Life has returned Body
	Failed                   // it has returned an error, with the text Body
	Stopped                  // it was stopped, Why says why: a fate, Closing or Cancelled
	Declined                 // it is not begun here, Why says why
	Lost                     // nothing is known of it
	Ask                      // is job Number of Life wanted?
	Ended                    // to Names: they have ended, or will not begin
	verbEnd
)

// Why a job was stopped, besides the fates of protocol/call.
const (
	Parted    = 253 // its member has lost its place among the others
	Closing   = 254 // the service ends at that member
	Cancelled = 255 // by its client
)

// Why a job is not begun.
const (
	Elsewhere   = 1 + iota // this member does not serve now
	Full                   // as many run as may
	Orphaned               // it is an orphan already
	Unsupported            // this service takes no jobs
)

const (
	// mark begins a message; a request of RFC 0013 begins with its version, which is below.
	mark = 0x81

	// HeadSize is of a message without what it carries, in bytes.
	HeadSize = 28

	// NameMax is the longest name of a client, in bytes.
	NameMax = session.LabelMax

	// NamesMax is how many jobs one message names.
	NamesMax = 1024

	nameSize = 16
)

// Name names a job of a client that is known.
type Name struct {
	Life   uint64 // of the client, when it began the job
	Number uint64 // from 1
}

// Message is one message.
type Message struct {
	Verb Verb
	Why  uint8
	Name
	Time time.Duration
	Body []byte // at most session.BodyMax bytes
}

// Append adds the message's bytes to dst.
func (m *Message) Append(dst []byte) []byte {
	dst = append(dst, mark, byte(m.Verb), m.Why, 0)
	dst = binary.BigEndian.AppendUint64(dst, m.Life)
	dst = binary.BigEndian.AppendUint64(dst, m.Number)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Time))
	return append(dst, m.Body...)
}

// Is says whether bytes are meant as a message, and not as a request.
func Is(b []byte) bool { return len(b) > 0 && b[0] == mark }

// Parse reads a message. Body aliases b. What is none has a reason: Short, Long, WrongVersion
// or Malformed.
func Parse(b []byte) (Message, wire.Reason) {
	switch {
	case len(b) < HeadSize:
		return Message{}, wire.Short
	case b[0] != mark:
		return Message{}, wire.WrongVersion
	case len(b) > HeadSize+session.BodyMax:
		return Message{}, wire.Long
	}
	m := Message{
		Verb: Verb(b[1]), Why: b[2], Time: time.Duration(binary.BigEndian.Uint64(b[20:])), Body: b[HeadSize:],
		Name: Name{binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint64(b[12:])},
	}
	if b[3] != 0 || m.Time < 0 || !m.sound() {
		return Message{}, wire.Malformed
	}
	return m, wire.OK
}

// sound says whether the fields fit together.
func (m *Message) sound() bool {
	switch m.Verb {
	case Hello:
		return m.Life > 0 && len(m.Body) > 0 && len(m.Body) <= NameMax && utf8.Valid(m.Body)
	case Names:
		return len(m.Body)%nameSize == 0 && len(m.Body) <= NamesMax*nameSize
	case Welcome, Ended:
		return len(m.Body) == 0
	case Start, Done:
		return m.Life > 0 && m.Number > 0
	case Failed:
		return m.Life > 0 && m.Number > 0 && utf8.Valid(m.Body)
	}
	return m.Verb > 0 && m.Verb < verbEnd && m.Life > 0 && m.Number > 0 && len(m.Body) == 0
}

// AppendName adds a job to the body of Names.
func AppendName(dst []byte, n Name) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, n.Life), n.Number)
}

// Named gives the jobs that Names names.
func (m *Message) Named() []Name {
	var all []Name
	for b := m.Body; len(b) >= nameSize; b = b[nameSize:] {
		all = append(all, Name{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])})
	}
	return all
}

package peers

import "time"

// Cause is why a call was not answered.
type Cause uint8

// The causes.
const (
	None       Cause = iota
	Ended            // the session has ended; whether the call was executed in it is not known, and does not last
	Busy             // too much is under way; it was not executed
	OtherLease       // the members' lease is another, Result.Lease; it was not executed
	Closed           // this member was closed; it was not executed
)

// Result is what came of a call. Body is valid until the output is reset.
type Result struct {
	Call  uint64
	Body  []byte
	Cause Cause
	Lease time.Duration
}

// Event is something that happened to the session.
type Event uint8

// The events.
const (
	SessionBegan Event = 1 + iota // things may be held in it
	SessionEnded                  // nothing of it may be believed any more
	Shut                          // after Close: nothing comes any more
)

// Output is what a step puts out. Events are to be heeded before Renewed, that before
// Results, and these before Notices. Its memory is used again.
type Output struct {
	Multicast [][]byte // total, FIFO and uniform, in this order
	Events    []Event
	Renewed   time.Time     // from when the session's lease counts now; zero: nothing new
	Lease     time.Duration // of Renewed
	Results   []Result
	Notices   [][]byte // what the service tells this member's session unasked

	messages, replies []byte
}

// Reset makes room for the next step.
func (o *Output) Reset() {
	*o = Output{
		Multicast: o.Multicast[:0], Events: o.Events[:0], Results: o.Results[:0], Notices: o.Notices[:0],
		messages: o.messages[:0], replies: o.replies[:0],
	}
}

// send multicasts what was appended to messages.
func (o *Output) send(grown []byte) {
	from := len(o.messages)
	o.messages = grown
	o.Multicast = append(o.Multicast, grown[from:len(grown):len(grown)])
}

func (o *Output) notice(body []byte) {
	from := len(o.replies)
	o.replies = append(o.replies, body...)
	o.Notices = append(o.Notices, o.replies[from:len(o.replies):len(o.replies)])
}

package call

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config is what a client is told.
type Config struct {
	// Servers are the members that may serve, in the order in which they are tried; 1 to 64, each once.
	Servers []view.ID
	// Label says who the client is, for people: "host:pid", at most 80 bytes of UTF-8.
	Label string
	// Lease is how long the session outlives the client's silence; 10 ms to 24 h. 0: there is no session, and
	// calls at most once and exactly once are refused.
	Lease time.Duration
	// Margin is how long before the service can end the session the client stops believing in it: more than clocks
	// can differ over a lease, and what the owner needs for stopping. 0: a fifth of the lease. Less than half.
	Margin time.Duration
	// RetryMin and RetryMax bound the time after which a call without an answer is sent to the next server; it doubles each
	// time, and is spread by a quarter. 0: 50 ms and 1 s. The client notices a takeover that much later. A request of a
	// mebibyte waits 200 ms more, a smaller one in proportion: it takes longer by itself, and repeating it is much work.
	RetryMin, RetryMax time.Duration
	// Hedge is after what time a call that is declared idempotent, and at least once or exactly once, goes to a second
	// server as well; 0: never. No other call ever does.
	Hedge time.Duration
	// Patience is the deadline of calls that have none, from Submit. 0: 10 s.
	Patience time.Duration
	// Log asks for Output.Save: each call is told before it is sent, for the extermination of orphans.
	Log bool
	// Recorder may be nil.
	Recorder trace.Recorder
}

// Call is what is asked of the service.
type Call struct {
	How        session.Semantics
	Idempotent bool      // executing it again changes nothing: it may be hedged
	Deadline   time.Time // zero: after Config.Patience
	Body       []byte    // at most session.BodyMax bytes; copied
}

// Outcome is what is known of a call.
type Outcome uint8

// The outcomes.
const (
	Executed    Outcome = 1 + iota // it was executed
	NotExecuted                    // it was not, and will not be
	// Unknown: it may have been, or may yet be. One that is remembered will not be after a request of the session that
	// was made when it was over and so were all calls before it: that acknowledges it.
	Unknown
)

// String gives the outcome in words.
func (o Outcome) String() string {
	return [...]string{"none", "executed", "not executed", "unknown"}[min(o, Unknown)]
}

// Cause is why a call has no reply, or was not taken.
type Cause uint8

// The causes. Those from NoSession on are Submit's.
const (
	None         Cause = iota
	CannotLocate       // no server could be asked before the deadline
	NoAnswer           // the deadline has passed; request or reply was lost, or the server has crashed
	Stopped            // the deadline has passed, and the last that was heard is that the service has stopped: its replicas differ
	ServerLost         // the connection to the only server that was asked has broken
	Abandoned          // its owner has cancelled it
	SessionEnded       // the session has ended: its lease, or the service says so
	LongLease          // the service allows no session with such a lease
	Shut               // its owner has closed the session
	Rejected           // the service refuses it for good
	TooLarge           // it was executed, and the reply was too long to be kept
	Unadmitted         // no session was opened before the deadline: Put says why
	Forgot             // the service says that it was acknowledged before: two clients use one session
	NoSession          // there is no session, or it has ended; see Open
	BadCall            // the semantics are none
	TooLong            // the body is longer than session.BodyMax
	TooMany            // 4096 calls or 64 MiB are open
	TooLate            // the deadline is not in the future
	causeEnd
)

var causeNames = [causeEnd]string{
	"none", "no server could be reached", "no answer before the deadline",
	"the service has stopped: its replicas differ and no majority agrees, or the only copy of its state is damaged; holdfast status, at its members, says what to do", "the connection to the server broke",
	"cancelled", "the session has ended", "the service allows no session with such a lease", "the session was closed",
	"refused by the service", "the reply was too long", "no session was opened before the deadline",
	"forgotten by the service", "there is no session", "no such semantics", "the body is too long", "too many open calls",
	"the deadline has passed",
}

// String gives the cause in words.
func (c Cause) String() string {
	if c < causeEnd {
		return causeNames[c]
	}
	return "unknown cause"
}

// Result is the end of a call.
type Result struct {
	ID      uint64
	Outcome Outcome
	Cause   Cause   // None if there is a reply
	Server  view.ID // who answered; or who was asked last
	Index   uint64  // the command's place in the agreed order, if the service was asked
	// Put is why a server has last put the call off, if one has: it was reached, and does not serve.
	Put  session.Status
	Body []byte // the reply; aliases what Receive was given
}

// State is how the session is.
type State uint8

// The states. Without a session the client is Opened from the beginning.
const (
	Idle    State = iota // there is none: see Machine.Open
	Opening              // it is asked for
	Opened               // it is there
	Closing              // its end is asked for
)

// Event is a change of the session.
type Event struct {
	State   State // Opened, or Idle: it has ended
	Session session.ID
	Cause   Cause         // of the end: SessionEnded, LongLease, Shut
	Stale   bool          // the service said so; otherwise the lease ran out at the client
	Most    time.Duration // with LongLease: the longest that the service allows
}

// Message is a request for a server. It may be lost, repeated, reordered.
type Message struct {
	To   view.ID
	Data []byte // valid until Output.Reset
}

// Record is what a client notes of a call, so that it can have it killed after a crash.
type Record struct {
	Nonce  uint64 // of its session
	Number uint64
	Over   bool // it is no longer open
}

// Output is what a step puts out. Save is durable before anything is sent.
type Output struct {
	Save    []Record
	Send    []Message
	Results []Result
	Events  []Event
	buf     []byte
}

// Reset makes an output empty and keeps its buffers.
func (o *Output) Reset() {
	o.Save, o.Send, o.Results, o.Events, o.buf = o.Save[:0], o.Send[:0], o.Results[:0], o.Events[:0], o.buf[:0]
}

// post copies a request, which may change or be used again before it is sent.
func (o *Output) post(to view.ID, request []byte) {
	if cap(o.buf)-len(o.buf) < len(request) {
		// Messages posted already keep the old buffer alive; only growth allocates.
		o.buf = make([]byte, 0, max(2*cap(o.buf), 4*len(request), freeSize))
	}
	from := len(o.buf)
	o.buf = append(o.buf, request...)
	o.Send = append(o.Send, Message{to, o.buf[from:len(o.buf):len(o.buf)]})
}

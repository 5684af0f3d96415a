package stack

import (
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Verb is what the service is asked to do.
type Verb uint8

// The verbs.
const (
	Put      Verb = 1 + iota // have this object in the table, in this state
	Change                   // the same for an object that was Put here before
	Create                   // have it unless the table has it already
	Remove                   // do not have it
	Commit                   // finish everything asked so far, then call Committed
	Raise                    // hold the addresses, announce them, then call Raised
	Lower                    // do not hold them, then call Lowered
	Announce                 // tell the neighbours again where the addresses are
	Dump                     // read the whole table: Found for each object, then Dumped
)

var verbNames = [...]string{"none", "put", "change", "create", "remove", "commit", "raise", "lower", "announce", "dump"}

// String gives the verb in one word.
func (v Verb) String() string { return verbNames[v] }

// Command is one thing for the service to do. Commands are carried out in order.
type Command struct {
	Verb  Verb
	Epoch view.Epoch // Commit, Raise, Lower
	Key   []byte     // Put, Change, Create, Remove; valid until the Output's Reset
	State []byte     // Put, Change, Create
}

// Output is what steps of a stack ask of its driver: first the commands, in order,
// then the envelopes, in any order.
type Output struct {
	Do       []Command
	takeover takeover.Output
	proxy    stateproxy.Output
	identify wire.Outbox
	bytes    []byte
}

// Send calls fn with each envelope. Its frame is valid until Reset.
func (o *Output) Send(fn func(wire.Envelope)) {
	for _, box := range [...][]wire.Envelope{o.takeover.Send, o.proxy.Send, o.identify.Send} {
		for _, e := range box {
			fn(e)
		}
	}
}

// Empty says whether nothing is asked.
func (o *Output) Empty() bool {
	return len(o.Do)+len(o.takeover.Send)+len(o.proxy.Send)+len(o.identify.Send) == 0
}

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	o.Do, o.bytes = o.Do[:0], o.bytes[:0]
	o.takeover.Reset()
	o.proxy.Reset()
	o.identify.Reset()
}

// object appends a command about an object, with copies of key and state.
func (o *Output) object(v Verb, key, state []byte) {
	n := len(o.bytes)
	o.bytes = append(append(o.bytes, key...), state...)
	b := o.bytes[n:]
	o.Do = append(o.Do, Command{Verb: v, Key: b[:len(key):len(key)], State: b[len(key):]})
}

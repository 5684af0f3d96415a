package checkpointed

import (
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Verb is what the machine tells its owner.
type Verb uint8

// The verbs.
const (
	Founded  Verb = 1 + iota // the store was empty; this member serves, in Epoch
	Resumed                  // it serves in Epoch, from what is in the store up to command Index
	Fenced                   // the other has claimed the store: this member does not serve any more
	Resigned                 // the store fails, Err, or does not answer: the same
	Halted                   // what is in the store cannot be executed: command Index made another state than at its first time, or Err
)

var verbNames = [...]string{"none", "founded", "resumed", "fenced", "resigned", "halted"}

// String gives the verb in words.
func (v Verb) String() string {
	if int(v) < len(verbNames) {
		return verbNames[v]
	}
	return "unknown verb"
}

// Notice is one thing that the machine tells its owner.
type Notice struct {
	Verb    Verb
	Epoch   view.Epoch
	Index   uint64
	Request []byte // Halted: the beginning of the request of command Index
	Err     error
}

// Output is what a step puts out.
type Output struct {
	Store []Operation // in this order
	wire.Outbox
	replica.Answers
	Told []Notice

	data []byte // of the records
}

// Reset makes room for the next step.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Answers.Reset()
	o.Store, o.Told, o.data = o.Store[:0], o.Told[:0], o.data[:0]
}

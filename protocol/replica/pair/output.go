package pair

import (
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Verb is what the machine asks of its owner, or tells it.
type Verb uint8

// The verbs.
const (
	// Ask: whether this member may go on alone in Epoch, the last epoch of both having been
	// Base. Answer with [Machine.Arbitrated]. An arbiter keeps one number, the last epoch granted,
	// 0 at first; it grants if that is at most Base, or is Epoch, and keeps Epoch then.
	Ask Verb = 1 + iota
	// Founded: there was no state anywhere, and the service begins with none, in Epoch.
	Founded
	// Alone: this member serves without a backup, in Epoch, as of the command after Index.
	Alone
	// Paired: this member is primary or backup of a pair that is whole, in Epoch.
	Paired
	// Stopped: the other is silent and the policy does not let this member go on.
	Stopped
	// Lost: this member was overruled by one in Epoch, and gives its state up: the commands
	// from Index to Last are lost. Those as of Answered were answered to clients; 0: none was.
	Lost
	// Diverged: the backup's state differs as of command Index, and is restored from the primary's.
	Diverged
	// Halted: it did so again, or a state could not be written or read: Err. Nothing is executed any
	// more.
	Halted
)

var verbNames = [...]string{"none", "ask", "founded", "alone", "paired", "stopped", "lost", "diverged", "halted"}

// String gives the verb in words.
func (v Verb) String() string {
	if int(v) < len(verbNames) {
		return verbNames[v]
	}
	return "unknown verb"
}

// Command is one thing that the machine asks of its owner, or tells it.
type Command struct {
	Verb     Verb
	Base     view.Epoch
	Epoch    view.Epoch
	Index    uint64
	Last     uint64
	Answered uint64
	Request  []byte // the beginning of the request of command Index, if it is known
	Err      error
}

// Output is what a step puts out.
type Output struct {
	// Save is an epoch to be kept on a disk, for [Recovered]; 0: none. [Machine.Persisted] tells
	// that it is. A member without a disk says so at once.
	Save view.Epoch
	wire.Outbox
	replica.Answers
	Do []Command // in this order
}

// Reset makes room for the next step.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Answers.Reset()
	o.Save, o.Do = 0, o.Do[:0]
}

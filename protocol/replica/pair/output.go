package pair

import (
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Question is whether this member may go on alone in Epoch, the last epoch of both having been Base. Answer with
// [Machine.Arbitrated]. An arbiter keeps one number, the last epoch granted, 0 at first; it grants if that is at
// most Base, or is Epoch, and keeps Epoch then.
type Question struct{ Base, Epoch view.Epoch }

// Output is what a step puts out.
type Output struct {
	// Save is an epoch to be kept on a disk, for [Recovered]; 0: none. [Machine.Persisted] tells
	// that it is. A member without a disk says so at once.
	//
	// To a member that logs it is a record behind all that was executed before. Mate is to be kept with it; and if Anew, the state as it is now
	// takes the place of all that the log has.
	Save view.Epoch
	Mate view.Incarnation
	Anew bool

	wire.Outbox
	replica.Answers
	Do  []replica.Command // in this order
	Ask Question          // to the arbiter; the zero one is none
}

// Reset makes room for the next step.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Answers.Reset()
	o.Save, o.Mate, o.Anew = 0, 0, false
	o.Do, o.Ask = o.Do[:0], Question{}
}

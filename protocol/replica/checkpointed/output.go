package checkpointed

import (
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Output is what a step puts out.
type Output struct {
	Store []Operation // in this order
	wire.Outbox
	replica.Answers
	Do []replica.Command // what it tells

	data []byte // of the records
}

// Reset makes room for the next step.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Answers.Reset()
	o.Store, o.Do, o.data = o.Store[:0], o.Do[:0], o.data[:0]
}

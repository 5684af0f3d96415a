package cast

import "github.com/holdfast-ha/holdfast/protocol/wire"

// Flags say how a record is carried.
type Flags uint8

// The flags.
const (
	Early   Flags = 1 << iota // it may be handed over before what was submitted before it
	Urgent                    // receivers acknowledge it at once
	Control                   // it may use the reserve that is kept for such records
)

// Record is one record of a member's stream that is here, whole. Its bytes are those of
// Data and then those of More, if it lies in several packets: they are not copied
// together, since whoever uses them copies them anyway. They are valid until Release of
// First or beyond, or the next Install, and never to be written to.
type Record struct {
	Rank        int    // whose stream
	First, Last uint64 // the packets that it lies in
	Early       bool   // not in the order of the stream: something before it is missing
	Data        []byte // what lies in First
	More        [][]byte
}

// Output is what a step puts out. The order between frames and records does not matter:
// nothing has to be durable. Frames alias the machine's packets: they must have been
// carried out (sent or copied) before the next call after [Machine.Flush].
type Output struct {
	wire.Outbox
	Records []Record
}

// Reset makes an output empty and keeps its buffers.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Records = o.Records[:0]
}

package wire

import (
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// AllLinks asks for an envelope to go over every link to its receiver.
const AllLinks = 0

// Envelope is one frame for one member, or for several. It may be lost, duplicated and
// reordered, for each of them apart.
type Envelope struct {
	To      view.ID   // view.Everyone: see Members
	Link    uint8     // the link to use, counted from 1; AllLinks for every one
	Members []view.ID // with view.Everyone, who must get it; a transport that sends once for all may give it to others too
	Frame   []byte
}

// Outbox collects the envelopes of one step of a machine. Frames live in one buffer
// that is used again after [Outbox.Reset], so a steady-state step allocates nothing.
// A frame is valid until then.
type Outbox struct {
	Send []Envelope
	buf  []byte
	from int
}

// Reset forgets the envelopes and takes the buffer back.
func (o *Outbox) Reset() { o.Send, o.buf = o.Send[:0], o.buf[:0] }

// Begin starts a frame. The machine appends its message to the returned slice and
// gives it to [Outbox.End], with no other call to the Outbox between.
func (o *Outbox) Begin(h Header) []byte {
	if cap(o.buf)-len(o.buf) < FrameMax {
		// Frames already posted keep the old buffer alive; only growth allocates.
		o.buf = make([]byte, 0, max(2*cap(o.buf), 16*FrameMax))
	}
	o.from = len(o.buf)
	return Begin(o.buf, h)
}

// End finishes the frame that b ends with, b having grown from what Begin returned,
// and posts it. A frame must not be longer than [FrameMax]; a longer one is a bug of
// the machine and panics.
func (o *Outbox) End(to view.ID, link uint8, b []byte) {
	frame := b[o.from:len(b):len(b)]
	if len(frame) > FrameMax {
		panic("wire: a machine made a frame longer than FrameMax")
	}
	Finish(frame)
	o.buf = b
	o.Send = append(o.Send, Envelope{To: to, Link: link, Frame: frame})
}

// EndAll is End for several members: they get the same frame. members must stay as it is
// until [Outbox.Reset].
func (o *Outbox) EndAll(members []view.ID, b []byte) {
	o.End(view.Everyone, AllLinks, b)
	o.Send[len(o.Send)-1].Members = members
}

// Room is how many more bytes may be appended to b, which Begin returned.
func (o *Outbox) Room(b []byte) int { return FrameMax - (len(b) - o.from) }

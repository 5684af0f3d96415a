package order

import "github.com/holdfast-ha/holdfast/protocol/wire"

// engine finds the total order. Of one stream, total messages have their places in stream
// order, whatever the engine; so only the first of each stream that is not delivered yet matters.
type engine interface {
	// install begins a view with so many seats.
	install(n int)
	// stamp is what Encode writes before a total message of this member.
	stamp() uint64
	// message takes the next total message of a stream. It is malformed if that is false.
	message(rank int, stamp uint64, o Order) bool
	// control takes a control record that lies in these packets; what is not read yet is in
	// r. It is malformed, and nothing of it was taken, if that is false.
	control(rank int, first, last uint64, k kind, r wire.Reader) bool
	// agreed is called when the agreed packets of a stream have become more.
	agreed(rank int)
	// step makes the control records that are due.
	step(out *Output)
	// next is the stream that has the next message of the total order, or -1 if that is not
	// known yet. The message itself need not be here.
	next() int
	// unsettled is a stream of which more must be agreed before the place of the next message,
	// which is of this stream, stays the same whoever crashes; -1 if there is none.
	unsettled(rank int) int
	// delivered is told that the next message, of this stream, has been delivered.
	delivered(rank int)
	// needs is the first packet of a stream whose control records are not used up; 0 for none.
	needs(rank int) uint64
	// waits tells for whose control record a message that has no place yet is waiting;
	// -1 if it has one.
	waits(rank int, index uint64) int
	// close fills in the keys of all streams: one for each total message that is here.
	close()
}

// appendHead begins a control record.
func appendHead(dst []byte, k kind) []byte { return append(dst, byte(k)<<4) }

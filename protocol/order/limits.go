package order

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

const (
	// HeaderMax is the most bytes that Encode adds to a payload: kind and order, number,
	// clock, and for every other member of the largest view its rank and how many causal
	// messages of it were delivered since the last one told.
	HeaderMax = 1 + 2*binary.MaxVarintLen64 + 1 + (view.SeatMax-1)*(1+incrementBytes)

	// ControlMax is the most bytes of control records that a Step puts out: proposals for
	// every member of the largest view.
	ControlMax = 1 + view.SeatMax*(1+countBytes+clockBytes)

	// incrementMax is the most causal messages of one member between two of another that a
	// header may tell. It bounds the header; at a million messages a second it takes an hour.
	incrementMax   = 1<<32 - 1
	incrementBytes = 5

	// clockMax is the largest stamp and the largest priority. What is above is malformed: it
	// keeps sums from running over. At a million messages a second it takes 2,000 years.
	clockMax   = 1 << 56
	clockBytes = 9

	// countMax is the most messages that one entry of a control record numbers or proposes
	// for; a longer run takes several. No window holds so many.
	countMax   = 1 << 24
	countBytes = 4

	// aheadMax is how many messages of one stream may be numbered, or have priorities, before
	// the first of them is here, and how many runs of numbers may be unfinished. A correct
	// member stays below: what is not delivered holds up the windows of its senders, and
	// 32 members with windows of 1,024 packets cannot make more runs than 32,768.
	aheadMax = 1 << 20

	// earlyMax is how many packets beyond a gap are remembered as handed over early, so that
	// the end of a quiet stream counts as released once the gap is filled. It is
	// several windows; what is beyond counts as released with the next record in order.
	earlyMax = 4096

	// moveSpan is over how many total messages the sequencer looks at who sends them. It hands
	// over after two such spans in a row in which it sent none itself and the same member
	// sent at least moveShare of every four: each handover costs one message's time.
	moveSpan  = 1024
	moveShare = 3
)

// Sets of ranks are bits of a uint64.
const _ = uint(64 - view.SeatMax)

package checkpointed

import (
	"errors"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// ErrFenced is what the store answers to a claim or a write of an epoch that is older than the one
// that was claimed last.
var ErrFenced = errors.New("checkpointed: a later epoch has claimed the store")

// Kind is what the store is asked for.
type Kind uint8

// The kinds of operations.
const (
	// Look asks for the store's epoch, and for how often it was written to.
	Look Kind = 1 + iota
	// Claim makes Epoch the store's, if it is greater, so that nothing older is written any more.
	Claim
	// Load asks for the last checkpoint and the records since, in order.
	Load
	// Record appends Data as the record of command Index.
	Record
	// Checkpoint keeps Data as the state after command Index, in place of the former one and of the
	// records up to there. The former are given up when the new one is durable as a whole.
	Checkpoint
	// Beat writes nothing but counts as a write.
	Beat
)

// Operation is something that the store is asked for. The operations of a member are done in their
// order, each answered by a [Result] in that order; Load by several. What is written is durable when it is
// answered. A write is refused with [ErrFenced] if its Epoch is older than the store's; that is
// decided where both members' operations meet, together with the write.
type Operation struct {
	Kind   Kind
	Serial uint64 // from 1, one more with each
	Epoch  view.Epoch
	Index  uint64
	Data   []byte // valid until the output is reset
}

// Part is what a Result of Load carries.
type Part uint8

// The parts, in their order.
const (
	Piece Part = 1 + iota // some bytes of the checkpoint's Data, after those before
	Entry                 // the record of command Index
	End                   // nothing: this is all
)

// Result is the store's answer.
type Result struct {
	Serial uint64
	Err    error // nil, [ErrFenced], or why it failed: then nothing of this member is written any more
	Epoch  view.Epoch
	Writes uint64
	Part   Part
	Index  uint64
	Data   []byte // not kept
}

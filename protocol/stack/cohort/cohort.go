// Package cohort wires the machines of group communication: one failure detector a
// process, and for each group that the process is in a membership, streams, orders and a
// state transfer. ("Cohort" is what Viewstamped Replication calls a member of a group.)
//
// A [Node] is what a driver runs and what the simulator runs: bytes and calls go in,
// envelopes and deliveries come out. A [Group] is the node's place in one group.
package cohort

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Candidate is a process that the configuration names.
type Candidate struct {
	ID      view.ID
	Name    string // at most 63 bytes
	Votes   uint8
	Witness bool // votes, and has neither messages nor state
}

// NodeConfig is what all groups of a process share.
type NodeConfig struct {
	Self         view.Member
	Candidates   []Candidate // ascending by ID, Self among them, at most view.SeatMax
	Fingerprint  uint32      // of the cluster's name and of all that members must agree on
	Links        int
	Heartbeat    time.Duration
	SuspectAfter time.Duration
	Perfect      bool           // nobody is suspected but by Node.Suspect: the perfect detector of the simulator
	Recorder     trace.Recorder // nil: nobody listens
}

// GroupConfig is what the members of a group must agree on, and what this one wants.
type GroupConfig struct {
	Name       string // at most 63 bytes
	All        bool   // partition: all; every component goes on. Otherwise primary: the one with the votes
	Engine     order.Engine
	MessageMax int  // bytes; 0 for 1 MiB, which is the most
	Window     int  // packets of a member on their way; 0 for the default. Members may differ
	QueueMax   int  // bytes waiting for the window; 0 for 4 MiB. Members may differ
	HeldMax    int  // bytes waiting for a slow owner over a change of the view; 0 for 64 MiB. Members may differ
	Durable    bool // members have disks: see Stand and Pledge; not with All
	Stateful   bool // a joiner is given the state: it is asked for with Wanted

	Style string // how the state is replicated, a word and what else must be agreed on of it; "": that is not the group's business
}

// Kind says what a delivery is.
type Kind uint8

// The kinds of deliveries. "The old view" is the one that the member was in before.
const (
	// Viewed: a new view. View, Former: the members that come from the old view together
	// with this one (all have delivered the same in it); Refused and so on are zero.
	Viewed Kind = 1 + iota
	// Message: From, Number, Order, Payload and More (valid until the next call of the node).
	Message
	// Blocked: the group does not go on, for want of votes; Missing are not heard.
	Blocked
	// Unblocked: it goes on.
	Unblocked
	// Expelled: this member is out of the group against its will: what it delivered in the
	// old view may not be what the others did. It asks to be let in again by itself; its
	// state is replaced at the join.
	Expelled
	// Merging: with partition: all, this member's component gives itself up for a greater
	// one; what the old view had is delivered. The state is replaced at the join.
	Merging
	// Departed: this member has left as it wanted. It is the last delivery. Unless the others
	// went on without it before it could leave, it has delivered what they have; else what
	// it multicast and did not deliver is Lost.
	Departed
	// Refused: the others do not let this member in; Refusal says why. It goes on asking.
	Refused
	// Wanted: members of Missing (the joiners) want the state as it is at this point. It
	// comes right after Viewed. The owner answers with Group.Serve. It may come again before
	// the former joiners are served: the state of each is that of its own Wanted.
	Wanted
	// ChunkWanted: member Peer wants Last bytes, from offset Number on, of the state at the
	// beginning of View. The owner answers with Group.Chunk.
	ChunkWanted
	// Unwanted: nobody needs the state any more that was wanted, for the joiners Missing, at
	// the beginning of View.
	Unwanted
	// StateBegan: the state at the cut comes; what was delivered before is void.
	StateBegan
	// StateChunk: a piece of it: Payload, in order.
	StateChunk
	// StateFailed: the piece so far is worthless. StateBegan follows later; or Viewed, if
	// nobody is left who has the state.
	StateFailed
	// StateDone: that was all. Viewed follows, and the messages since.
	StateDone
	// Lost: this member's own messages Number to Last were not delivered to it and will not
	// be, since it was expelled or had to begin anew. Whether others have delivered them, it
	// cannot know; if so, they are in the state that it is given next.
	Lost
	// Pledge: the promise to take nothing of an era before Era must go to the disk. The owner
	// answers with Group.Pledged when it is there.
	Pledge
	// Slow: Peer holds this member's messages up, or (Nobody) does so no longer.
	Slow
)

// Delivery is one thing that a group tells its owner, in this order.
type Delivery struct {
	Group   *Group
	Kind    Kind
	View    *view.View
	Former  []view.Member
	Missing []view.Member
	From    view.Member
	Peer    view.ID
	Number  uint64 // of the sender's messages since it joined the group, from 1
	Last    uint64
	Order   order.Order
	Payload []byte
	More    [][]byte // the rest of a long message's payload, which lies in several packets
	Refusal string
	Era     view.Epoch // Viewed, Pledge: of a durable group: since which founding its state goes on
}

// Size is how many bytes the payload has, in all its parts.
func (d *Delivery) Size() int {
	n := len(d.Payload)
	for _, part := range d.More {
		n += len(part)
	}
	return n
}

// Append appends the payload, all parts of it, to dst.
func (d *Delivery) Append(dst []byte) []byte {
	dst = append(dst, d.Payload...)
	for _, part := range d.More {
		dst = append(dst, part...)
	}
	return dst
}

// keep gives the payload memory of its own.
func (d *Delivery) keep() {
	if d.Payload != nil {
		d.Payload, d.More = d.Append(make([]byte, 0, d.Size())), nil
	}
}

// Output is what a step of a node puts out.
type Output struct {
	wire.Outbox
	Deliver []Delivery
}

// Reset makes an output empty and keeps its buffers.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Deliver = o.Deliver[:0]
}

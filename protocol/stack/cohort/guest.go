package cohort

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Guest is what uses a node's transport and its detector, and none of its groups: a service that is not
// replicated by a group. Its owner calls [Node.Begin] before anything that makes it put out frames.
type Guest interface {
	// Receive takes a frame's payload, and says whether it was for this guest. On the channel Group it is of a member that has
	// made a group of a name that is none here.
	Receive(now time.Time, from view.Member, c wire.Channel, payload []byte) bool
	// Suspect tells what the detector thinks of a member.
	Suspect(now time.Time, who view.Member, suspected bool)
	// Flush appends the frames to be sent. They are valid until Reset, which comes when they are.
	Flush(out *Output)
	Reset()
}

// Attach lets a guest in. It is told what is known of the others.
func (n *Node) Attach(now time.Time, g Guest) {
	now = n.begin(now)
	n.guests = append(n.guests, g)
	for _, c := range n.cfg.Candidates {
		if life, suspected := n.detect.Life(c.ID); life != 0 {
			g.Suspect(now, view.Member{ID: c.ID, Incarnation: life}, suspected)
		}
	}
}

// Detach lets a guest go.
func (n *Node) Detach(g Guest) {
	var kept []Guest // the slice may be walked right now
	for _, other := range n.guests {
		if other != g {
			kept = append(kept, other)
		}
	}
	n.guests = kept
}

// Begin begins a call, as each method of the node does by itself: what the step before put out is carried out. It
// gives the time as machines are told it, which never goes back.
func (n *Node) Begin(now time.Time) time.Time { return n.begin(now) }

// Clock gives a time of the machines as one of the owner's clock, for deadlines.
func (n *Node) Clock(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(-n.ahead)
}

// visit gives a frame to the guests. One of a service that is a group here is of a member that is configured otherwise.
func (n *Node) visit(now time.Time, from view.Member, c wire.Channel, payload []byte) {
	if n.offer(now, from, c, payload) {
		return
	}
	if len(payload) >= keySize {
		if g := n.group(binary.BigEndian.Uint32(payload)); g != nil && g.current == nil {
			g.refused(from.ID, TermsOfTwo)
		}
	}
	n.drop(now, from.ID, wire.ForeignGroup, c)
}

// keySize is of a service's key, with which a guest's frames begin as a group's do.
const keySize = 4

// What a member is told of another by whom the same service is kept in a way that has not its own words for it: a member of a group of
// one of two servers, and the other way round.
const (
	TermsOfTwo   = "style=pair or style=checkpointed"
	TermsOfGroup = "style=active, style=passive or style=voted"
)

// offer gives a frame to the guests, and says whether it was for one of them.
func (n *Node) offer(now time.Time, from view.Member, c wire.Channel, payload []byte) bool {
	for _, g := range n.guests {
		if g.Receive(now, from, c, payload) {
			return true
		}
	}
	return false
}

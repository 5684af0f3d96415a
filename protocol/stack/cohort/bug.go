package cohort

import "github.com/holdfast-ha/holdfast/protocol/group"

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug        Bug = iota
	EarlyMessage     // what is multicast while the state comes does not wait for it
	LateView         // what waits for the view is sent, and comes back, before the view is told
	NoClose          // what the orders hold when a view ends is forgotten with it
	FastPath         // a message does not wait behind what a slow owner has not taken
	SameSize         // a view is not told if it has as many members as the one before
	QuietJoin        // a view is not told if all members of the one before come along
	QueueJumps       // a message for which there is room does not wait for those in the queue
	WrongFormer      // all members of a view are said to have come along
	Mute             // only an owner that keeps a message is told who holds it up
	Greedy           // the queue takes what it has no room for
	KeepsQueue       // what waits in the queue is lost with an expulsion, and is sent all the same
	EarlyView        // a view does not wait for the state that belongs to it
	HastyCut         // the state is asked for before a slow owner has taken what belongs to it
)

// follows says whether this member comes from a view of so many members.
func (g *Group) follows(c group.Command, members int) bool {
	n := len(g.history)
	return len(c.Former) > 0 && n > 1 && len(g.history[n-2].View.Seats) == members
}

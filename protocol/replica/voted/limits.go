package voted

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

const (
	// tellAfter is how long after a change of the state, or of the view, a member that does not vote tells its digest.
	tellAfter = 200 * time.Millisecond

	// VotersDefault is how many vote if nothing else is said: the fewest of whom one that is
	// wrong is found out. votersMin and votersMax bound it. Beyond nine, each vote costs every member
	// more than the tolerance of a fifth fault is worth; the bound is that of a view.
	VotersDefault = 3
	votersMin     = 2
	votersMax     = view.SeatMax

	// leastMajority is how many must agree whatever the view has left: one is no vote.
	leastMajority = 2

	// pendingMax is how many requests of clients a member has under way; what comes beyond
	// is refused as busy.
	pendingMax = 512

	// keptMax is how many bytes of replies wait to be decided before requests are refused as busy. What is
	// under way then goes beyond it.
	keptMax = 64 << 20

	// ballotsMax is how many commands may be voted on and not decided: voters wait then. It is
	// half as many as an executor knows digests of.
	ballotsMax = 2048

	// votesMax and votesBytes are how many votes a message has, and how many bytes of replies it is
	// filled with, beyond the first.
	votesMax   = 1024
	votesBytes = 32 << 10

	// comparedMax is the longest reply that is compared, bytes; longer ones must be the same.
	comparedMax = 16 << 10

	// headMax is the most that a message has before what it is about, bytes.
	headMax = 1 + 3*10

	// passEvery is how often at most time is let pass.
	passEvery = 10 * time.Millisecond

	// retryEvery is how often it is tried whether votes can leave, if nothing else happens
	// meanwhile.
	retryEvery = 10 * time.Millisecond
)

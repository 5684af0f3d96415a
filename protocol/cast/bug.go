package cast

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug            Bug = iota
	LostTail             // nobody is asked whether the last packets came
	BoastfulAck          // the last packet is acknowledged, whatever is missing before it
	HastyAgreement       // one vote fewer than a quorum of holders is enough
	DeafToFreeze         // packets are taken, and handed over, after Freeze
	EarlyTwice           // an early record is handed over again when its turn comes
	HastyRelease         // what the owner has released is not kept until all have it
	ForgetfulHolding     // what is here beyond a gap is not reported
	ForeignView          // packets of any view are taken
	GreedyWindow         // what the others have not released does not stop the sender
)

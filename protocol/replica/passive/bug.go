package passive

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug           Bug = iota
	AnswersEarly        // a request is answered when it is executed, not when the update is safe
	BelievesPrimary     // a backup does not compare its digest with the primary's
	KeepsDiverged       // a member that has diverged goes on
	ServesAll           // who is no primary takes requests too
	GivesAhead          // updates are made during a change of the view, and the state with them is given
)

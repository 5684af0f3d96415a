package active

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug           Bug = iota
	BelievesDigests     // digests that differ are not noticed
	KeepsDiverged       // a member that has diverged goes on
	OwnClock            // time is told by each member's clock, as if it were agreed
	AnswersEarly        // a request is executed and answered where it comes in, before it is ordered
)

// early is whom a command is for that was answered already, with AnswersEarly.
const early Client = 1<<64 - 2

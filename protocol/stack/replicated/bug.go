package replicated

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug           Bug = iota
	AnswersUnsaved      // a client is answered before anything is on a disk
	CountsView          // more than half of the view's votes are enough, not of the configured ones
	TrustsOneDisk       // a client is answered when this member's own disk has it
	PromisesUnsaved     // a founding is accepted before the promise is on the disk
	WritesAhead         // what is executed is written at once, sure or not
	KeepsAhead          // outside of views a member stands for what it has executed, sure or not
)

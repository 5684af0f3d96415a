package duo

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug          Bug = iota
	GrantsBoth         // the arbiter forgets whom it has let go on
	GrantsUnsaved      // the arbiter answers before its disk has the epoch
	AnswersUnsaved     // a server with a log answers before its disk has what it answers

)

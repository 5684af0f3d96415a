package takeover

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug        Bug = iota
	AnyAnswer        // Committed of another epoch counts
	SharedEpochs     // members take the same epochs
	Stubborn         // nobody yields to another active
	Impatient        // a handover is granted before the addresses are lowered
)

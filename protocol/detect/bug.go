package detect

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// tests and their judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug        Bug = iota
	NeverSuspect     // silence is never a suspicion
	CountPause       // the time in which this process was not run counts as the others' silence
	OneLink          // one silent link is a suspicion
	ForgetFormer     // a later life does not end the former one
	Unbounded        // patience has no upper bound
	OldLives         // frames of former lives count
)

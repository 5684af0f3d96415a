package session

// Bug is a mistake that a build with the tag "canary" can be told to make, so that tests and judges
// are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug      Bug = iota
	Forgetful      // now and then a reply is not kept
	Reopened       // what was acknowledged may be executed again
	ShortLease     // a lease counts from the opening, not from the last request
	LostTable      // a snapshot is restored without the kept replies
	Leaky          // a cancelled call is not remembered
	Skips          // now and then a call is answered as the one before was, and not executed
	Mixed          // now and then a call is answered as the one before was
	Hasty          // what a member with a slow clock renewed ends by the clock of one that had not heard of it
)

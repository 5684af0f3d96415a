package stateproxy

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug      Bug = iota
	DeafToNack     // what a peer asks for again is not sent again
	EarlyLow       // numbers are declared settled before their replacement was sent
	NoSweep        // a resync does not remove what the source no longer has
	BlindProof     // the peer's digest is not compared
	EarlyWhole     // the replacements of numbers that were never received are not waited for
	NoRoom         // a tombstone comes back to life although the cache is full
	Silent         // what a resync removes is not delivered
	OldWins        // a message is taken although a later one about its object was
	OwnKept        // what the present life gave up is kept with what a former life left
	Storm          // a Mark is answered by a Nack of everything, and a Nack by a Mark
)

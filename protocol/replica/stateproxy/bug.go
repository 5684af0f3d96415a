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
)

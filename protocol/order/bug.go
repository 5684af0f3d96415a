package order

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug         Bug = iota
	Premature         // a total message is delivered before it has its place
	Blind             // dependencies are ignored
	Hasty             // what the sender multicast before is ignored
	Unagreed          // a uniform message is delivered before enough members hold it
	Unfixed           // a uniform total message is delivered before enough members hold what fixes its place
	OwnFirst          // at a view's end each member puts its own messages first
	Stubborn          // the sequencer goes on numbering after it handed over
	FirstProposal     // ISIS: the first proposals are taken for the greatest
	Deaf              // Lamport: the member of the last rank is not waited for
	Careless          // packets are given back while their messages are held
	Unchained         // a total message does not wait for what its sender multicast before
	ForgetsCauses     // what a message adds to its dependencies is taken for all of them
)

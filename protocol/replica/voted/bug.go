package voted

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug        Bug = iota
	AnswersAlone     // a client is answered before the vote
	AnswersOwn       // after the vote it is given the member's own reply, whatever was voted
	KeepsRetired     // a voter that was outvoted goes on
	OneSuffices      // one vote is a majority
	Unchecked        // there is no vote on the state that joiners are given, and they vote on it
)

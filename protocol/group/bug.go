package group

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug           Bug = iota
	Minority            // any component is enough
	NoAdoption          // an accepted proposal is forgotten by the next ballot
	NoFill              // a view is proposed before its members hold the cut
	ShortCut            // the cut has only what everybody holds
	Deaf                // a promise is broken: lower ballots are answered too
	HalfCommit          // one acceptance is enough
	KeepsDead           // a suspected member stays in the next view
	KeepsOldLife        // a joiner takes the seat of its former life
	ForgetsFloor        // an old commit lets a member into a view that it has left
	NoPatience          // a view change that does not go on is not begun anew
	NoEpoch             // a founding counts epochs from one
	ForgetsStanding     // who founds a durable group does not ask whose state is the latest
)

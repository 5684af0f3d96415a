package stack

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug        Bug = iota
	HollowCommit     // Commit puts nothing into the table
	HastyReading     // a reading goes on after the active is gone
	NoGrace          // what a former active still saw is not taken
)

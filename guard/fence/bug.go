package fence

// Bug is a mistake that a build with the tag "canary" can be told to make, so that tests and
// judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug      Bug = iota
	Open           // no token is stale
	SharedOnly     // only shared tokens are refused
)

package stack

import "time"

const (
	// nameMax is the longest name of a cluster, member or version in bytes.
	nameMax = 63

	// chunk is how many objects one step looks at when it goes through a cache: below
	// a millisecond, so that heartbeats on the same goroutine are not late.
	chunk = 1024

	// linger is how long a former active goes on as a source after it has seen its
	// successor, and how long the successor takes flows from it that it does not have:
	// as long as neighbours take to learn the new place of an address, and more.
	linger = 300 * time.Millisecond

	// settledWithin is how old the last proof of a peer may be for a planned handover
	// to go on: under load there is always a change on its way, and those that are
	// follow as late arrivals.
	settledWithin = 100 * time.Millisecond

	// identifyEvery is how often a node says its names to peers it does not agree with
	// or does not hear.
	identifyEvery = time.Second

	// missingMax bounds the objects remembered between the two readings that must both
	// miss an object before it is deleted; what is beyond waits for the next readings.
	missingMax = 1 << 20
)

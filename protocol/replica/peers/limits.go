package peers

import "time"

const (
	// renewPart is into how many parts of the lease renewals divide it: three may be late or lost
	// before the work is told to stop with a margin of a fourth.
	renewPart = 5

	// LeaseMin is the shortest lease: below, a pause of the garbage collector ends a session.
	LeaseMin = 50 * time.Millisecond

	// LeaseMax is the longest lease: so long is what a crashed member held kept from the others.
	LeaseMax = time.Hour

	// waitingMax is how many calls wait for a session, and underwayMax how many of a member's messages
	// are on their way, before what is asked fails as Busy.
	waitingMax  = 4096
	underwayMax = 4096

	// BodyMax is the longest body of a call: far more than a request for a lock has.
	BodyMax = 64 << 10

	// sessionsMax is how many sessions a state has at most: those of all seats, and of as many lives of each as
	// can be gone within a lease if they come back as fast as a group can let them in.
	sessionsMax = 1 << 16

	// stateMax is the longest state in bytes that is read.
	stateMax = 192 << 20
)

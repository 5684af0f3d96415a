package active

import "time"

const (
	// pendingMax is how many requests of clients a member has under way; what comes beyond
	// is refused as busy, so that a queue does not only make everybody wait longer.
	pendingMax = 4096

	// tellAfter is how long after its last command a member tells its digest by itself, if no
	// message of its own has carried it.
	tellAfter = 200 * time.Millisecond

	// headMax is the most that a message has before its request, bytes: kind, varint, digest.
	headMax = 1 + 10 + 8

	// passEvery is how often at most time is let pass.
	passEvery = 10 * time.Millisecond
)

package client

import "time"

const (
	// leaseDefault is the lease of a session whose owner does not say.
	leaseDefault = 10 * time.Second

	// marginPart is the part of the lease that is its margin, if its owner does not say.
	marginPart = 5

	// retryDefault is the default of Config.RetryMax, retryMin the least time that is waited for an answer:
	// more than the members take to agree when nothing is wrong. The first wait is a retryPart of the longest.
	retryDefault = 250 * time.Millisecond
	retryMin     = 20 * time.Millisecond
	retryPart    = 4

	// patience is the deadline of a call whose context has none.
	patience = 24 * time.Hour

	// knowMax is how long a call whose context is done waits to know whether it was executed.
	knowMax = 250 * time.Millisecond

	// redialMin and redialMax bound the time until a server that could not be reached is
	// tried again; it doubles.
	redialMin = 20 * time.Millisecond
	redialMax = 250 * time.Millisecond

	// dialMax is how long a server may take to accept.
	dialMax = time.Second

	// writeMax is how long a server's socket may have no room.
	writeMax = time.Second

	// owedMax is how many bytes wait for a server that does not take them.
	owedMax = 16 << 20

	// keptMax is the largest buffer that is kept for what comes next.
	keptMax = 64 << 10

	// noteBytes is how large a file of notes may be before it is begun anew.
	noteBytes = 1 << 20

	// stepMin is by how much the wall clock must have been ahead of what went by before it is taken for set
	// forward: less is the time between looking at two clocks.
	stepMin = 10 * time.Millisecond
)

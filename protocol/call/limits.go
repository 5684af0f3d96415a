package call

import "time"

const (
	// serversMax is the most servers: one bit each.
	serversMax = 64

	// callsMax is how many calls may be open, on their way or waiting for their turn. Beyond, Submit refuses: a
	// longer queue would only make everybody wait longer.
	callsMax = 4096

	// bytesMax bounds the bodies of open calls together, for they are kept for repeating.
	bytesMax = 64 << 20

	// retryStart and retryCap are the defaults of RetryMin and RetryMax: above what a server in the same building takes,
	// and what a recovering one stands.
	retryStart = 50 * time.Millisecond
	retryCap   = time.Second

	// retryLeast is the least RetryMin: below, a timer costs as much as the call.
	retryLeast = time.Millisecond

	// byteWait is how much longer the answer to a request is waited for with each byte of it: five megabytes a second is
	// what busy members get done with a network of a gigabit, and the more is repeated the less they do.
	byteWait = 200 * time.Nanosecond

	// patience is the default deadline of a call: people have gone by then.
	patience = 10 * time.Second

	// marginPart is the default margin of a lease: a fifth of it. Clocks that differ by a fifth are broken.
	marginPart = 5

	// renewPart is after which part of the lease it is renewed: a third, so that two renewals may be lost.
	renewPart = 3

	// beatsMax is how many sendings of an Open or Renew are remembered, to know which of them a reply is to. Older
	// ones would not make the lease longer.
	beatsMax = 8

	// freeSize is the largest request whose buffer is kept for further calls, freeMax how many are.
	freeSize = 4096
	freeMax  = 1024

	// runningMax is how many long calls a server knows of, and doomedMax how many names of calls that were to be
	// killed before they came.
	runningMax = 4096
	doomedMax  = 4096

	// livesMax is how many clients' lives a server knows: as many as there can be sessions.
	livesMax = 1 << 14

	// locateStart and quantumStart are defaults of the answers to orphans: long enough for a busy client, short
	// enough that an orphan does little harm.
	locateStart  = 2 * time.Second
	quantumStart = 10 * time.Second

	// askPart is after which part of its quantum a call asks for another: half, so that the question may be repeated.
	askPart = 2
)

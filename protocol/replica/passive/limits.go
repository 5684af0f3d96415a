package passive

import "time"

const (
	// waitingMax is how many requests wait at the primary, and aheadMax how many it is ahead of
	// what is delivered; what comes beyond is refused as busy, so that a queue does not only
	// make everybody wait longer. aheadMax is below the number of digests that an executor knows:
	// the primary can tell its digest after any update that a backup doubts.
	waitingMax = 4096
	aheadMax   = 2048

	// bytesMax is how many bytes of requests wait at the primary, and of replies to what it is ahead:
	// sixty-four of the longest. The last reply goes beyond.
	bytesMax = 64 << 20

	// disputesMax is how many doubts of a view are looked into: each member has one at most.
	disputesMax = 32

	// passEvery is how often at most time is let pass.
	passEvery = 10 * time.Millisecond

	// retryEvery is how often it is tried whether requests that wait can leave, if nothing else
	// happens meanwhile.
	retryEvery = 10 * time.Millisecond

	// tellAfter is how long after a change of the state, or of the view, a member tells its digest.
	tellAfter = 200 * time.Millisecond

	// askedMax is how many requests of its clients a backup has sent on and not heard of.
	askedMax = 2048

	// askedMost is how long a backup that has sent requests on goes without an update for any of them before it takes it that the
	// primary has dropped them all: one that it takes answers those before it. It is far more than the primary needs.
	askedMost = time.Second

	// headMax is the most that a message has before its request, bytes: kind, two varints, a
	// digest, a member and a varint.
	headMax = 1 + 10 + 10 + 8 + 3 + 10
)

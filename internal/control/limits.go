package control

import "time"

// answerMax bounds what a client reads of one answer: a status of 16 peers with every
// counter is under 64 KiB, one of 64 groups of 32 members with their histories under 2 MiB.
const answerMax = 4 << 20

// The waits.
const (
	// statusWait is how long a node may take for its status.
	statusWait = 2 * time.Second
	// dialWait is how long a node may take to accept.
	dialWait = 2 * time.Second
)

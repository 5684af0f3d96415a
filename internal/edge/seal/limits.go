package seal

import "github.com/holdfast-ha/holdfast/protocol/wire"

// The bounds of this package.
const (
	// Max is the size of the largest envelope in bytes.
	Max = HeaderSize + wire.FrameMax + TagSize

	// LinkMax is the largest number of links: each costs a copy of every envelope and
	// four kilobytes of window per member.
	LinkMax = 8

	// CounterMax is the last counter of a life. It keeps AES-GCM far from the number of
	// blocks at which ciphertexts under one key become distinguishable (NIST SP
	// 800-38D), and is eight years at a million envelopes a second.
	CounterMax = 1 << 48

	// windowWords is the size of a replay window in words of 64 counters. One word is
	// being filled, so the window covers 32 768 counters: 30 ms at a million envelopes a
	// second, more than two links of one site, or two sockets of one link, differ. It costs
	// 4 KiB for each member and link.
	windowWords = 513
)

package journal

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// tests are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug           Bug = iota
	ForgottenSync       // records are told durable without a sync
	EarlyRename         // a snapshot gets its name before its bytes are durable
	EarlyRemoval        // what a snapshot covers is removed before its name is durable
	BlindChain          // a record of an older file is taken for a valid one
	DeepCut             // the last whole record goes with the torn tail
	BlindTail           // any bad record is taken for a torn tail
	NamelessSegment     // a new segment's name is not made durable
	SecondChance        // a failed sync is tried again
	ShallowRecovery     // recovery takes for durable what only the kernel has
)

package lock

// Bug is a mistake that a build with the tag "canary" can be told to make, so that tests and
// judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug       Bug = iota
	Crowded         // an exclusive request is granted beside shared owners
	QueueJumper     // a shared request does not wait behind an exclusive one
	Forgetful       // when a waiter gives up, nobody looks whether the next can be granted
	Haunted         // a session that ended keeps its places in queues
	StaleLeave      // Leave does not look at the token
	Rewound         // a snapshot does not carry the counter, so tokens come again
	LastWins        // of two assertions the later wins, not the greater token
	Eager           // locks are granted while the window of recovery is open
	DigestBlind     // the digest does not see that a waiter has become an owner
	Unbroken        // a broken lock's next owner has the token of the broken one
	Starving        // with the loose order nobody counts who is overtaken
	Floorless       // a service that begins with nothing counts from 1 again
	Counts          // with the loose order the count of overtakers begins anew with each who enters
	Mixed           // a shared request is granted beside an exclusive owner
	Undead          // a session that ended keeps its locks
	Lingering       // a session that ended keeps its places in queues for exclusive use
	Coy             // who was granted a lock is told that it waits, whatever it asks
	BackOfQueue     // who asserts a turn is put at the end of the queue
	Overstays       // a holder does not see that its lease is over
)

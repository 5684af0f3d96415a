package cohort

import "time"

const (
	// nameMax bounds names in bytes: they are read out and logged.
	nameMax = 63

	// groupsMax bounds the groups of one process: each costs its windows and its pulses.
	groupsMax = 64

	// messageMax is the largest message in bytes. A message enters the window whole.
	messageMax = 1 << 20

	// queueDefault is how many bytes wait for the window by default, and queueEntry what a
	// message counts beyond its bytes.
	queueDefault = 4 << 20
	queueEntry   = 64

	// spoolMax is how many bytes of messages a joiner keeps while it fetches the state, until
	// it slows the group down.
	spoolMax = 32 << 20

	// heldDefault is how many bytes of messages may wait for a slow owner at the end of a
	// view, by default. In the next one its senders get new windows; so a member with more
	// rests outside until its owner has taken them.
	heldDefault = 64 << 20

	// slowAfter is how long a member must hold messages up until the owner is told of it.
	slowAfter = 100 * time.Millisecond

	// anewMin is for how long a member stays outside whose state was not good a second time, twice as long each time
	// that follows, and anewMax at most: a view change stops a group for some milliseconds, which is nothing to
	// it once in five seconds. It is forgotten when the member was well for anewForget.
	anewMin    = 100 * time.Millisecond
	anewMax    = 5 * time.Second
	anewForget = 10 * time.Second

	// batchMax is how many held deliveries are handed over in one step.
	batchMax = 4096

	// largeFrame is from how many bytes on a frame goes over one link only.
	largeFrame = 700

	// roundsMax bounds the rounds in which one step settles: each hands what the streams
	// have to the orders and what the orders say to the streams. Three suffice; the rest
	// waits for the next step.
	roundsMax = 16

	// historyMax is how many past views a group remembers for people.
	historyMax = 32

	// pulseHeartbeats is the pulse of a group in heartbeats: it repeats what is mostly known.
	pulseHeartbeats = 4
)

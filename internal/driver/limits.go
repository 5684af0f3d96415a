package driver

import "time"

// The bounds of a cohort.
const (
	// turnsMax is how many steps one serves before the relay takes over; for those that
	// do nothing else it is as good as no bound.
	turnsMax = 1 << 20

	// nudgeTurns is how many steps a goroutine of the application serves when it comes to
	// multicast: its own, and what came meanwhile.
	nudgeTurns = 2

	// alarmMin is the least time for which the alarm is set, so that a deadline that has
	// passed already does not turn the alarm off.
	alarmMin = 10 * time.Microsecond

	// packBytes is how much is queued before a message is sent while others are on their
	// way, though it has not waited for packMax. Every sending wakes all members: at 32 KiB
	// a stream of messages of 1 or 8 KiB took 15 to 25 % more processor time.
	packBytes = 192 << 10

	// packMin is how long after a message was sent the next one waits for company if the
	// application has not seen the former one: it does not wait for it then.
	packMin = 30 * time.Microsecond

	// burstMax is how many messages may go at once in packMax, though none would have to
	// wait: an answer from another member takes a third of that time at least.
	burstMax = 4

	// packMax is the longest that a message waits for company.
	packMax = 100 * time.Microsecond

	// holdMax is the longest that clients' requests wait for those before them to be answered,
	// so that they go together: longer than that takes on a network that is near.
	holdMax = 2 * time.Millisecond

	// deliverMany is how many deliveries at once suggest that there are more at once: the
	// node gives out in portions what it kept back.
	deliverMany = 1024

	// submitMax bounds the bytes that wait to be handed to the node, since the window is
	// full or there is no view; then Multicast blocks.
	submitMax = 256 << 10

	// messageCost is what a message takes in a queue beside its payload, in bytes.
	messageCost = 64

	// eventsMaxDefault is how many bytes of events wait for the application by default
	// before the group is slowed down.
	eventsMaxDefault = 4 << 20

	// spoolMemory is how much of a snapshot is kept in memory; the rest is in a file.
	spoolMemory = 4 << 20

	// chunkMax bounds one answer to a wish for state.
	chunkMax = 64 << 10
)

package daemon

import "time"

const (
	// opsMax is how many orders about flows are gathered before the kernel is asked: it
	// takes about a millisecond, which no heartbeat notices.
	opsMax = 256

	// readsMax bounds the reads of events in one step, 1024 events each.
	readsMax = 4

	// relatedMax bounds the related flows that wait for their masters during a commit;
	// what is beyond goes in without waiting.
	relatedMax = 1 << 16

	// renewEvery is how often the life of the held addresses is prolonged. It is a third
	// of that life, so that two renewals may be missed.
	renewEvery = time.Second

	// raiseRetry is how soon addresses that could not be added are tried again.
	raiseRetry = 100 * time.Millisecond

	// stopMax is how long a clean stop may take, a handover included.
	stopMax = 12 * time.Second

	// switchMax is how long a planned handover is waited for; the takeover gives one up
	// after ten seconds.
	switchMax = 15 * time.Second

	// apiGrace is how long open requests of the admin API may take at the end.
	apiGrace = 500 * time.Millisecond

	// dumpRest is how long after addresses have moved no table is read. The kernel goes
	// through its whole hash table with soft interrupts off, 40 ns a bucket, in which the
	// processor forwards nothing: 10 ms for 262,144 buckets, empty or not. In the moment
	// in which clients wait that would be as much more silence.
	dumpRest = 100 * time.Millisecond
)

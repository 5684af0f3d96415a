package takeover

import "time"

const (
	// linksMax is the most links between two members: the links a member hears are
	// told in one byte.
	linksMax = 8

	// membersMax is the most members. Every member speaks to every other on every
	// link each heartbeat, so the traffic grows with the square.
	membersMax = 16

	// heartbeatMin is the shortest heartbeat interval. Below it, the cost of a timer
	// and of a datagram on each link is no longer small against the interval.
	heartbeatMin = time.Millisecond

	// heartbeatsPerSuspicion is how many heartbeats must fit into SuspectAfter, so
	// that two lost in a row are not yet a suspicion.
	heartbeatsPerSuspicion = 3

	// patienceHeartbeats is how many heartbeats beyond SuspectAfter a node listens
	// before it believes that nobody is active, and gives a better candidate to act.
	patienceHeartbeats = 3

	// burstMax is the most heartbeat rounds sent between two beats because
	// something changed. What does not fit is said at the next beat.
	burstMax = 8

	// settleMax is the most times that the rules are gone through for one input.
	// Three suffice for the longest chain (a vacancy is seen, this node stands
	// by, it promotes itself); the rest is for the next beat.
	settleMax = 4

	// readyMax is how long a successor has for becoming ready. The active serves
	// meanwhile, so this costs nobody anything; putting a million flows into the
	// kernel takes about five seconds.
	readyMax = 10 * time.Second

	// handoverMax is how long a successor has for becoming active after the grant, and
	// how long an active that is not healthy waits for a synced successor.
	handoverMax = 2 * time.Second

	// lowerMax is how long the service has for lowering the addresses: one kernel
	// call an address.
	lowerMax = time.Second

	// retryMin is the pause after a handover that was given up, so that one which
	// fails for a lasting reason is not begun over and over.
	retryMin = time.Second

	// commitMax is how long a better or faster candidate may stay promoting before
	// others try themselves. It covers putting a million flows into the kernel.
	commitMax = 5 * time.Second

	// preemptStable is how long a node that would like to preempt must have been
	// healthy, synced and better placed without a break. A node that flaps faster
	// than this never moves the addresses.
	preemptStable = 5 * time.Second

	// goodbyes is how often a goodbye is said; it is not acknowledged.
	goodbyes = 3

	// announceEvery is the interval of announcements after the first burst, for
	// switches and neighbours that forgot.
	announceEvery = 10 * time.Second

	// epochMax is the highest epoch that is believed. One takeover a millisecond
	// would take nine thousand years to reach it.
	epochMax = 1 << 48
)

// announceAfter is the burst after the addresses were raised, counted from then. The
// first announcement is part of raising itself; these are for those that missed it.
var announceAfter = [...]time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second}

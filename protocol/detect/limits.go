package detect

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

const (
	// linksMax is the most links between two members: those that a member hears are told
	// in one byte.
	linksMax = 8

	// peersMax is the most peers. Each is sent a heartbeat on every link each interval,
	// so the traffic grows with the square of the members.
	peersMax = view.SeatMax - 1

	// heartbeatMin is the shortest heartbeat interval. Below it, the cost of a timer
	// and of a datagram on each link is no longer small against the interval.
	heartbeatMin = time.Millisecond

	// heartbeatsPerSuspicion is how many heartbeats must fit into SuspectAfter, so that
	// two lost in a row are not yet a suspicion.
	heartbeatsPerSuspicion = 3

	// suspectMax is the longest SuspectAfter. It keeps the sum of squares of a full
	// window of intervals, in microseconds, within 64 bits; and nobody who waits a
	// minute for a failure needs a detector.
	suspectMax = time.Minute

	// patienceMax bounds how much longer than SuspectAfter irregular arrivals and
	// flapping make a suspicion wait, as a multiple of it: whoever depends on this
	// detector is promised a time.
	patienceMax = 2

	// windowSize is how many intervals between a peer's heartbeats are remembered. With
	// one in a hundred lost, a window has such an interval in it more often than not; and
	// at a tenth of a second each, a change of the network is forgotten in 13 s.
	windowSize = 128

	// deviationFloor is the least standard deviation believed, as a part of the heartbeat
	// interval: a fourth. Arrivals of one machine's tests deviate by microseconds, and
	// the first late timer would be beyond all doubt. With it, phi reaches the threshold at
	// 2.4 intervals, below the least SuspectAfter.
	deviationFloor = 4

	// pausePart is the part of SuspectAfter by which being called too late makes a pause:
	// a fourth. Less may be the scheduler. Together with two heartbeats it is below the
	// least SuspectAfter, so what is not yet a pause is not yet a suspicion.
	pausePart = 4

	// graceHeartbeats is the least time that a peer has for being heard after a pause of
	// this process, once between two arrivals: what it sent meanwhile lies in the socket.
	graceHeartbeats = 2

	// flapPatience is by how much a wrong suspicion makes the next wait longer, as a part
	// of SuspectAfter: a half. Two of late exhaust what patienceMax leaves.
	flapPatience = 0.5

	// flapHalfLife is the time in which half a wrong suspicion is forgotten. A cable that
	// fails once a day is treated as sound, one that fails ten times an hour is not.
	flapHalfLife = 30 * time.Minute

	// flapMax is the most wrong suspicions remembered: two hours and a half after the
	// last, a peer counts as if it had had one.
	flapMax = 32
)

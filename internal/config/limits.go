package config

import "time"

// The bounds. Each has its reason; reaching one is an error with a remedy.
const (
	// fileSizeMax bounds what is read: a file of two members is under 2 KiB, and the
	// parser's memory and stack grow with the input.
	fileSizeMax = 64 << 10

	// diagnosticsMax bounds what one broken file prints: a person mends the first ones.
	diagnosticsMax = 50

	// nameSizeMax bounds names: they are in frames, tables and metric labels.
	nameSizeMax = 32

	// membersMax is what protocol/takeover elects among.
	membersMax = 2

	// groupMembersMax is how many seats a view has.
	groupMembersMax = 32

	// votersDefault is how many members vote on replies if nothing else is said: the fewest of
	// whom one that is wrong is found out.
	votersDefault = 3

	// groupsMax is how many groups a process can be in.
	groupsMax = 64

	// WindowDefault is the window of recovery of a lock service: the lease that clients have if they do not
	// say. A shorter one than windowMin leaves clients no time, and numbers none to stay below the
	// next floor (docs/guarantees.md, L2); leaseMin is of protocol/session, like the longest of both.
	WindowDefault = 10 * time.Second
	windowMin     = 500 * time.Millisecond
	leaseMin      = 10 * time.Millisecond
	leaseMax      = 24 * time.Hour

	// messageMax is the longest message of a group: one must not hold the others up.
	messageMax = 1 << 20

	// votesMax is the most votes of one member: they are a byte in frames.
	votesMax = 255

	// linksMax bounds the copies of each datagram; more than a few links add load, not
	// safety.
	linksMax = 8

	// addressesMax bounds the work between "state is in the kernel" and "the addresses
	// have moved", which is what clients wait for.
	addressesMax = 256

	// ignoreMax bounds the comparisons made per new flow.
	ignoreMax = 256

	// trackMax bounds the interfaces watched.
	trackMax = 256

	// interfaceNameMax is the kernel's IFNAMSIZ less its terminating zero.
	interfaceNameMax = 15

	// socketPathMax is the size of sun_path in the kernel's sockaddr_un less its
	// terminating zero.
	socketPathMax = 107

	// heartbeatMin keeps heartbeats above the precision of a sleeping process.
	heartbeatMin = time.Millisecond
	// heartbeatMax keeps a standby from learning of a death after clients gave up.
	heartbeatMax = 10 * time.Second
	// suspectHeartbeats is how many heartbeats must be missed: with fewer, one lost
	// datagram and one late timer are a takeover.
	suspectHeartbeats = 3
	// suspectHeartbeatsDefault keeps the default in proportion to a longer heartbeat.
	suspectHeartbeatsDefault = 5
	// groupSuspectHeartbeats is the default with groups.
	groupSuspectHeartbeats = 10
	// suspectMax is beyond what a retransmitting client waits.
	suspectMax = time.Minute

	// coalesceMax is the longest that changes may stay in one node only.
	coalesceMax = time.Second

	// flowsMin is less than any real firewall holds.
	flowsMin = 1 << 10
	// flowsMax is about 8 GiB of flows, where 32-bit positions in tables stay safe.
	flowsMax = 1 << 24
)

// The defaults, filled in where the file says nothing.
const (
	// PortDefault is the UDP port of the links. No other common service has it by
	// default on a firewall.
	PortDefault = 7946

	// PriorityDefault is the middle of the range, as in VRRP (RFC 9568).
	PriorityDefault = 100

	// HeartbeatDefault and SuspectAfterDefault find a dead node within 60 ms.
	HeartbeatDefault    = 10 * time.Millisecond
	SuspectAfterDefault = 50 * time.Millisecond

	// GroupHeartbeatDefault and its suspicion after ten of them leave a process half a
	// second to collect its garbage.
	GroupHeartbeatDefault = 50 * time.Millisecond

	// CoalesceDefault gathers the three states of a TCP handshake on a local network.
	CoalesceDefault = 2 * time.Millisecond

	// MaxFlowsDefault is the connection tracking table's size of a kernel with 8 GiB.
	MaxFlowsDefault = 1 << 18

	// SocketFolder is where control sockets are by default, named after the cluster.
	SocketFolder = "/run/holdfast"
)

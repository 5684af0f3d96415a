package udp

import (
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/seal"
)

// The bounds of this package.
const (
	// arenaSize is how many bytes of datagrams wait for a Flush; Send flushes when there
	// is no room for one more. It holds 128 full datagrams, more than three of the largest
	// messages that the kernel takes; more would not save system calls worth the memory.
	arenaSize = 128 * seal.Max

	// messageMax is how many messages one sendmmsg takes: a datagram for several members
	// is as many.
	messageMax = 256

	// segmentsMax is how many datagrams the kernel cuts one message into (UDP_MAX_SEGMENTS
	// of Linux before 6.6; 128 since).
	segmentsMax = 64

	// superMax is the largest message in bytes that the kernel cuts into datagrams: the
	// largest UDP datagram over IPv4.
	superMax = 65507

	// batchMax is how many messages one recvmmsg takes. Each may be a whole run of
	// datagrams that the kernel has put together (UDP_GRO), so each has 64 KiB of room.
	batchMax = 16

	// receiveMax is after how many datagrams one Receive ends, so that one busy link cannot
	// keep the loop from timers and other links: about a millisecond of work. The last
	// recvmmsg may bring more, batchMax times segmentsMax at most, which is as much again.
	receiveMax = 1024

	// bufferDefault is what the receive and send buffers of the sockets are by default,
	// in bytes: a burst of some thousand full datagrams while the process is not running.
	bufferDefault = 8 << 20

	// twinMax is how long after a member was heard a later life of it, from another
	// address, is taken for a second process under its name. A process that moves to
	// another address is heard after this time.
	twinMax = 2 * time.Second

	// noticeMin is the time between two notices to the second process: whoever can make
	// one send datagrams must not make us send more.
	noticeMin = time.Second
)

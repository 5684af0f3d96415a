package address

import "time"

// The bounds of this package.
const (
	// addressMax bounds the work between "the state is in the kernel" and "the
	// addresses have moved", which is what clients wait for.
	addressMax = 256

	// watchMax bounds the interfaces watched: each is asked for after a lost message.
	watchMax = 256

	// LifetimeDefault is how long addresses outlive a daemon that was killed: longer
	// than a daemon may stall without being dead, shorter than people wait.
	LifetimeDefault = 3 * time.Second

	// lifetimeMin leaves room to renew in time: the kernel counts in seconds and may
	// expire an address a little early.
	lifetimeMin = 2 * time.Second

	// lifetimeMax keeps the promise that a dead daemon's addresses vanish by themselves
	// while people still look on.
	lifetimeMax = 5 * time.Minute

	// readMax is how many netlink datagrams one Read of a Watch takes: the notifications
	// of a host that creates containers by the hundred must not stall the loop.
	readMax = 64

	// readSize is the room for one netlink datagram. The kernel makes notifications of
	// one interface of up to about 8 KiB, with every statistic and virtual function.
	readSize = 64 << 10

	// watchBuffer is the receive buffer of a Watch in bytes; some hundred notifications.
	watchBuffer = 1 << 20
)

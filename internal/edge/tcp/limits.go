package tcp

import (
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/seal"
)

// The bounds of this package.
const (
	// unitMax is the size of the largest unit of a stream: its length and an envelope.
	unitMax = lengthSize + seal.Max

	// queueMax is how many bytes wait in this process for one member on one link, beyond
	// what the kernel has taken: more than a full window of 1024 packets. What does not
	// fit is lost, and sent again by whoever needs it.
	queueMax = 2 << 20

	// readMax is how many bytes are read from one stream at once: some 180 full frames.
	readMax = 256 << 10

	// receiveMax is after how many frames and events one Receive ends, so that one busy
	// link cannot keep the loop from timers and other links: about a millisecond of work.
	// What has been read with the last of them comes on top: readMax at most.
	receiveMax = 1024

	// eventsMax is how many streams one look at a link serves.
	eventsMax = 32

	// strangerMax bounds the accepted streams of a link that have not said who they are.
	// When there are more, the oldest from an address of no member is closed first.
	strangerMax = 16

	// backlog bounds the streams that the kernel has accepted and we have not.
	backlog = 64

	// helloMax is how long a stream may take from being begun to being greeted: some
	// round trips, and the first repeat of TCP after a second.
	helloMax = 2 * time.Second

	// retryMin and retryMax bound the pause before a stream is begun again; it doubles
	// with each failure. The longest is short, since a member that comes back should be
	// heard at once and trying costs one packet.
	retryMin = 20 * time.Millisecond
	retryMax = 500 * time.Millisecond

	// silentMax is how long data may be under way without being acknowledged until the
	// kernel gives the stream up (TCP_USER_TIMEOUT).
	silentMax = 5 * time.Second

	// twinMax is how long after a member was heard a later life of it, from another
	// address, is taken for a second process under its name.
	twinMax = 2 * time.Second

	// clusterMax is the size of the longest name of a cluster in bytes.
	clusterMax = 255
)

package pair

import "time"

const (
	// epochMax is the highest epoch that is believed: 2^48 changes take longer than any
	// installation lives.
	epochMax = 1 << 48

	// pieceMax is how many bytes of a stream go into a frame: what fits, on a cache line, with headRoom bytes
	// before the message.
	pieceMax = 1344
	headRoom = 4

	// windowMax is how many bytes of a stream may be on their way unacknowledged: a local
	// network's delay at 10 Gbit/s, and not more than a receive buffer takes.
	windowMax = 256 << 10

	// logMax is how many bytes of updates the primary keeps for the backup. Beyond it new
	// requests are refused as busy: a queue that grows only makes everybody wait longer. The
	// longest request fits several times.
	logMax = 8 << 20

	// pendingMax is how many updates may be unacknowledged, and repliesMax how many bytes of
	// replies are kept for them, to be given if the backup falls.
	pendingMax = 4096
	repliesMax = 8 << 20

	// snapshotMax is the largest state that is copied, bytes: it is held in memory once more while it is.
	snapshotMax = 1 << 31

	// ackBytes is after how many bytes of a stream the backup acknowledges at once; ackAfter
	// is when it does so anyway. No answer waits for it, so it may gather.
	ackBytes = 32 << 10
	ackAfter = time.Millisecond

	// retryMin is the shortest time after which a stream is sent again from where it was
	// acknowledged: ackAfter and what a busy host takes. It doubles up to retryMax while nothing is
	// acknowledged.
	retryMin = 5 * time.Millisecond
	retryMax = 100 * time.Millisecond

	// relapse is how many commands after a restore a second divergence says that the service is
	// not deterministic; later it is taken for another fault of the memory.
	relapse = 1 << 16

	// passEvery is how often at most time is let pass.
	passEvery = 10 * time.Millisecond

	// passSize is more than a request that lets time pass has, bytes.
	passSize = 64
)

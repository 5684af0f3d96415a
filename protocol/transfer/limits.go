package transfer

import (
	"math"
	"time"
)

const (
	// pieceSize is how many bytes of the state go into a frame: 21 cache lines, the most
	// that fit. All full pieces are of one size, so that a transport can send a run
	// of them with one call.
	pieceSize = 1344

	// askMax is the most bytes asked of the donor's owner at once. It is large enough that
	// the cost of asking does not count, and small enough for a buffer.
	askMax = 64 * pieceSize

	// rangesMax is how many ranges one request names; it fits a frame.
	rangesMax = 64

	// windowMax is how many pieces may be on their way to the joiner: 688,128 bytes, which
	// leaves room in a receive buffer of a megabyte.
	windowMax = 512

	// windowStart is how many are at first, and with another donor.
	windowStart = 64

	// windowLoss is what the window does not fall below for pieces that are lost now and
	// then: at 20 % loss nearly every window has some, and shrinking further would only
	// make it slow.
	windowLoss = 64

	// windowMin is what it does not fall below when most are lost, or nothing comes between
	// two timeouts: then it is the window that fills a queue somewhere.
	windowMin = 8

	// ringSize is how many pieces the joiner has room for, in order or not. Twice windowMax, so
	// that what was handed over is not written to while the next window arrives.
	ringSize = 2 * windowMax

	// batchMax bounds how many pieces' room is gathered before they are asked for: a request
	// for each piece would double the datagrams.
	batchMax = 32

	// backoffMax is how often the time for a repeated request doubles.
	backoffMax = 8

	// pendingMax is how many ranges the donor's owner may owe to one joiner. What goes
	// beyond is asked for again.
	pendingMax = 256

	// pendingAge is when an answer that the owner owes is taken for forgotten.
	pendingAge = 5 * time.Second

	// offersMax is how many cuts one donor serves at a time. Beyond, the oldest is withdrawn:
	// whoever is still at it is so slow that a later cut is better for it.
	offersMax = 8

	// sizeMax is the largest state in bytes that is believed: 72 petabytes take longer than
	// any group lives.
	sizeMax = 1 << 56

	// unknown stands for a size that is not known.
	unknown = math.MaxUint64
)

// The timers that are not settings. retryMin is above what a busy host takes for an
// answer, retryMax is how long a joiner that woke up, or a donor that was mended, waits at worst.
const (
	retryMin   = 4 * time.Millisecond
	retryStart = 100 * time.Millisecond
	retryMax   = time.Second
)

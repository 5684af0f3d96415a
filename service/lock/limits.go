package lock

// The bounds of the service. Each is refused by name, with what there was and what there
// may be.
const (
	// NameMax is the longest name of a lock in bytes: a path of a few words, which fits into
	// a line on a screen and into a header.
	NameMax = 200

	// TextMax is the longest label, purpose or reason in bytes.
	TextMax = 200

	// EntriesMax is how many owners and waiters there may be in the whole service; it bounds the
	// memory (half a kilobyte each at worst) and the time that a listing takes.
	EntriesMax = 65536

	// WaitersMax is how many may wait for one lock: who asks for its place is counted through
	// the queue.
	WaitersMax = 4096

	// SessionMax is how many locks a session may hold and wait for, so that one client
	// cannot use up the service.
	SessionMax = 1024

	// OvertakesMax is how often the first of those who wait for exclusive use is overtaken by
	// shared requests where the order is loose. Who has k of them before it is overtaken
	// (k+1)*OvertakesMax times at most, so nobody starves.
	OvertakesMax = 16

	// ReplyMax is the longest reply in bytes; longer listings come in pages.
	ReplyMax = 16384

	// pageMax is the most lines or seats of a page: as many as a screen or two have.
	pageMax = 64

	// ownersShown is how many owners Explain shows; of a lock that a thousand share the rest
	// is a number.
	ownersShown = 16

	// noticesMax is how many notices wait to be drained. The oldest is dropped: whoever
	// needs it asks.
	noticesMax = 4096

	// brokenMax is of how many locks that were broken it is remembered who did it and why, after the
	// lock has come free. Each takes up to half a kilobyte.
	brokenMax = 1024

	// snapshotMax is the longest snapshot in bytes that is read: EntriesMax entries, each
	// with a lock of its own and the longest texts.
	snapshotMax = 128 << 20

	// floorShift makes an epoch, in nanoseconds, a number, in 1024 of them: so at most half a million
	// numbers a second can be given for ever, and below 2^53 there are 285 years of them from 1970 on.
	floorShift = 10

	// numbersFirst is how many numbers can be given at once. They are below the floor of a life of the service
	// that begins 9 ms later; what is in the queues then, EntriesMax at most, takes two each at worst.
	numbersFirst = 1 << 13

	// numberMax is the end of the numbers.
	numberMax = 1 << 62
)

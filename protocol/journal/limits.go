package journal

// The bounds of a journal.
const (
	// RecordMost is the largest record that the format has room for, in bytes.
	RecordMost = 1<<24 - 1

	// segmentLeast and segmentMost bound what may be configured, in bytes. A segment is
	// read into memory as a whole; below a page there is nothing but heads.
	segmentLeast = 4 << 10
	segmentMost  = 256 << 20

	// segmentDefault is 16 MiB: a new segment costs three syncs, which is little beside the
	// hundreds that fill it, and a small disk is not taken up by one.
	segmentDefault = 16 << 20

	// segmentsDefault is from how many segments on nothing is appended: 4 GiB with the default
	// size. So many of them say that nobody takes snapshots. What waits by then may make
	// some more.
	segmentsDefault = 256

	// recordDefault is the largest record unless configured, in bytes.
	recordDefault = 1 << 20

	// pendingDefault is how many bytes may wait to be written: what a disk takes in a
	// fraction of a second.
	pendingDefault = 16 << 20

	// batchKept is how much memory a batch keeps for the next one, in bytes.
	batchKept = 4 << 20

	// blockMost is the payload of a block of a snapshot, in bytes.
	blockMost = 64 << 10

	// pieceMost is how much of a snapshot one job writes, in bytes, so that appends wait for
	// no more than that.
	pieceMost = 1 << 20

	// unsyncedMost is how much of a snapshot is written between two syncs, in bytes: the
	// last sync then has little to do, and a sync of the log does not stand behind all of it.
	unsyncedMost = 8 << 20
)

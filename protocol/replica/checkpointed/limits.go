package checkpointed

import "time"

const (
	// epochMax is the highest epoch that is believed: 2^48 takeovers take longer than any
	// installation lives.
	epochMax = 1 << 48

	// pendingMax is how many commands may wait for the store, and bytesMax how many bytes of
	// replies may wait with them. Beyond it new requests are refused as busy.
	pendingMax = 4096
	bytesMax   = 8 << 20

	// recordsMax and logMax are after how many records, and bytes of records, a checkpoint is taken
	// at the latest: a survivor executes so many before it serves.
	recordsMax = 1 << 16
	logMax     = 64 << 20

	// snapshotMax is the largest state in bytes: it is held in memory once more when it is saved and
	// when it is loaded.
	snapshotMax = 1 << 31

	// looks is how many heartbeats the other has to write to the store before its silence is taken for a
	// crash: it begins when it finds this member silent, a heartbeat or two later.
	looks = 3

	// headMax is how much of a request is kept to name it, bytes.
	headMax = 64

	// passEvery is how often at most time is let pass.
	passEvery = 10 * time.Millisecond
)

package duo

import "github.com/holdfast-ha/holdfast/protocol/wire"

const (
	// snapshotDefault is after how many bytes of records a snapshot is taken: what is read and executed again in a
	// fraction of a second after a restart.
	snapshotDefault = 8 << 20

	// heldMax is how many bytes of answers may wait for the disk before requests are refused as busy, and
	// what the primary sends is not taken.
	heldMax = 64 << 20

	// keySize is the service's key, before each message.
	keySize = 4

	// pieceMax is how many bytes of a request or an answer go into a frame.
	pieceMax = wire.FrameMax - wire.HeaderSize - pieceHead

	// termsMax is the longest text of terms, in bytes, as for groups.
	termsMax = 256

	// shutSuspects is for how many detection times a new member that has heard another with other terms does nothing: frames are
	// lost, and the other tells its own with each heartbeat.
	shutSuspects = 4

	// openMax is how many requests or answers in pieces may be under way from a member at once: those that
	// overtake each other. The room of each is given back when it is whole.
	openMax = 8
)

package key

// The bounds of a key file.
const (
	// RingMax is the largest number of keys in a ring. A rotation needs two; each costs
	// a derived key per member and life.
	RingMax = 8

	// fileSizeMax bounds what is read of a file that may not be a key file at all: a
	// ring takes 1 KiB.
	fileSizeMax = 16 << 10

	// commentSizeMax bounds the words for people, so that eight lines fit the file.
	commentSizeMax = 256
)

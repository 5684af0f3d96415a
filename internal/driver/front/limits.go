package front

import "time"

const (
	// clientsMax is how many connections there are at once, each of which costs a
	// descriptor, a goroutine and a buffer of readerSize.
	clientsMax = 4096

	// owedMax is how many bytes wait for one client that does not take them: the longest
	// replies to the calls that a session keeps open are four mebibytes.
	owedMax = 16 << 20

	// owedAll is how many bytes wait for all clients together. Beyond it, who is behind is
	// cut off, and who takes what comes is not.
	owedAll = 256 << 20

	// readerSize is of the buffer of a connection. A request that fits is read in place.
	readerSize = 8 << 10

	// longMax is how many requests longer than readerSize are read at once. With the longest
	// request it bounds the memory for them: 64 MiB.
	longMax = 64

	// pieceSize is how much room a long request is given at first: what a client only says that
	// it will send costs nothing.
	pieceSize = 64 << 10

	// keptMax is the largest buffer that is kept for what comes next.
	keptMax = 64 << 10

	// requestMost is how long a request may take from its first byte to its last. A client that was
	// stopped in the middle of one connects again.
	requestMost = 10 * time.Second

	// takeMost is how long a client may take nothing of what it is owed.
	takeMost = 30 * time.Second

	// fullPause is for how long a client is not heard after a request that found no room.
	fullPause = time.Millisecond

	// acceptPause is how long the kernel is left alone after it has refused to accept, for want of
	// descriptors as a rule.
	acceptPause = 50 * time.Millisecond

	// dialMost is how long a process may take to answer at the socket that it has left behind, or has not.
	dialMost = 2 * time.Second

	// pathMax is how long the kernel lets the path of a socket be, in bytes.
	pathMax = 107

	// folderMode is of a folder made for the socket.
	folderMode = 0o750
)

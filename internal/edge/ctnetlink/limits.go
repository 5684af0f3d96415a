package ctnetlink

const (
	// batchMax is the number of operations that are done before failures are looked
	// at. From 128 on the system call's own cost no longer shows; more would only
	// make the wait of the caller longer (256 operations take about a millisecond).
	batchMax = 256

	// sendMax is the size in bytes after which a batch is sent. It stays below the
	// smallest send buffer of common systems (net.core.wmem_default, 212992) so that
	// the table works where SO_SNDBUFFORCE is refused.
	sendMax = 128 << 10

	// messageMax is the longest message for one flow in bytes, with room to spare: all
	// attributes of an IPv6 flow with everything take about 700.
	messageMax = 1024

	// tableBuffer is the receive buffer of the table in bytes. Nobody reads it while a
	// batch is being done, and the kernel accounts up to 8 KiB for every answer to a
	// question about one entry.
	tableBuffer = 8 << 20

	// roundMax bounds how often an operation that failed is tried in another form. The
	// longest sensible way has six: put, put with its master there, put without it,
	// examine, replace, replace without helper.
	roundMax = 8

	// receiveMax is the size in bytes of the buffer for answers and dumps. The kernel
	// fills up to 32 KiB and silently leaves out what does not fit.
	receiveMax = 64 << 10

	// eventMax is the size in bytes of the buffer for one event. The kernel makes
	// them of about 240; all attributes together stay below 1100.
	eventMax = 4 << 10

	// eventBatch is the number of events taken with one system call.
	eventBatch = 64

	// readMax is the number of events after which Events.Read returns though there
	// may be more, so that a burst does not keep the caller's loop from its timers: a
	// decoded event takes about 1.4 microseconds, its handling not counted.
	readMax = 768

	// ReceiveBufferDefault is the size in bytes asked for the events' socket. An event
	// takes about 1 KiB of it, so that 8 MiB hold what a busy gateway produces in 50 ms.
	ReceiveBufferDefault = 8 << 20

	// receiveBufferMin and receiveBufferLimit bound what may be configured.
	receiveBufferMin   = 2 << 10
	receiveBufferLimit = 1 << 30
)

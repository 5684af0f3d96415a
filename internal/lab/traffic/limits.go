package traffic

import "time"

// The bounds of a load. They keep a mistyped number from taking the machine.
const (
	flowsMax       = 20_000 // sockets twice as many; the seed's test bed had fewer
	concurrencyMax = 4096   // requests in flight; a firewall's accept queue is as long
	requestsMax    = 1_000_000
	rateMax        = 20_000 // requests a second; two cores do about as many
	responseMax    = 64 << 10

	intervalMin = time.Millisecond // the tick of every loop
	intervalMax = 10 * time.Second

	// connecting bounds the flows that are being opened at a time, so that the
	// opening of thousands loses no SYN, which would cost it a second.
	connecting = 100

	// openingMax is how long the opening of all flows may take. A lost SYN costs a
	// second, two cost three.
	openingMax = 15 * time.Second

	// reasonsMax is how many reasons a report tells. The rest say the same.
	reasonsMax = 8

	eventsMax = 256 // taken from the kernel at a time

	chunkSize = 64 // bytes; a multiple of nothing else, it only has to be one segment

	// catchUp bounds the ticks that a loop makes up for after it was kept waiting.
	catchUp = 100
)

package desk

const (
	// jobsDefault is how many jobs run at once, if nobody says: each is a goroutine, and whatever
	// it does besides.
	jobsDefault = 64

	// textMax is how much of an error's text a client is told, in bytes.
	textMax = 4096

	// endedMax and bytesMax bound the ends of jobs that clients have not heard of: those that
	// are away come back within moments, or never.
	endedMax = 4096
	bytesMax = 64 << 20
)

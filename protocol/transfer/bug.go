package transfer

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// tests and their judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug       Bug = iota
	SkipLost        // a lost piece is skipped
	AnyCut          // pieces of another cut are taken
	WrongResume     // with another donor it goes on one piece too far
	Unchecked       // the checksum is not compared
	Twice           // a piece that comes again is handed over again
	Forgetful       // what is lost is never asked for again
)

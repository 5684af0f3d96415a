package journal

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config says whose journal it is, and its bounds. Zeros are defaults, but for Member and
// Salt.
type Config struct {
	// Cluster tells clusters apart: a fingerprint of the cluster's name, and of nothing that
	// may change in its configuration, for a journal of another one is refused.
	Cluster uint32
	// Member is whose journal it is; a journal of another member is refused.
	Member view.ID
	// Salt is random, another in each life, and not to be guessed by whoever sends what is
	// recorded: with it a payload could pass for a record.
	Salt uint64

	SegmentSize int // of a file, in bytes; 4 KiB to 256 MiB; default 16 MiB
	SegmentsMax int // from how many on nothing is appended before a snapshot is taken; default 256
	RecordMax   int // of a record, in bytes; default 1 MiB. Larger ones are not taken
	PendingMax  int // of what waits to be written, in bytes; default 16 MiB. Beyond it nothing is taken
}

// checked gives the configuration with its defaults.
func (c Config) checked() (Config, error) {
	for _, field := range []struct {
		value    *int
		standard int
	}{
		{&c.SegmentSize, segmentDefault}, {&c.SegmentsMax, segmentsDefault},
		{&c.RecordMax, recordDefault}, {&c.PendingMax, pendingDefault},
	} {
		if *field.value == 0 {
			*field.value = field.standard
		}
	}
	switch {
	case c.Member == view.Nobody || c.Member == view.Everyone:
		return c, fmt.Errorf("the journal's member is %v; name the member whose journal it is", c.Member)
	case c.SegmentSize < segmentLeast || c.SegmentSize > segmentMost:
		return c, fmt.Errorf("segments of %d bytes; from %d to %d are possible", c.SegmentSize, segmentLeast, segmentMost)
	case c.SegmentsMax < 2:
		return c, fmt.Errorf("nothing is appended from %d segments on; at least 2 are needed, for one is always there", c.SegmentsMax)
	case c.RecordMax < 1 || c.RecordMax > RecordMost || headSize+frameSize(c.RecordMax) > c.SegmentSize:
		return c, fmt.Errorf("records of %d bytes; at most %d are possible, and each must fit a segment of %d", c.RecordMax, RecordMost, c.SegmentSize)
	case c.PendingMax < frameSize(c.RecordMax):
		return c, fmt.Errorf("%d bytes may wait, and a record may have %d; let more wait", c.PendingMax, c.RecordMax)
	}
	return c, nil
}

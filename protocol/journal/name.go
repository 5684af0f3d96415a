package journal

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"
)

// The beginnings and the end of names.
const (
	segmentPrefix  = "segment-"
	snapshotPrefix = "snapshot-"
	newSuffix      = ".new"
)

// place is what the name of a file says: the era, and the index of the first record of a
// segment or of the last in a snapshot.
type place struct {
	era   uint64
	index uint64
}

func (p place) segment() string  { return fmt.Sprintf("%s%016x-%016x", segmentPrefix, p.era, p.index) }
func (p place) snapshot() string { return fmt.Sprintf("%s%016x-%016x", snapshotPrefix, p.era, p.index) }

// compare orders by era, then index.
func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.era, q.era), cmp.Compare(p.index, q.index))
}

// parsePlace reads what stands behind a prefix. Only what segment and snapshot write is
// accepted, so that one file has one name.
func parsePlace(s string) (p place, ok bool) {
	var b [16]byte
	if len(s) != 33 || s[16] != '-' || strings.ToLower(s) != s {
		return p, false
	}
	if _, err := hex.Decode(b[:8], []byte(s[:16])); err != nil {
		return p, false
	}
	if _, err := hex.Decode(b[8:], []byte(s[17:])); err != nil {
		return p, false
	}
	return place{order.Uint64(b[:8]), order.Uint64(b[8:])}, true
}

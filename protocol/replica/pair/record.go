package pair

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// parseRecord reads a record at the beginning of b. It gives the record's size; 0 if it is not
// there as a whole yet, and -1 if it never will make sense.
func parseRecord(b []byte, r *record) int {
	if len(b) == 0 {
		return 0
	}
	*r = record{kind: b[0]}
	at := 1
	index, n := binary.Uvarint(b[at:])
	if n <= 0 {
		return missing(n)
	}
	r.index, at = index, at+n
	switch r.kind {
	case recordPaired:
		if len(b) < at+8 {
			return 0
		}
		r.epoch = view.Epoch(binary.BigEndian.Uint64(b[at:]))
		if r.epoch == 0 || r.epoch > epochMax {
			return -1
		}
		return at + 8
	case recordCommand:
		if len(b) < at+16 {
			return 0
		}
		r.client = replica.Client(binary.BigEndian.Uint64(b[at:]))
		r.digest = binary.BigEndian.Uint64(b[at+8:])
		at += 16
		size, n := binary.Uvarint(b[at:])
		if n <= 0 {
			return missing(n)
		}
		if size > session.RequestMax {
			return -1
		}
		if at += n; len(b)-at < int(size) {
			return 0
		}
		r.request = b[at : at+int(size)]
		return at + int(size)
	}
	return -1
}

func missing(n int) int {
	if n < 0 {
		return -1
	}
	return 0
}

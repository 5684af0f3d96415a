package detect

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// messageSize is the length of a heartbeat (docs/rfc/0009-detect.md).
const messageSize = 20

const kindHeartbeat = 1

// message is one heartbeat.
type message struct {
	hears   uint8            // links on which the sender hears the receiver, bit 0 is link 1
	counter uint64           // of the sender's heartbeats to the receiver, the same on all links
	heard   view.Incarnation // the receiver's life that the sender hears; zero with hears
}

// append adds the message to b.
func (s *message) append(b []byte) []byte {
	b = append(b, kindHeartbeat, s.hears, 0, 0)
	b = binary.BigEndian.AppendUint64(b, s.counter)
	return binary.BigEndian.AppendUint64(b, uint64(s.heard))
}

// parse reads a heartbeat of a cluster with that many links. It judges the message by
// itself; whether it counts depends on what its receiver knows.
func parse(b []byte, links int) (s message, ok bool) {
	r := wire.NewReader(b)
	kind := r.U8()
	s.hears = r.U8()
	reserved := r.U16()
	s.counter, s.heard = r.U64(), view.Incarnation(r.U64())
	return s, r.Done() && kind == kindHeartbeat && reserved == 0 && uint(s.hears) < 1<<links &&
		s.counter > 0 && (s.hears == 0) == (s.heard == 0)
}

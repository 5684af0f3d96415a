package udp

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// The envelope's layout, docs/rfc/0002-envelope.md.
const (
	version    = 1
	headerSize = 22
	tagSize    = 16
	aadSize    = headerSize + 2 // the header, and the receiver that is not sent
)

// header is what an envelope says in clear.
type header struct {
	key     uint8
	link    uint8
	from    view.Member
	counter uint64
}

// put writes the header to the first headerSize bytes of b.
func (h *header) put(b []byte) {
	b[0], b[1], b[2], b[3] = version, h.key, h.link, 0
	binary.BigEndian.PutUint16(b[4:6], uint16(h.from.ID))
	binary.BigEndian.PutUint64(b[6:14], uint64(h.from.Incarnation))
	binary.BigEndian.PutUint64(b[14:22], h.counter)
}

// parse reads a datagram's header and judges what can be judged without knowing
// anything of the sender.
func (h *header) parse(b []byte) wire.Reason {
	if len(b) < headerSize {
		return wire.Short
	}
	if len(b) > datagramMax {
		return wire.Long
	}
	if b[0] != version {
		return wire.WrongVersion
	}
	h.key, h.link = b[1], b[2]
	h.from.ID = view.ID(binary.BigEndian.Uint16(b[4:6]))
	h.from.Incarnation = view.Incarnation(binary.BigEndian.Uint64(b[6:14]))
	h.counter = binary.BigEndian.Uint64(b[14:22])
	if h.key != 0 && len(b) < headerSize+tagSize {
		return wire.Short
	}
	if h.key == 0 && len(b) > headerSize+bodyMax {
		return wire.Long
	}
	if b[3] != 0 || h.from.Incarnation == 0 || h.counter == 0 || h.counter > counterMax {
		return wire.Malformed
	}
	return wire.OK
}

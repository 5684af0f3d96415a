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

// Whom a datagram is for, byte 3 of the header.
const (
	scopeMember   = 0 // the member that is named in the authenticated data
	scopeEveryone = 1 // every member; view.Everyone is named there
)

// header is what an envelope says in clear.
type header struct {
	key     uint8
	link    uint8
	scope   uint8
	from    view.Member
	counter uint64
}

// put writes the header to the first headerSize bytes of b.
func (h *header) put(b []byte) {
	b[0], b[1], b[2], b[3] = version, h.key, h.link, h.scope
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
	h.key, h.link, h.scope = b[1], b[2], b[3]
	h.from.ID = view.ID(binary.BigEndian.Uint16(b[4:6]))
	h.from.Incarnation = view.Incarnation(binary.BigEndian.Uint64(b[6:14]))
	h.counter = binary.BigEndian.Uint64(b[14:22])
	if h.key != 0 && len(b) < headerSize+tagSize {
		return wire.Short
	}
	if h.key == 0 && len(b) > headerSize+bodyMax {
		return wire.Long
	}
	if h.scope > scopeEveryone || h.from.Incarnation == 0 || h.counter == 0 || h.counter > counterMax {
		return wire.Malformed
	}
	return wire.OK
}

// receiver is who is named in the authenticated data of a datagram for id.
func (h *header) receiver(id view.ID) view.ID {
	if h.scope == scopeEveryone {
		return view.Everyone
	}
	return id
}

package seal

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// The layout of an envelope, docs/rfc/0002-envelope.md.
const (
	version = 1

	// HeaderSize is the size of what an envelope says in clear, in bytes.
	HeaderSize = 22

	// TagSize is the size of the seal in bytes.
	TagSize = 16

	aadSize = HeaderSize + 2 // the header, and the receiver that is not sent
)

// Scope says what an envelope is for, and for whom.
type Scope uint8

// The scopes.
const (
	Member   Scope = 0 // a frame for the member that is named in the authenticated data
	Everyone Scope = 1 // a frame for every member; view.Everyone is named there
	Notice   Scope = 2 // for one member, of its transport: a refusal, see package link
	Hello    Scope = 3 // for one member, of its transport: the first of a stream, see package tcp
)

// Header is what an envelope says in clear.
type Header struct {
	Key     uint8 // number of the key that it is sealed with; 0 for clear text
	Link    uint8 // the only link that it may come over; wire.AllLinks for any
	Scope   Scope
	From    view.Member
	Counter uint64 // 1 to CounterMax, grows in each life of the sender
}

// Put writes the header to the first HeaderSize bytes of b.
func (h *Header) Put(b []byte) {
	b[0], b[1], b[2], b[3] = version, h.Key, h.Link, byte(h.Scope)
	binary.BigEndian.PutUint16(b[4:6], uint16(h.From.ID))
	binary.BigEndian.PutUint64(b[6:14], uint64(h.From.Incarnation))
	binary.BigEndian.PutUint64(b[14:22], h.Counter)
}

// Parse reads an envelope's header and judges what can be judged without knowing
// anything of the sender.
func (h *Header) Parse(b []byte) wire.Reason {
	if len(b) < HeaderSize {
		return wire.Short
	}
	if len(b) > Max {
		return wire.Long
	}
	if b[0] != version {
		return wire.WrongVersion
	}
	h.Key, h.Link, h.Scope = b[1], b[2], Scope(b[3])
	h.From.ID = view.ID(binary.BigEndian.Uint16(b[4:6]))
	h.From.Incarnation = view.Incarnation(binary.BigEndian.Uint64(b[6:14]))
	h.Counter = binary.BigEndian.Uint64(b[14:22])
	if h.Key != 0 && len(b) < HeaderSize+TagSize {
		return wire.Short
	}
	if h.Key == 0 && len(b) > HeaderSize+wire.FrameMax {
		return wire.Long
	}
	if h.Scope > Hello || h.From.Incarnation == 0 || h.Counter == 0 || h.Counter > CounterMax {
		return wire.Malformed
	}
	return wire.OK
}

// receiver is who is named in the authenticated data of an envelope for id.
func (h *Header) receiver(id view.ID) view.ID {
	if h.Scope == Everyone {
		return view.Everyone
	}
	return id
}

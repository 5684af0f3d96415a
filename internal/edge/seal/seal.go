// Package seal makes and opens the envelope that is around each frame between members:
// who sent it, in which life, authenticated and encrypted with a key of that life, and
// not taken twice.
//
// It is what the transports have in common, [internal/edge/udp] and [internal/edge/tcp].
// An envelope that [Sealer.Open] finds good was made, in this form, by a holder of a key
// in the name of this life of this member, for this member or for everyone, and was not
// taken before. Without keys the same holds only on a network where nobody lies.
//
// Nothing here is safe for concurrent use. Nothing is allocated per envelope.
//
// The format is fixed by docs/rfc/0002-envelope.md. The window is that of RFC 6479, with
// a mark for each link.
//
// [internal/edge/udp]: https://pkg.go.dev/github.com/holdfast-ha/holdfast/internal/edge/udp
// [internal/edge/tcp]: https://pkg.go.dev/github.com/holdfast-ha/holdfast/internal/edge/tcp
package seal

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// ErrExhausted says that this life has made 2^48 envelopes: one life cannot seal more.
// The process must begin a new life, with a later incarnation.
var ErrExhausted = errors.New("this life has sent 2^48 frames, the most that may be sealed with its key; restart the process")

// Sealer seals in the name of one life of this member, and opens what is for it.
type Sealer struct {
	self    view.Member
	keys    *key.Ring // nil for clear text
	present life      // the keys of this life
	counter uint64    // of the last envelope

	// nonce and aad are work space. They are here because what is handed to an AEAD, an
	// interface, would otherwise be allocated for each envelope.
	nonce [12]byte
	aad   [aadSize]byte
}

// New makes a sealer. self's incarnation must never have been used by it before: the keys
// that seal are made from it. keys is nil for clear text, which insecure must confirm.
func New(self view.Member, keys *key.Ring, insecure bool) (*Sealer, error) {
	switch {
	case !self.Known():
		return nil, fmt.Errorf("this member's life is %v; both its ID and its incarnation must be known", self)
	case keys == nil && !insecure:
		return nil, errors.New("there is no key: make one with `holdfast key new FILE` and configure it as key_file, or say insecure = true")
	case keys != nil && insecure:
		return nil, errors.New("there is a key and insecure = true: remove one of the two")
	}
	s := &Sealer{self: self}
	return s, s.setKeys(keys)
}

// Self is this member's life.
func (s *Sealer) Self() view.Member { return s.self }

// Used is how many envelopes this life has made.
func (s *Sealer) Used() uint64 { return s.counter }

// SetKeys replaces the key ring, between two envelopes. The counter goes on, so that a key
// that comes back is not used with a counter twice. A ring cannot be removed, nor be given
// to a sealer that was made without. [Peer.Forget] must be called for all peers then.
func (s *Sealer) SetKeys(r *key.Ring) error {
	if (r == nil) != (s.keys == nil) {
		return errors.New("sealing is turned on and off with a restart only")
	}
	return s.setKeys(r)
}

func (s *Sealer) setKeys(r *key.Ring) error {
	present := life{incarnation: s.self.Incarnation}
	if r != nil {
		// Made now, so that a fault is found here and not at the first envelope.
		if _, err := present.seal(r, 0, s.self.ID); err != nil {
			return err
		}
	}
	s.keys, s.present = r, present
	return nil
}

// Check says whether a frame can be sealed: it may be too long, or the life over.
func (s *Sealer) Check(frame []byte) error {
	if len(frame) > wire.FrameMax {
		return fmt.Errorf("a frame of %d bytes; at most %d fit an envelope", len(frame), wire.FrameMax)
	}
	if s.counter >= CounterMax {
		return ErrExhausted
	}
	return nil
}

// Append appends the envelope of a frame that [Sealer.Check] allows, with the next
// counter. to is not used with the scope Everyone. With room for Max bytes in dst nothing
// is allocated. The frame must not lie in that room.
func (s *Sealer) Append(dst []byte, scope Scope, link uint8, to view.ID, frame []byte) []byte {
	s.counter++
	h := Header{Link: link, Scope: scope, From: s.self, Counter: s.counter}
	if s.keys != nil {
		h.Key = s.keys.At(0).ID
	}
	at := len(dst)
	var clear [HeaderSize]byte
	h.Put(clear[:])
	dst = append(dst, clear[:]...)
	if s.keys == nil {
		return append(dst, frame...)
	}
	s.set(dst[at:], h.Counter, h.receiver(to))
	return s.present.seals[0].Seal(dst, s.nonce[:], frame, s.aad[:])
}

// set prepares nonce and authenticated data for an envelope with this header.
func (s *Sealer) set(header []byte, counter uint64, to view.ID) {
	binary.BigEndian.PutUint64(s.nonce[4:], counter)
	copy(s.aad[:HeaderSize], header)
	binary.BigEndian.PutUint16(s.aad[HeaderSize:], uint16(to))
}

// Parse reads an envelope's header and judges what can be judged without the sender.
func (s *Sealer) Parse(h *Header, b []byte) wire.Reason {
	if reason := h.Parse(b); reason != wire.OK {
		return reason
	}
	if (h.Key != 0) != (s.keys != nil) {
		return wire.Unsealed
	}
	return wire.OK
}

// Open judges an envelope that Parse found good, that names p as its sender and that came
// over a link, counted from 0, and gives its frame. It opens the seal in place: what is
// not good is lost. What is good must be marked with [Peer.Take] before it is used;
// nothing else changes a life or the window.
func (s *Sealer) Open(p *Peer, h *Header, link int, b []byte) ([]byte, wire.Reason) {
	if h.From.Incarnation < p.present.incarnation {
		return nil, wire.OldIncarnation
	}
	if h.Link != wire.AllLinks && int(h.Link) != link+1 {
		return nil, wire.WrongDestination
	}
	later := p.Later(h)
	if !later {
		if reason := p.window.judge(h.Counter, link); reason != wire.OK {
			return nil, reason
		}
	}
	if s.keys == nil {
		return b[HeaderSize:], wire.OK
	}
	at := position(s.keys, h.Key)
	if at < 0 {
		return nil, wire.UnknownKey
	}
	claimed := &p.present
	if later {
		claimed = &p.candidate
		if claimed.incarnation != h.From.Incarnation {
			claimed.begin(h.From.Incarnation)
		}
	}
	aead, err := claimed.seal(s.keys, at, p.id)
	if err != nil {
		return nil, wire.UnknownKey
	}
	return s.open(aead, h, b)
}

func (s *Sealer) open(aead cipher.AEAD, h *Header, b []byte) ([]byte, wire.Reason) {
	s.set(b[:HeaderSize], h.Counter, h.receiver(s.self.ID))
	frame, err := aead.Open(b[HeaderSize:HeaderSize], s.nonce[:], b[HeaderSize:], s.aad[:])
	if err != nil {
		return nil, wire.ForgedSeal
	}
	return frame, wire.OK
}

package udp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// lifeSeal derives the AEAD of one life of a member under one key.
func lifeSeal(k key.Key, m view.Member) (cipher.AEAD, error) {
	info := []byte("holdfast envelope")
	info = binary.BigEndian.AppendUint16(info, uint16(m.ID))
	info = binary.BigEndian.AppendUint64(info, uint64(m.Incarnation))
	secret, err := k.Derive(info)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// sealer is the work space of one seal. It is a part of the transport because what is
// handed to an AEAD, an interface, would otherwise be allocated for each datagram.
type sealer struct {
	nonce [12]byte
	aad   [aadSize]byte
}

// set prepares nonce and authenticated data for a datagram with this header.
func (s *sealer) set(header []byte, counter uint64, to view.ID) {
	binary.BigEndian.PutUint64(s.nonce[4:], counter)
	copy(s.aad[:headerSize], header)
	binary.BigEndian.PutUint16(s.aad[headerSize:], uint16(to))
}

// seal seals the frame that follows the header in b in place; b has room for the tag.
func (s *sealer) seal(aead cipher.AEAD, b []byte, counter uint64, to view.ID) []byte {
	s.set(b[:headerSize], counter, to)
	return aead.Seal(b[:headerSize], s.nonce[:], b[headerSize:], s.aad[:])
}

// open opens a datagram in place and gives its frame; false if the seal is not good.
// The datagram is lost then.
func (s *sealer) open(aead cipher.AEAD, b []byte, counter uint64, to view.ID) ([]byte, bool) {
	s.set(b[:headerSize], counter, to)
	frame, err := aead.Open(b[headerSize:headerSize], s.nonce[:], b[headerSize:], s.aad[:])
	return frame, err == nil
}

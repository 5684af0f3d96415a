package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Peer is another member and what is known of its lives. Make one with [NewPeer].
type Peer struct {
	id      view.ID
	present life // the latest authenticated life; its incarnation is 0 before the first
	window  window

	// candidate is a later life that nobody has proved yet. Its keys are kept so that a
	// new life's first envelopes, over several links, derive them once.
	candidate life
}

// NewPeer makes a member of which nothing is known.
func NewPeer(id view.ID) Peer { return Peer{id: id} }

// Life is the latest life that was taken; its incarnation is 0 if none was.
func (p *Peer) Life() view.Member {
	return view.Member{ID: p.id, Incarnation: p.present.incarnation}
}

// Later says whether an envelope is of a later life than the present one, if there is one.
func (p *Peer) Later(h *Header) bool { return h.From.Incarnation > p.present.incarnation }

// Forget drops the keys that were derived, after the ring has changed.
func (p *Peer) Forget() {
	p.present.forget()
	p.candidate.forget()
}

// Take marks an envelope that [Sealer.Open] found good as received over a link, counted
// from 0. One of a later life ends the former one.
func (p *Peer) Take(h *Header, link int) {
	if p.Later(h) {
		p.present, p.window = life{}, window{}
		if p.candidate.incarnation == h.From.Incarnation {
			p.present = p.candidate
		}
		p.candidate = life{}
		p.present.incarnation = h.From.Incarnation
	}
	p.window.take(h.Counter, link)
}

// life holds the AEADs of one life, one for each key of the ring, made when first
// needed.
type life struct {
	incarnation view.Incarnation
	seals       [key.RingMax]cipher.AEAD
}

// begin makes l the life of another incarnation, without keys yet.
func (l *life) begin(i view.Incarnation) {
	*l = life{incarnation: i}
}

// forget drops the keys, after the ring has changed.
func (l *life) forget() { clear(l.seals[:]) }

// seal gives the AEAD of the life under the key at a position of the ring.
func (l *life) seal(ring *key.Ring, at int, id view.ID) (cipher.AEAD, error) {
	if l.seals[at] == nil {
		aead, err := derive(ring.At(at), view.Member{ID: id, Incarnation: l.incarnation})
		if err != nil {
			return nil, err
		}
		l.seals[at] = aead
	}
	return l.seals[at], nil
}

// derive makes the AEAD of one life of a member under one key.
func derive(k key.Key, m view.Member) (cipher.AEAD, error) {
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

// position finds a key's place in the ring; -1 if it is not there.
func position(ring *key.Ring, id uint8) int {
	for i := range ring.Len() {
		if ring.At(i).ID == id {
			return i
		}
	}
	return -1
}

package udp

import (
	"crypto/cipher"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// peer is another member and what is known of its lives.
type peer struct {
	id      view.ID
	present life // the latest authenticated life; its incarnation is 0 before the first
	window  window

	// candidate is a later life that nobody has proved yet. Its keys are kept so that a
	// new life's first datagrams, over several links, derive them once.
	candidate life

	paths [LinkMax]path
}

// path is the way to another member over one link, or to the group of one.
type path struct {
	route // its size is 0 if there is no way
	count pathCount

	// The run of the link's outbox that further datagrams for this receiver may join, and
	// the flush for which that holds.
	last  int
	flush uint64
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
		aead, err := lifeSeal(ring.At(at), view.Member{ID: id, Incarnation: l.incarnation})
		if err != nil {
			return nil, err
		}
		l.seals[at] = aead
	}
	return l.seals[at], nil
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

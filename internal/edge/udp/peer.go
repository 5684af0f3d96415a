package udp

import (
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// peer is another member, its lives and the ways to it.
type peer struct {
	seal.Peer
	id    view.ID
	paths [seal.LinkMax]path

	heard time.Time // when the present life was heard last
	told  time.Time // when a second process under this name was told so last
}

// path is the way to another member over one link, or to the group of one.
type path struct {
	link.Route // its size is 0 if there is no way
	count      pathCount
	source     link.Route // where the present life's last datagram came from; its size is 0 if none has

	// The run of the link's outbox that further datagrams for this receiver may join, and
	// the flush for which that holds.
	last  int
	flush uint64
}

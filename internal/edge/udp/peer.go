package udp

import (
	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
)

// peer is another member, its lives and the ways to it.
type peer struct {
	seal.Peer
	paths [seal.LinkMax]path
}

// path is the way to another member over one link, or to the group of one.
type path struct {
	link.Route // its size is 0 if there is no way
	count      pathCount

	// The run of the link's outbox that further datagrams for this receiver may join, and
	// the flush for which that holds.
	last  int
	flush uint64
}

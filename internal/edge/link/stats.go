package link

import (
	"net/netip"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Traffic counts datagrams, or the frames of a stream, and their bytes, envelope included,
// headers of UDP, TCP and IP not.
type Traffic struct {
	Datagrams, Bytes uint64
}

// Add counts more.
func (t *Traffic) Add(datagrams, bytes int) {
	t.Datagrams += uint64(datagrams)
	t.Bytes += uint64(bytes)
}

// PathStats says what went between this member and another over one link, since Open.
type PathStats struct {
	Peer       view.ID
	Connected  bool    // a stream to the member is up; for datagrams always
	In         Traffic // handed over
	Out        Traffic // taken by the kernel
	Duplicates uint64  // copies of what another link had brought already; expected
	Dropped    uint64  // named this member as sender and were not good; it need not have sent them
	Lost       uint64  // refused by the kernel, see SendError; of a stream, that had no room or no connection
}

// Stats says what one link did, since Open.
type Stats struct {
	Label   string
	Paths   []PathStats              // in the order of the members' IDs
	Dropped [wire.ReasonCount]uint64 // received and not handed over, by reason
	Overrun uint64                   // dropped by the kernel because a receive buffer was full

	// SegmentError is why the kernel has refused to cut messages into datagrams on this
	// link (UDP_SEGMENT); nil while it does. Since then each datagram goes apart, which
	// costs many times more.
	SegmentError error

	Group     Traffic // sent to the link's IP multicast group, once for all members; not in Paths
	GroupLost uint64  // of these, refused by the kernel

	LastReason   wire.Reason    // why the last one was dropped, duplicates aside; OK if none was
	LastSource   netip.AddrPort // where that one said it came from
	Twin         view.Member    // the second process that was found under a member's name within RefusalMax
	TwinSource   netip.AddrPort // where it is; not valid if there was none
	SendError    error          // what the kernel said when it last refused a datagram, or nil
	ReceiveError error          // the last fault of the network that the kernel reported, or nil
}

package udp

import (
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Traffic counts datagrams and their bytes, envelope included, UDP and IP headers not.
type Traffic struct {
	Datagrams, Bytes uint64
}

func (t *Traffic) add(datagrams, bytes int) {
	t.Datagrams += uint64(datagrams)
	t.Bytes += uint64(bytes)
}

// pathCount counts what went between this member and another over one link.
type pathCount struct {
	in, out                   Traffic
	duplicates, dropped, lost uint64
}

// PathStats says what went between this member and another over one link, since Open.
type PathStats struct {
	Peer       view.ID
	In         Traffic // handed over
	Out        Traffic // taken by the kernel
	Duplicates uint64  // copies of what another link had brought already; expected
	Dropped    uint64  // named this member as sender and were not good; it need not have sent them
	Lost       uint64  // refused by the kernel, see SendError
}

// LinkStats says what one link did, since Open.
type LinkStats struct {
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
	SendError    error          // what the kernel said when it last refused a datagram, or nil
	ReceiveError error          // the last fault of the network that the kernel reported, or nil
}

// Stats gives the counters of all links, in their order. It is a copy.
func (t *Transport) Stats() []LinkStats {
	ids := make([]view.ID, 0, len(t.peers))
	for id := range t.peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	all := make([]LinkStats, len(t.links))
	for i, l := range t.links {
		s := &all[i]
		s.Label, s.Dropped, s.LastReason = l.label, l.dropped, l.lastDrop
		s.Overrun = overrun(l.fd)
		if l.groupFD >= 0 {
			s.Overrun += overrun(l.groupFD)
		}
		s.Group, s.GroupLost = l.group.count.out, l.group.count.lost
		if l.lastDrop != wire.OK {
			s.LastSource = address(&l.lastFrom)
		}
		if l.sendError != 0 {
			s.SendError = l.sendError
		}
		if l.segmentError != 0 {
			s.SegmentError = l.segmentError
		}
		if l.readError != 0 {
			s.ReceiveError = l.readError
		}
		for _, id := range ids {
			p := t.peers[id]
			if p.paths[i].size == 0 {
				continue
			}
			c := &p.paths[i].count
			s.Paths = append(s.Paths, PathStats{Peer: id, In: c.in, Out: c.out, Duplicates: c.duplicates, Dropped: c.dropped, Lost: c.lost})
		}
	}
	return all
}

// overrun asks the kernel how many datagrams a socket has dropped for want of room. Asking
// here costs nothing per datagram, as a control message on each would (SO_RXQ_OVFL).
func overrun(fd int) uint64 {
	const drops = 8 // SK_MEMINFO_DROPS in linux/sock_diag.h, one of 9 numbers of 32 bits
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return uint64(info[drops])
}

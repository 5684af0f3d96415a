package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// pathCount counts what went between this member and another over one link.
type pathCount struct {
	in, out                   link.Traffic
	duplicates, dropped, lost uint64
}

// Stats gives the counters of all links, in their order. It is a copy.
func (t *Transport) Stats() []link.Stats {
	all := make([]link.Stats, len(t.links))
	for i, l := range t.links {
		s := &all[i]
		s.Label, s.Dropped, s.LastReason = l.label, l.dropped, l.lastDrop
		s.Overrun = overrun(l.fd)
		if l.groupFD >= 0 {
			s.Overrun += overrun(l.groupFD)
		}
		s.Group, s.GroupLost = l.group.count.out, l.group.count.lost
		if l.lastDrop != wire.OK {
			s.LastSource = link.Address(&l.lastFrom)
		}
		if l.twin.Known() && t.clock().Sub(l.twinAt) < link.RefusalMax {
			s.Twin, s.TwinSource = l.twin, link.Address(&l.twinTo.Name)
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
		for _, p := range t.peers {
			if p == nil || p.paths[i].Size == 0 {
				continue
			}
			c := &p.paths[i].count
			s.Paths = append(s.Paths, link.PathStats{Peer: p.id, Connected: true, In: c.in, Out: c.out, Duplicates: c.duplicates, Dropped: c.dropped, Lost: c.lost})
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

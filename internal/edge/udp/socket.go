package udp

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// port is one socket, or two if it has a multicast group.
type port struct {
	name  string // in messages
	label string
	fd    int    // -1 when closed
	wait  int    // readable when there is something to receive: fd, or an epoll descriptor over both sockets
	zone  uint32 // interface index for link-local IPv6 addresses without a zone of their own
	out   outbox

	groupFD int  // receives what is sent to the group; -1 if there is none
	group   path // to the group; its size is 0 if there is none

	dropped  [wire.ReasonCount]uint64 // datagrams received and not handed over
	lastDrop wire.Reason
	lastFrom unix.RawSockaddrInet6
	twin     view.Member // the last second process that was found under a member's name
	twinTo   path        // where it is
	twinAt   time.Time   // when it was heard last

	sendError    unix.Errno // of the last datagram that the kernel refused
	segmentError unix.Errno // not 0: the kernel does not cut messages into datagrams here
	readError    unix.Errno // the last one that a receive brought up
}

// openPort opens the socket of one link.
func openPort(c *link.Link, at, receiveBuffer, sendBuffer int) (*port, error) {
	l := &port{name: c.Name(at), label: c.Label, fd: -1, wait: -1, groupFD: -1}
	var err error
	if l.zone, err = c.Zone(); err != nil {
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	if l.fd, err = l.socket(c.Local, receiveBuffer, sendBuffer); err != nil {
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	l.wait = l.fd
	if c.Group.IsValid() {
		if err := l.openGroup(c, receiveBuffer); err != nil {
			l.close()
			return nil, fmt.Errorf("%s: group %v: %w", l.name, c.Group, err)
		}
	}
	return l, nil
}

// socket opens a socket that is bound to an address.
func (l *port) socket(at netip.AddrPort, receiveBuffer, sendBuffer int) (int, error) {
	name, err := link.NewRoute(at, l.zone)
	if err != nil {
		return -1, err
	}
	family := unix.AF_INET6
	if at.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := tune(fd, family, receiveBuffer, sendBuffer); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	if at.Addr().IsMulticast() {
		// Members on one host, and links with the same group, share its address.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("SO_REUSEADDR: %w", err)
		}
	}
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&name.Name)), uintptr(name.Size))
	if errno != 0 {
		_ = unix.Close(fd)
		return -1, link.BindError("udp", at, errno)
	}
	return fd, nil
}

// tune sets what a socket must have before it is bound.
func tune(fd, family, receiveBuffer, sendBuffer int) error {
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return fmt.Errorf("IPV6_V6ONLY: %w", err)
		}
		// The interface's MTU alone decides, and a datagram over it is fragmented: nobody
		// can make a link smaller by forged "fragmentation needed" messages.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT); err != nil {
			return fmt.Errorf("IPV6_MTU_DISCOVER: %w", err)
		}
	} else if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT); err != nil {
		return fmt.Errorf("IP_MTU_DISCOVER: %w", err)
	}
	// Datagrams that the kernel may hand over together cost much less. One that cannot
	// (before Linux 5.0) hands them over one by one.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	if err := setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, receiveBuffer); err != nil {
		return fmt.Errorf("receive buffer of %d bytes: %w", receiveBuffer, err)
	}
	if err := setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer); err != nil {
		return fmt.Errorf("send buffer of %d bytes: %w", sendBuffer, err)
	}
	return nil
}

// setBuffer asks for a buffer's size, first beyond the host's limit, which needs
// CAP_NET_ADMIN, then up to it: a smaller buffer loses more in a burst, and is no
// reason not to run.
func setBuffer(fd, force, ordinary, size int) error {
	if size == 0 {
		size = bufferDefault
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, ordinary, size)
}

func (l *port) close() {
	if l.wait != l.fd {
		_ = unix.Close(l.wait)
	}
	if l.fd >= 0 {
		_ = unix.Close(l.fd)
	}
	if l.groupFD >= 0 {
		_ = unix.Close(l.groupFD)
	}
	l.fd, l.wait, l.groupFD = -1, -1, -1
}

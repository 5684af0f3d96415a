package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// link is one socket, or two if it has a multicast group.
type link struct {
	name  string // in messages
	label string
	fd    int    // -1 when closed
	wait  int    // readable when there is something to receive: fd, or an epoll descriptor over both sockets
	zone  uint32 // interface index for link-local IPv6 addresses without a zone of their own
	out   outbox

	groupFD int  // receives what is sent to the group; -1 if there is none
	group   path // to the group; its size is 0 if there is none

	dropped      [wire.ReasonCount]uint64 // datagrams received and not handed over
	lastDrop     wire.Reason
	lastFrom     unix.RawSockaddrInet6
	sendError    unix.Errno // of the last datagram that the kernel refused
	segmentError unix.Errno // not 0: the kernel does not cut messages into datagrams here
	readError    unix.Errno // the last one that a receive brought up
}

// openLink opens the socket of one link.
func openLink(c *Link, at, receiveBuffer, sendBuffer int) (*link, error) {
	l := &link{name: c.name(at), label: c.Label, fd: -1, wait: -1, groupFD: -1}
	if c.Interface != "" {
		i, err := net.InterfaceByName(c.Interface)
		if err != nil {
			return nil, fmt.Errorf("%s: interface %q does not exist on this host; interfaces: %s", l.name, c.Interface, interfaces())
		}
		l.zone = uint32(i.Index)
		if err := checkInterface(i, c.Local.Addr()); err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	var err error
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
func (l *link) socket(at netip.AddrPort, receiveBuffer, sendBuffer int) (int, error) {
	name, err := newRoute(at, l.zone)
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
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&name.name)), uintptr(name.size))
	if errno != 0 {
		_ = unix.Close(fd)
		return -1, bindError(at, errno)
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

func (l *link) close() {
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

// route is an address in the kernel's form. An IPv4 one takes its first 16 bytes.
type route struct {
	name unix.RawSockaddrInet6
	size uint32 // 0: there is none
}

// newRoute brings an address into the kernel's form. zone is for link-local addresses
// that name none.
func newRoute(at netip.AddrPort, zone uint32) (route, error) {
	var r route
	port := (*[2]byte)(unsafe.Pointer(&r.name.Port))
	binary.BigEndian.PutUint16(port[:], at.Port())
	if at.Addr().Is4() {
		r.name.Family, r.size = unix.AF_INET, unix.SizeofSockaddrInet4
		(*unix.RawSockaddrInet4)(unsafe.Pointer(&r.name)).Addr = at.Addr().As4()
		return r, nil
	}
	r.name.Family, r.size = unix.AF_INET6, unix.SizeofSockaddrInet6
	r.name.Addr = at.Addr().As16()
	if name := at.Addr().Zone(); name != "" {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return route{}, fmt.Errorf("%v: interface %q does not exist on this host; interfaces: %s", at, name, interfaces())
		}
		zone = uint32(i.Index)
	}
	if at.Addr().IsLinkLocalUnicast() || at.Addr().IsLinkLocalMulticast() || at.Addr().IsInterfaceLocalMulticast() {
		if zone == 0 {
			return route{}, fmt.Errorf("%v is a link-local address; name its interface, as in %v%%eth0", at, at.Addr())
		}
		r.name.Scope_id = zone
	}
	return r, nil
}

// address brings a source that the kernel gave back into ours; invalid if there is none.
func address(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	switch name.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), port)
	case unix.AF_INET6:
		a := netip.AddrFrom16(name.Addr)
		if name.Scope_id != 0 {
			a = a.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
		}
		return netip.AddrPortFrom(a, port)
	}
	return netip.AddrPort{}
}

// bindError words why an address cannot be used, and what to do.
func bindError(at netip.AddrPort, errno unix.Errno) error {
	switch {
	case errors.Is(errno, unix.EADDRNOTAVAIL):
		have, here := addresses(at.Addr())
		if here {
			return fmt.Errorf("address %v is still being checked for duplicates by the kernel; wait some seconds, or turn the check off with sysctl net.ipv6.conf.INTERFACE.accept_dad=0: %w", at.Addr(), errno)
		}
		return fmt.Errorf("address %v is not on this host; addresses: %s; add it with `ip address add`, or correct the configuration: %w", at.Addr(), have, errno)
	case errors.Is(errno, unix.EADDRINUSE):
		return fmt.Errorf("port %d of %v is in use by another process; find it with `ss -lunp sport = :%d`: %w", at.Port(), at.Addr(), at.Port(), errno)
	case errors.Is(errno, unix.EACCES):
		return fmt.Errorf("port %d of %v: ports below 1024 need root or CAP_NET_BIND_SERVICE: %w", at.Port(), at.Addr(), errno)
	}
	return fmt.Errorf("bind %v: %w", at, errno)
}

// checkInterface says whether an interface has the address.
func checkInterface(i *net.Interface, a netip.Addr) error {
	list, err := i.Addrs()
	if err != nil {
		return fmt.Errorf("interface %q: %w", i.Name, err)
	}
	var have []string
	for _, n := range list {
		p, err := netip.ParsePrefix(n.String())
		if err != nil {
			continue
		}
		if p.Addr() == a.WithZone("") {
			return nil
		}
		have = append(have, p.Addr().String())
	}
	return fmt.Errorf("interface %q does not have the address %v; its addresses: %s", i.Name, a, strings.Join(have, ", "))
}

// interfaces lists the names of the host's interfaces.
func interfaces() string {
	list, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return strings.Join(names, ", ")
}

// addresses lists the host's addresses, and says whether a is among them.
func addresses(a netip.Addr) (string, bool) {
	list, err := net.Interfaces()
	if err != nil {
		return err.Error(), false
	}
	var have []string
	here := false
	for i := range list {
		on, err := list[i].Addrs()
		if err != nil {
			continue
		}
		for _, n := range on {
			p, err := netip.ParsePrefix(n.String())
			if err != nil {
				continue
			}
			here = here || p.Addr() == a.WithZone("")
			have = append(have, p.Addr().String()+" ("+list[i].Name+")")
		}
	}
	return strings.Join(have, ", "), here
}

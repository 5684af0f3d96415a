package udp

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
)

// openGroup joins the link's multicast group. What is sent to it is received by a socket
// of its own, because one that is bound to this member's address is not given it, and
// one that is bound to none would be given what is meant for others.
func (l *port) openGroup(c *link.Link, receiveBuffer int) error {
	index := int(l.zone)
	if index == 0 {
		found, err := link.InterfaceOf(c.Local.Addr())
		if err != nil {
			return err
		}
		index = found
		l.zone = uint32(index)
	}
	to, err := link.NewRoute(c.Group, l.zone)
	if err != nil {
		return err
	}
	if l.groupFD, err = l.socket(c.Group, receiveBuffer, 0); err != nil {
		return err
	}
	if c.Group.Addr().Is4() {
		err = l.join4(c.Group.Addr(), index)
	} else {
		err = l.join6(c.Group.Addr(), index)
	}
	if err != nil {
		return err
	}
	if l.wait, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		l.wait = l.fd
		return fmt.Errorf("create epoll: %w", err)
	}
	for _, fd := range []int{l.fd, l.groupFD} {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(l.wait, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return fmt.Errorf("watch its socket: %w", err)
		}
	}
	l.group.Route = to
	return nil
}

// option is a socket option to be set to a number.
type option struct {
	name  string
	fd    int
	level int
	opt   int
	value int
}

func set(options ...option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(o.fd, o.level, o.opt, o.value); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return nil
}

// join4 joins an IPv4 group on one interface, and sends to groups over it.
func (l *port) join4(group netip.Addr, index int) error {
	// Without this the socket would be given what others joined on other interfaces.
	err := set(option{"IP_MULTICAST_ALL", l.groupFD, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0},
		option{"IP_MULTICAST_TTL", l.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 1},
		option{"IP_MULTICAST_LOOP", l.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0})
	if err != nil {
		return err
	}
	m := &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)}
	if err := unix.SetsockoptIPMreqn(l.groupFD, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, m); err != nil {
		return fmt.Errorf("join it on interface %d: %w", index, err)
	}
	if err := unix.SetsockoptIPMreqn(l.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)}); err != nil {
		return fmt.Errorf("IP_MULTICAST_IF: %w", err)
	}
	return nil
}

// join6 is join4 for IPv6.
func (l *port) join6(group netip.Addr, index int) error {
	err := set(option{"IPV6_MULTICAST_ALL", l.groupFD, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0},
		option{"IPV6_MULTICAST_HOPS", l.fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 1},
		option{"IPV6_MULTICAST_LOOP", l.fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0},
		option{"IPV6_MULTICAST_IF", l.fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, index})
	if err != nil {
		return err
	}
	m := &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)}
	if err := unix.SetsockoptIPv6Mreq(l.groupFD, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, m); err != nil {
		return fmt.Errorf("join it on interface %d: %w", index, err)
	}
	return nil
}

package address

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Watch knows which of some interfaces are up: turned on by the administrator, and
// with carrier. It is told by the kernel (rtnetlink link notifications), and asks
// again when notifications were lost.
type Watch struct {
	fd      int // rtnetlink
	query   int // for ioctl(2)
	watched []watched
	buffer  []byte
	lost    bool // notifications were lost; what is queued is older than the loss
}

// watched is one interface.
type watched struct {
	name  string
	index int // 0 while it does not exist
	up    bool
}

// OpenWatch begins to watch interfaces, at most 256, which must exist. Nobody is told
// of the state they are in: see [Watch.Down].
func OpenWatch(interfaces []string) (*Watch, error) {
	w := &Watch{fd: -1, query: -1, buffer: make([]byte, readSize)}
	if err := w.open(interfaces); err != nil {
		w.Close()
		return nil, &OpError{Op: "watch", Err: err}
	}
	return w, nil
}

func (w *Watch) open(interfaces []string) error {
	if len(interfaces) > watchMax {
		return fmt.Errorf("%d interfaces to watch; at most %d", len(interfaces), watchMax)
	}
	var err error
	if w.query, err = openQuery(); err != nil {
		return err
	}
	w.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink socket: %w", err)
	}
	// Beyond the host's limit only with CAP_NET_ADMIN; a smaller one only loses sooner.
	if unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, watchBuffer) != nil {
		_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, watchBuffer)
	}
	if err := unix.Bind(w.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		return fmt.Errorf("subscribe to link notifications: %w", err)
	}
	// Asked after the subscription: what changes from here on is notified.
	var faults []error
	for _, name := range interfaces {
		i := watched{name: name}
		if err := w.ask(&i); err != nil {
			faults = append(faults, err)
		}
		w.watched = append(w.watched, i)
	}
	return errors.Join(faults...)
}

// ask brings one interface up to date.
func (w *Watch) ask(i *watched) error {
	r, err := ask(w.query, i.name, unix.SIOCGIFINDEX)
	if err == nil {
		i.index = r.number()
		r, err = ask(w.query, i.name, unix.SIOCGIFFLAGS)
	}
	if err != nil {
		i.index, i.up = 0, false
		return missing(i.name, err)
	}
	i.up = isUp(uint32(r.short()))
	return nil
}

// isUp judges an interface's flags (IFF_*). Running is what the kernel calls a link
// that can carry traffic: carrier, and no authentication or bond waited for.
func isUp(flags uint32) bool {
	const both = unix.IFF_UP | unix.IFF_RUNNING
	return flags&both == both
}

// FD is the descriptor for an epoll loop that calls Read when it is readable.
func (w *Watch) FD() int { return w.fd }

// Read takes the notifications that are there and calls fn for each change of a
// watched interface, in their order. An interface that was removed or renamed is down.
// It never blocks, and takes at most 64 datagrams; the rest keeps the descriptor
// readable. An error means that the Watch is unusable.
func (w *Watch) Read(fn func(name string, up bool)) error {
	for range readMax {
		n, from, err := unix.Recvfrom(w.fd, w.buffer, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			if w.lost {
				w.lost = false
				w.resync(fn)
			}
			return nil
		case errors.Is(err, unix.ENOBUFS):
			// The kernel drops all until the queue has been read, and then asking gives
			// the state of now. What is still queued is of before, and would undo it.
			w.lost = true
			continue
		case err != nil:
			return &OpError{Op: "watch", Err: fmt.Errorf("read link notifications: %w", err)}
		}
		if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
			continue // another process may send to this socket; only the kernel is believed
		}
		if n > len(w.buffer) || !w.lost && !w.parse(w.buffer[:n], fn) {
			w.lost = true
		}
	}
	return nil
}

// resync asks for every interface, after notifications were lost.
func (w *Watch) resync(fn func(string, bool)) {
	for i := range w.watched {
		was := w.watched[i].up
		_ = w.ask(&w.watched[i]) // an interface that is gone is down
		if now := w.watched[i].up; now != was {
			fn(w.watched[i].name, now)
		}
	}
}

// parse reads one netlink datagram; false if it is not what the kernel sends.
func (w *Watch) parse(b []byte, fn func(string, bool)) bool {
	for len(b) > 0 {
		if len(b) < unix.SizeofNlMsghdr {
			return false
		}
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return false
		}
		switch kind := binary.NativeEndian.Uint16(b[4:]); kind {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			if !w.parseLink(b[unix.SizeofNlMsghdr:size], kind == unix.RTM_DELLINK, fn) {
				return false
			}
		}
		b = b[min(align(size), len(b)):]
	}
	return true
}

// align rounds up to where the next message or attribute begins.
func align(n int) int { return (n + 3) &^ 3 }

// parseLink reads one struct ifinfomsg with its attributes.
func (w *Watch) parseLink(b []byte, gone bool, fn func(string, bool)) bool {
	if len(b) < unix.SizeofIfInfomsg {
		return false
	}
	if b[0] != unix.AF_UNSPEC {
		return true // a bridge's or another family's view of the link
	}
	index := int(int32(binary.NativeEndian.Uint32(b[4:])))
	flags := binary.NativeEndian.Uint32(b[8:])
	var name []byte
	for b = b[unix.SizeofIfInfomsg:]; len(b) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return false
		}
		if binary.NativeEndian.Uint16(b[2:]) == unix.IFLA_IFNAME {
			name = b[unix.SizeofRtAttr:size]
			break
		}
		b = b[min(align(size), len(b)):]
	}
	if n := len(name); n > 0 && name[n-1] == 0 {
		name = name[:n-1]
	}
	w.note(index, string(name), !gone, !gone && isUp(flags), fn)
	return true
}

// note takes over what a notification says of one interface.
func (w *Watch) note(index int, name string, exists, up bool, fn func(string, bool)) {
	for i := range w.watched {
		s := &w.watched[i]
		was := s.up
		switch {
		case s.name == name && exists:
			s.index, s.up = index, up
		case s.index == index: // it was removed, or has another name now
			s.index, s.up = 0, false
		}
		if s.up != was {
			fn(s.name, s.up)
		}
	}
}

// Down gives the names of the watched interfaces that are down, in their order, as of
// the last Read.
func (w *Watch) Down() []string {
	var down []string
	for i := range w.watched {
		if !w.watched[i].up {
			down = append(down, w.watched[i].name)
		}
	}
	return down
}

// Close closes the sockets. A second Close does nothing.
func (w *Watch) Close() {
	for _, fd := range []*int{&w.fd, &w.query} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}

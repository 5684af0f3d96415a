package ctnetlink

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a non-blocking NETLINK_NETFILTER socket.
type socket struct {
	fd   int
	port uint32 // its address, as nlmsg_pid shows it
	from unix.RawSockaddrNetlink
}

func openSocket(groups ...int) (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	s := &socket{fd: fd}
	if err := s.bind(groups); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) bind(groups []int) error {
	if err := unix.Bind(s.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return err
	}
	if own, ok := name.(*unix.SockaddrNetlink); ok {
		s.port = own.Pid
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			return err
		}
	}
	return nil
}

func (s *socket) close() error {
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}

// resize asks for a buffer of so many bytes, past the system's limit if it may, and
// gives what the kernel allotted. The kernel doubles what is asked, for its own
// accounting; what is given here is comparable with what was asked.
func (s *socket) resize(force, plain, size int) (int, error) {
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, force, size) != nil {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, plain, size); err != nil {
			return 0, err
		}
	}
	n, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, plain)
	return n / 2, err
}

// send gives the kernel a buffer of messages; it has done them all when send returns.
// Like the other calls here it works and never sleeps for long, so the Go scheduler does
// not hear of it.
func (s *socket) send(b []byte) error {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// receive takes one datagram. size is its true length, which may be more than len(b);
// -1: it did not come from the kernel and is to be passed over.
func (s *socket) receive(b []byte) (size int, errno unix.Errno) {
	length := uint32(unix.SizeofSockaddrNetlink)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_TRUNC, uintptr(unsafe.Pointer(&s.from)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return 0, errno
	}
	if s.from.Pid != 0 {
		return -1, 0
	}
	return int(n), 0
}

package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tickTag is the tag of the poller's own timer.
const tickTag = -1

// poller is an epoll instance with a timer in it, waited for by way of the runtime's
// own: a goroutine that waits takes no thread. It is owned by one goroutine, but for
// close.
type poller struct {
	file   *os.File
	raw    syscall.RawConn
	fd     int
	timer  int
	events [eventsMax]unix.EpollEvent
}

// newPoller makes a poller whose timer goes off at the interval; never if it is zero.
func newPoller(interval time.Duration) (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile would not poll it
		unix.Close(fd)
		return nil, err
	}
	p := &poller{fd: fd, timer: -1, file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err == nil && interval > 0 {
		err = p.addTimer(interval)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) addTimer(interval time.Duration) (err error) {
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("make a timer: %w", err)
	}
	every := unix.NsecToTimespec(int64(interval))
	if err := unix.TimerfdSettime(p.timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return fmt.Errorf("set a timer: %w", err)
	}
	return p.add(p.timer, unix.EPOLLIN, tickTag, 0)
}

// add watches a descriptor. The tag and its generation come back with each event.
func (p *poller) add(fd int, events uint32, tag, generation int32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: tag, Pad: generation})
}

// wait gives the next events, valid until the next call. After close it fails.
func (p *poller) wait() ([]unix.EpollEvent, error) {
	var n int
	var failed error
	err := p.raw.Read(func(fd uintptr) bool {
		n, failed = unix.EpollWait(int(fd), p.events[:], 0)
		if errors.Is(failed, unix.EINTR) {
			n, failed = 0, nil
		}
		return n > 0 || failed != nil
	})
	return p.events[:max(n, 0)], errors.Join(err, failed)
}

// ticks takes the timer's ticks that have passed, at most catchUp.
func (p *poller) ticks() int {
	var b [8]byte
	if n, err := unix.Read(p.timer, b[:]); err != nil || n != len(b) {
		return 0
	}
	return int(min(binary.NativeEndian.Uint64(b[:]), catchUp))
}

// close ends a wait. The owner closes the timer with it.
func (p *poller) close() { p.file.Close() }

// free closes what only the owner may, after close.
func (p *poller) free() {
	if p.timer >= 0 {
		unix.Close(p.timer)
	}
}

// socket opens a non-blocking socket of the calling thread's namespace.
func socket(address netip.Addr, kind int) (int, error) {
	family := unix.AF_INET
	if address.Is6() {
		family = unix.AF_INET6
	}
	return unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

func sockaddr(address netip.Addr, port uint16) unix.Sockaddr {
	if address.Is4() {
		return &unix.SockaddrInet4{Addr: address.As4(), Port: int(port)}
	}
	return &unix.SockaddrInet6{Addr: address.As16(), Port: int(port)}
}

// connect starts a TCP connection from a source address. The port is chosen with the
// destination known, so that each source address has all its ports for each.
func connect(from, to netip.Addr, port uint16) (int, error) {
	fd, err := socket(to, unix.SOCK_STREAM)
	if err != nil {
		return -1, err
	}
	// Older kernels lack the option; then ports are only scarcer.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if err = unix.Bind(fd, sockaddr(from, 0)); err == nil {
		err = unix.Connect(fd, sockaddr(to, port))
	}
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// pending says whether a call on a non-blocking socket only has to be made again later.
func pending(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

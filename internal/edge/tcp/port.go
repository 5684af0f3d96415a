package tcp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// port is one link: who listens there, and the streams over it.
type port struct {
	at       int // its position, counted from 0
	name     string
	label    string
	epoll    int // -1 when closed
	listener int
	timer    int
	alarm    time.Time // for when the timer is set; zero: it is not
	acceptAt time.Time // when to accept again, after the process was short of descriptors or memory; zero: always
	zone     uint32
	local    link.Route
	members  []*peer // that have an address on this link

	streams   map[int32]*stream // all, by descriptor
	strangers []*stream         // accepted and not greeted, the oldest first
	dirty     []*stream         // something was queued since the last Flush
	changed   bool              // what attend looks at has changed

	dropped   [wire.ReasonCount]uint64
	lastDrop  wire.Reason
	lastFrom  netip.AddrPort
	twin      view.Member // the last second process under a member's name, and where it is
	twinFrom  netip.AddrPort
	twinAt    time.Time
	sendError unix.Errno
	readError unix.Errno
}

// openPort listens on a link's address.
func openPort(l *link.Link, at int) (*port, error) {
	p := &port{at: at, name: l.Name(at), label: l.Label, epoll: -1, listener: -1, timer: -1, streams: map[int32]*stream{}}
	if err := p.open(l); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *port) open(l *link.Link) (err error) {
	if p.zone, err = l.Zone(); err != nil {
		return err
	}
	if p.local, err = link.NewRoute(l.Local, p.zone); err != nil {
		return err
	}
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("create epoll: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return fmt.Errorf("create timer: %w", err)
	}
	if p.listener, err = p.socket(); err != nil {
		return err
	}
	// A former life of this process may have streams that the kernel still remembers.
	if err := unix.SetsockoptInt(p.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fmt.Errorf("SO_REUSEADDR: %w", err)
	}
	if errno := bind(p.listener, &p.local); errno != 0 {
		return link.BindError("tcp", l.Local, errno)
	}
	if err := unix.Listen(p.listener, backlog); err != nil {
		if errors.Is(err, unix.EADDRINUSE) {
			return link.BindError("tcp", l.Local, unix.EADDRINUSE)
		}
		return fmt.Errorf("listen on %v: %w", l.Local, err)
	}
	return errors.Join(p.watch(p.listener, unix.EPOLLIN), p.watch(p.timer, unix.EPOLLIN))
}

// socket makes a socket of the link's family.
func (p *port) socket() (int, error) {
	fd, err := unix.Socket(int(p.local.Name.Family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if p.local.Name.Family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("IPV6_V6ONLY: %w", err)
		}
	}
	return fd, nil
}

func bind(fd int, r *link.Route) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&r.Name)), uintptr(r.Size))
	return errno
}

func (p *port) watch(fd int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("watch a socket: %w", err)
	}
	return nil
}

// listen changes what is told of a descriptor.
func (p *port) listen(fd int, events uint32) {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, fd, &event)
}

// accept takes one waiting stream of somebody; false if there is none.
func (p *port) accept(now time.Time) bool {
	var from link.Route
	from.Size = unix.SizeofSockaddrInet6
	fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(p.listener), uintptr(unsafe.Pointer(&from.Name)),
		uintptr(unsafe.Pointer(&from.Size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		if errno != unix.EAGAIN && errno != unix.EINTR {
			p.readError = errno
		}
		if errno == unix.EMFILE || errno == unix.ENFILE || errno == unix.ENOBUFS || errno == unix.ENOMEM {
			// The stream goes on waiting, and would be told of without end.
			p.acceptAt, p.changed = now.Add(retryMax), true
			p.listen(p.listener, 0)
		}
		return false
	}
	source := link.Address(&from.Name)
	if len(p.strangers) >= strangerMax && !p.makeRoom(source) {
		_ = unix.Close(int(fd))
		return true
	}
	s := &stream{fd: int(fd), port: p, source: source, stage: greeting, deadline: now.Add(helloMax)}
	if err := s.tune(); err != nil || p.watch(s.fd, unix.EPOLLIN) != nil {
		_ = unix.Close(s.fd)
		return true
	}
	p.streams[int32(s.fd)] = s
	p.strangers = append(p.strangers, s)
	p.changed = true
	return true
}

// makeRoom closes the oldest stranger from an address of no member, or the oldest at all
// if the new one is from one.
func (p *port) makeRoom(source netip.AddrPort) bool {
	for _, s := range p.strangers {
		if !p.expects(s.source.Addr()) {
			s.end(wire.OK, 0)
			return true
		}
	}
	if p.expects(source.Addr()) {
		p.strangers[0].end(wire.OK, 0)
		return true
	}
	return false
}

// expects says whether an address is one of a member's.
func (p *port) expects(a netip.Addr) bool {
	return slices.ContainsFunc(p.members, func(m *peer) bool { return isOf(m, p.at, a) })
}

// isOf says whether an address is that of a member on a link, counted from 0.
func isOf(m *peer, at int, a netip.Addr) bool {
	return m.ways[at].at.Addr().WithZone("") == a.WithZone("")
}

// setAlarm sets the timer; the zero time stops it.
func (p *port) setAlarm(at, now time.Time) {
	if at.Equal(p.alarm) {
		return
	}
	p.alarm = at
	var spec unix.ItimerSpec
	if !at.IsZero() {
		spec.Value = unix.NsecToTimespec(int64(max(at.Sub(now), time.Microsecond)))
	}
	_ = unix.TimerfdSettime(p.timer, 0, &spec, nil)
}

// rang takes the timer's ringing back.
func (p *port) rang() {
	var count [8]byte
	_, _ = unix.Read(p.timer, count[:])
	p.alarm, p.changed = time.Time{}, true
}

// drop counts what was refused.
func (p *port) drop(reason wire.Reason, from netip.AddrPort) {
	p.dropped[reason]++
	if reason != wire.Duplicate {
		p.lastDrop, p.lastFrom = reason, from
	}
}

func (p *port) close() {
	for _, s := range p.streams { //tidy:unordered all of them are closed
		_ = unix.Close(s.fd)
		s.fd, s.stage = -1, ended
	}
	for _, m := range p.members {
		m.ways[p.at].stream = nil
	}
	clear(p.streams)
	p.strangers, p.dirty, p.members = nil, nil, nil
	for _, fd := range []*int{&p.listener, &p.timer, &p.epoll} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
		}
		*fd = -1
	}
}

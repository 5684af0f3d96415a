package tcp

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// attend begins the streams that are due, ends those that take too long, accepts again
// after a pause, and sets the timer for the next time.
func (t *Transport) attend(p *port, now time.Time) {
	if p.epoll < 0 {
		return
	}
	p.changed = false
	var due time.Time
	soon := func(at time.Time) {
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	if !p.acceptAt.IsZero() {
		if now.Before(p.acceptAt) {
			soon(p.acceptAt)
		} else {
			p.acceptAt = time.Time{}
			p.listen(p.listener, unix.EPOLLIN)
		}
	}
	for i := 0; i < len(p.strangers); {
		s := p.strangers[i]
		if !now.Before(s.deadline) {
			s.end(wire.OK, unix.ETIMEDOUT)
			continue
		}
		soon(s.deadline)
		i++
	}
	for _, m := range p.members {
		w := &m.ways[p.at]
		if s := w.stream; s != nil && s.stage != up && !now.Before(s.deadline) {
			s.end(wire.OK, unix.ETIMEDOUT)
		}
		if w.stream == nil && m.id > t.Self().ID {
			t.redial(p, m, now)
		}
		if w.stream != nil && w.stream.stage != up {
			soon(w.stream.deadline)
		}
		if w.stream == nil && !w.retryAt.IsZero() {
			soon(w.retryAt)
		}
	}
	p.setAlarm(due, now)
	p.changed = false
}

// redial begins a stream to a member if it is time for it, or decides when.
func (t *Transport) redial(p *port, m *peer, now time.Time) {
	w := &m.ways[p.at]
	if w.retryAt.IsZero() {
		if !w.upAt.IsZero() && now.Sub(w.upAt) >= retryMax {
			w.retry = 0 // after a stream that lasted, at once
		}
		w.upAt = time.Time{}
		w.retryAt = now.Add(w.retry)
	}
	if now.Before(w.retryAt) {
		return
	}
	w.retry = min(max(2*w.retry, retryMin), retryMax)
	w.retryAt = time.Time{}
	if errno := t.dial(p, m, now); errno != 0 {
		p.sendError = errno
		w.retryAt = now.Add(w.retry)
	}
}

// dial begins a stream.
func (t *Transport) dial(p *port, m *peer, now time.Time) unix.Errno {
	w := &m.ways[p.at]
	fd, err := p.socket()
	if err != nil {
		return errnoOf(err)
	}
	s := &stream{fd: fd, port: p, peer: m, source: w.at, stage: connecting, deadline: now.Add(helloMax)}
	fail := func(errno unix.Errno) unix.Errno {
		_ = unix.Close(fd)
		return errno
	}
	if err := s.tune(); err != nil {
		return fail(errnoOf(err))
	}
	// The port is chosen with the connection, so that as many streams as there are pairs of
	// addresses and ports are possible.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	from := p.local
	from.Name.Port = 0
	if errno := bind(fd, &from); errno != 0 {
		return fail(errno)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&w.Name)), uintptr(w.Size))
	if errno != 0 && errno != unix.EINPROGRESS {
		return fail(errno)
	}
	if err := p.watch(fd, unix.EPOLLOUT); err != nil {
		return fail(errnoOf(err))
	}
	p.streams[int32(fd)] = s
	w.stream = s
	return 0
}

// connected goes on with a stream that the kernel has connected, or not.
func (t *Transport) connected(s *stream) {
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || code != 0 {
		s.end(wire.OK, unix.Errno(code))
		return
	}
	s.stage = greeting
	s.port.listen(s.fd, unix.EPOLLIN)
	t.greet(s, s.peer.id)
}

// errnoOf finds the number of an error of the kernel; EIO if there is none.
func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return unix.EIO
	}
	return errno
}

package tcp

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Receive does what there is to do on a link: it accepts, connects, goes on sending, and
// hands over the frames that are good, in the order of arrival: who sent each, in which
// life, over which link. The link and the descriptor of the same position in
// [Transport.FDs] belong together; links are numbered from 1. A frame is valid during the
// call only. fn may call Send and Flush, and not Receive.
//
// n is the number of things done, frames good or not among them, about 1000 at most; 0
// means that nothing is left to do. What is left keeps the descriptor readable. Receive
// never blocks. An error means that the transport is closed; faults of the network are
// counted in [link.Stats] and no error.
func (t *Transport) Receive(number int, fn func(from view.Member, link uint8, frame []byte)) (n int, err error) {
	if number < 1 || number > len(t.ports) {
		return 0, &OpError{Op: "receive", Err: fmt.Errorf("there is no link %d; there are %d", number, len(t.ports))}
	}
	p := t.ports[number-1]
	now := t.clock()
	var events [eventsMax]unix.EpollEvent
	for n < receiveMax {
		ready, errno := poll(p.epoll, &events)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return n, &OpError{Op: "receive", Err: fmt.Errorf("%s: %w", p.name, errno)}
		}
		for i := range events[:ready] {
			n++
			switch fd := events[i].Fd; {
			case int(fd) == p.timer:
				p.rang()
			case int(fd) == p.listener:
				for range strangerMax {
					if !p.accept(now) {
						break
					}
				}
			default:
				if s := p.streams[fd]; s != nil {
					n += t.serve(s, events[i].Events, now, fn)
				}
			}
		}
		if p.changed {
			t.attend(p, now)
		}
		if ready == 0 {
			break
		}
	}
	return n, nil
}

// poll asks which descriptors are ready. It does not block, so the Go scheduler need not
// hear of it.
func poll(epoll int, events *[eventsMax]unix.EpollEvent) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(events)), eventsMax, 0, 0, 0)
	return int(n), errno
}

// serve does what a stream is ready for, and says how many units were taken.
func (t *Transport) serve(s *stream, events uint32, now time.Time, fn func(view.Member, uint8, []byte)) int {
	if s.stage == connecting {
		t.connected(s)
		return 0
	}
	if events&unix.EPOLLOUT != 0 {
		s.flush()
	}
	if s.stage == ended || events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return 0
	}
	held := copy(t.inbox, s.rest[:s.held])
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&t.inbox[held])),
		uintptr(len(t.inbox)-held), unix.MSG_DONTWAIT, 0, 0)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0
	case errno != 0:
		s.port.readError = errno
		s.end(wire.OK, 0)
		return 0
	case n == 0: // the other has closed it
		s.end(wire.OK, 0)
		return 0
	}
	return t.cut(s, t.inbox[:held+int(n)], now, fn)
}

// cut takes the units out of what was read.
func (t *Transport) cut(s *stream, b []byte, now time.Time, fn func(view.Member, uint8, []byte)) (taken int) {
	for {
		unit, rest, ok, reason := next(b)
		if reason != wire.OK {
			s.end(reason, 0)
			return taken
		}
		if !ok {
			s.held = copy(s.rest[:], rest)
			return taken
		}
		b = rest
		taken++
		if t.take(s, unit, now, fn); s.stage == ended {
			return taken
		}
	}
}

// take judges one unit and hands its frame over if it is good. What cannot come from an
// honest member ends the stream: TCP neither damages nor repeats.
func (t *Transport) take(s *stream, b []byte, now time.Time, fn func(view.Member, uint8, []byte)) {
	var h seal.Header
	reason := t.seal.Parse(&h, b)
	if s.stage != up {
		if reason == wire.OK {
			reason = t.hello(s, &h, b, now)
		}
		if reason != wire.OK {
			t.show(s, &h, reason)
			s.end(reason, 0)
		}
		return
	}
	if reason != wire.OK {
		s.end(reason, 0)
		return
	}
	p := s.port
	if h.From != s.life || h.Scope > seal.Everyone {
		s.end(wire.Malformed, 0)
		return
	}
	m := s.peer
	w := &m.ways[p.at]
	frame, reason := t.seal.Open(&m.Peer, &h, p.at, b)
	switch reason {
	case wire.OK:
		m.Take(&h, p.at)
		m.heard = now
		w.in.Add(1, lengthSize+len(b))
		fn(h.From, uint8(p.at+1), frame)
	case wire.Duplicate:
		w.duplicates++
		p.drop(reason, s.source)
	case wire.Replayed, wire.Stale:
		w.dropped++
		p.drop(reason, s.source)
	default:
		s.end(reason, 0)
	}
}

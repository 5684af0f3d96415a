package tcp

import (
	"encoding/binary"
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

// lengthSize is the size of what precedes each envelope in a stream: its length.
const lengthSize = 2

// stage is how far a stream has come.
type stage uint8

const (
	connecting stage = iota // we have begun to connect
	greeting                // the other's hello is awaited
	up
	ended
)

// stream is one TCP connection.
type stream struct {
	fd       int
	port     *port
	peer     *peer // nil before the hello of one that was accepted
	source   netip.AddrPort
	stage    stage
	deadline time.Time // until when it must be up
	life     view.Member

	queue   []byte // units to be sent, from sent on
	sent    int
	marked  bool // it is among the dirty ones
	blocked bool // the kernel has no room; we are told when it has

	rest [unitMax]byte // the beginning of a unit whose end has not come yet
	held int           // bytes of it
}

// way is what leads to a member over one link.
type way struct {
	link.Route // of the member; its size is 0 if it is not on the link
	at         netip.AddrPort
	stream     *stream        // the one that is up, or that we are beginning; nil if there is none
	source     netip.AddrPort // where the present life's last stream came from
	retryAt    time.Time      // when to begin another
	retry      time.Duration
	upAt       time.Time // since when the present or last stream was up

	in, out                   link.Traffic
	duplicates, dropped, lost uint64
}

// tune sets what every stream must have.
func (s *stream) tune() error {
	for _, o := range []struct {
		name              string
		level, opt, value int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silentMax.Milliseconds())},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 2},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 1},
	} {
		if err := unix.SetsockoptInt(s.fd, o.level, o.opt, o.value); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return nil
}

// push queues one unit; false if there is no room.
func (s *stream) push(unit []byte) bool {
	if len(s.queue)-s.sent+len(unit) > queueMax {
		if s.flush(); s.stage == ended || len(s.queue)-s.sent+len(unit) > queueMax {
			return false
		}
	}
	if s.sent > 0 && len(s.queue)+len(unit) > cap(s.queue) {
		// Room that was given back is used before more is taken.
		n := copy(s.queue, s.queue[s.sent:])
		s.queue, s.sent = s.queue[:n], 0
	}
	s.queue = append(s.queue, unit...)
	if !s.marked {
		s.marked = true
		s.port.dirty = append(s.port.dirty, s)
	}
	return true
}

// flush writes what is queued, as far as the kernel takes it.
func (s *stream) flush() {
	if s.stage != up && s.stage != greeting {
		return
	}
	for s.sent < len(s.queue) {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&s.queue[s.sent])),
			uintptr(len(s.queue)-s.sent), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			s.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			s.block(true)
			return
		default:
			s.end(wire.OK, errno)
			return
		}
	}
	s.queue, s.sent = s.queue[:0], 0
	s.block(false)
}

// block notes whether the kernel has no room, and asks to be told when it has.
func (s *stream) block(on bool) {
	if s.blocked == on {
		return
	}
	s.blocked = on
	events := uint32(unix.EPOLLIN)
	if on {
		events |= unix.EPOLLOUT
	}
	s.port.listen(s.fd, events)
}

// end closes a stream, because of what the other has sent or because of the network;
// neither if it is only replaced.
func (s *stream) end(reason wire.Reason, errno unix.Errno) {
	if s.stage == ended {
		return
	}
	p := s.port
	if reason != wire.OK {
		p.drop(reason, s.source)
	}
	if errno != 0 {
		p.sendError = errno
	}
	delete(p.streams, int32(s.fd))
	_ = unix.Close(s.fd)
	s.fd, s.stage, s.queue, s.sent = -1, ended, nil, 0
	p.strangers = slices.DeleteFunc(p.strangers, func(o *stream) bool { return o == s })
	p.changed = true
	if s.peer == nil {
		return
	}
	w := &s.peer.ways[p.at]
	if reason != wire.OK {
		w.dropped++
	}
	if w.stream == s {
		w.stream = nil
		w.retryAt = time.Time{} // attend says when
	}
}

// next gives the next whole unit of b, without its length, and what is behind it; false
// if there is none. A length that no unit has is a reason.
func next(b []byte) (unit, rest []byte, ok bool, reason wire.Reason) {
	if len(b) < lengthSize {
		return nil, b, false, wire.OK
	}
	size := int(binary.BigEndian.Uint16(b))
	if size > unitMax-lengthSize {
		return nil, b, false, wire.Long
	}
	if size == 0 {
		return nil, b, false, wire.Short
	}
	if len(b) < lengthSize+size {
		return nil, b, false, wire.OK
	}
	return b[lengthSize : lengthSize+size : lengthSize+size], b[lengthSize+size:], true, wire.OK
}

package udp

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// slotSize is the room for one received message: more than IP can carry, so that what is
// too long shows.
const slotSize = 1 << 16

// inbox is the room for one recvmmsg. The links take turns with it.
type inbox struct {
	messages [batchMax]message
	vectors  [batchMax]unix.Iovec
	names    [batchMax]unix.RawSockaddrInet6
	controls [batchMax]control
	slots    []byte
}

func (b *inbox) init() {
	b.slots = make([]byte, batchMax*slotSize)
	for i := range b.messages {
		b.vectors[i].Base = &b.slots[i*slotSize]
		b.vectors[i].SetLen(slotSize)
		h := &b.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.controls[i]))
	}
}

// take reads up to batchMax messages from a socket.
func (b *inbox) take(fd int) (int, unix.Errno) {
	for i := range b.messages {
		b.messages[i].header.Namelen = unix.SizeofSockaddrInet6
		b.messages[i].header.SetControllen(controlSize)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.messages[0])),
		batchMax, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// segment is the size of the datagrams that the kernel has put together in a message; the
// last may be shorter. It is the size of the message if it is one datagram.
func (b *inbox) segment(i int) int {
	m := &b.messages[i]
	if m.header.Controllen == 0 {
		return int(m.size)
	}
	if size := b.controls[i].received(); size > 0 {
		return size
	}
	return int(m.size)
}

// Receive takes what a link has received, about 1000 datagrams from each of its sockets, and hands over the
// frames that are good, in the order of arrival: who sent each, in which life, over
// which link. The link and the descriptor of the same position in [Transport.FDs]
// belong together; links are numbered from 1. A frame is valid during the call only.
// fn may call Send and Flush, and not Receive.
//
// n is the number of datagrams taken, good or not; what is left keeps the descriptor
// readable. Receive never blocks. An error means that the socket is unusable; faults
// of the network that the kernel reports are counted in [link.Stats] and no error.
func (t *Transport) Receive(number int, fn func(from view.Member, link uint8, frame []byte)) (n int, err error) {
	if number < 1 || number > len(t.links) {
		return 0, &OpError{Op: "receive", Err: fmt.Errorf("there is no link %d; there are %d", number, len(t.links))}
	}
	l := t.links[number-1]
	t.now = t.clock()
	n, err = t.drain(l, l.fd, number, fn)
	if err != nil || l.groupFD < 0 {
		return n, err
	}
	more, err := t.drain(l, l.groupFD, number, fn)
	return n + more, err
}

// drain takes what one socket of a link has received.
func (t *Transport) drain(l *port, fd, number int, fn func(view.Member, uint8, []byte)) (n int, err error) {
	for n < receiveMax {
		got, errno := t.inbox.take(fd)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return n, nil
		case unix.EBADF, unix.ENOTSOCK, unix.EFAULT, unix.EINVAL:
			return n, &OpError{Op: "receive", Err: fmt.Errorf("%s: %w", l.name, errno)}
		default:
			l.readError = errno // reading it has cleared it
			return n, nil
		}
		for i := range got {
			n += t.split(l, number, i, fn)
		}
		if got < batchMax {
			return n, nil
		}
	}
	return n, nil
}

// split judges the datagrams of one received message, and says how many they were.
func (t *Transport) split(l *port, number, slot int, fn func(view.Member, uint8, []byte)) (n int) {
	rest := t.inbox.slots[slot*slotSize:][:t.inbox.messages[slot].size]
	segment := t.inbox.segment(slot)
	for {
		size := min(segment, len(rest))
		t.one(l, number, slot, rest[:size:size], fn)
		n++
		if rest = rest[size:]; len(rest) == 0 {
			return n
		}
	}
}

// one judges one received datagram and hands it over if it is good.
func (t *Transport) one(l *port, number, slot int, b []byte, fn func(view.Member, uint8, []byte)) {
	from, frame, reason := t.accept(number-1, b, &t.inbox.names[slot])
	if reason != wire.OK {
		l.dropped[reason]++
		if reason != wire.Duplicate {
			l.lastDrop, l.lastFrom = reason, t.inbox.names[slot]
		}
		return
	}
	if frame != nil {
		fn(from, uint8(number), frame)
	}
}

// accept judges a datagram from a link, counted from 0 here: the checks of
// docs/rfc/0002-envelope.md, in their order. It opens the seal in place. A good datagram
// without a frame was for the transport itself.
func (t *Transport) accept(at int, b []byte, source *unix.RawSockaddrInet6) (view.Member, []byte, wire.Reason) {
	var h seal.Header
	if reason := t.seal.Parse(&h, b); reason != wire.OK {
		return view.Member{}, nil, reason
	}
	if h.Scope > seal.Notice {
		return view.Member{}, nil, wire.Malformed
	}
	p := t.peer(h.From.ID)
	if p == nil {
		return view.Member{}, nil, wire.UnknownSender
	}
	path := &p.paths[at].count
	frame, reason := t.admit(p, &h, at, b, source)
	switch reason {
	case wire.OK:
		path.in.Add(1, len(b))
	case wire.Duplicate:
		path.duplicates++
	default:
		path.dropped++
	}
	return h.From, frame, reason
}

// admit judges a datagram that names p as its sender, and marks it as taken.
func (t *Transport) admit(p *peer, h *seal.Header, at int, b []byte, source *unix.RawSockaddrInet6) ([]byte, wire.Reason) {
	frame, reason := t.seal.Open(&p.Peer, h, at, b)
	if reason != wire.OK {
		return nil, reason
	}
	later := p.Later(h)
	if later && t.isTwin(p, at, source) {
		t.tell(p, h.From, at, source)
		return nil, wire.Twin
	}
	if h.Scope == seal.Notice {
		if reason := t.noticed(h.From, frame); reason != wire.OK {
			return nil, reason
		}
		frame = nil
	}
	p.Take(h, at)
	if later {
		for i := range p.paths {
			p.paths[i].source.Size = 0
		}
	}
	if known := &p.paths[at].source; !isSame(known, source) {
		*known = routeOf(source)
	}
	p.heard = t.now
	return frame, wire.OK
}

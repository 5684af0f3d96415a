package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	size   uint32
}

// controlSize is the room for one control message with a number.
const controlSize = unix.SizeofCmsghdr + 8

// control is a control message of level UDP: how large the datagrams are that a message
// is cut into (UDP_SEGMENT, 2 bytes), or was put together from (UDP_GRO, 4 bytes).
type control struct {
	header unix.Cmsghdr
	data   [8]byte
}

// segment asks the kernel to cut a message into datagrams of a size.
func (c *control) segment(size int) {
	c.header.Level, c.header.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	c.header.SetLen(unix.SizeofCmsghdr + 2)
	*(*uint16)(unsafe.Pointer(&c.data)) = uint16(size)
}

// received is the size of the datagrams that a message was put together from; 0 if the
// kernel does not say.
func (c *control) received() int {
	if c.header.Level != unix.IPPROTO_UDP || c.header.Type != unix.UDP_GRO || c.header.Len < unix.SizeofCmsghdr+4 {
		return 0
	}
	return int(*(*int32)(unsafe.Pointer(&c.data)))
}

// run is one message: datagrams for one receiver that lie one behind the other in the
// arena. All have the size of the first; the last may be shorter.
type run struct {
	to    *path
	first int // size of the first datagram
	end   int // where in the arena the next would have to lie
	total int // bytes
	count int // datagrams
}

// takes says whether a datagram at a place of the arena may join the run.
func (r *run) takes(at, size int) bool {
	return r.end == at && size <= r.first && r.total == r.count*r.first &&
		r.count < segmentsMax && r.total+size <= superMax
}

// outbox is what waits to be sent over one link. The bytes are in the arena that all
// links share.
type outbox struct {
	messages [messageMax]message
	vectors  [messageMax]unix.Iovec
	controls [messageMax]control
	runs     [messageMax]run
	queued   int
	flushes  uint64
}

// push queues a datagram that lies at a place of the arena for one receiver: it joins the
// last message for it, or begins another.
func (l *port) push(b []byte, at int, to *path) {
	o := &l.out
	if to.flush == o.flushes+1 && l.segmentError == 0 {
		if r := &o.runs[to.last]; r.takes(at, len(b)) {
			o.join(to.last, len(b))
			return
		}
	}
	if o.queued == messageMax {
		l.flush()
	}
	i := o.queued
	o.queued++
	o.runs[i] = run{to: to, first: len(b), end: at + len(b), total: len(b), count: 1}
	o.vectors[i].Base = &b[0]
	o.vectors[i].SetLen(len(b))
	o.messages[i].address(to, &o.vectors[i])
	to.last, to.flush = i, o.flushes+1
}

// address makes a message of some bytes to one receiver.
func (m *message) address(to *path, v *unix.Iovec) {
	m.header = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&to.Name)), Namelen: to.Size, Iov: v}
	m.header.SetIovlen(1)
}

// join adds a datagram to a run.
func (o *outbox) join(i, size int) {
	r := &o.runs[i]
	if r.count == 1 {
		o.controls[i].segment(r.first)
		o.messages[i].header.Control = (*byte)(unsafe.Pointer(&o.controls[i]))
		o.messages[i].header.SetControllen(controlSize)
	}
	r.count++
	r.total += size
	r.end += size
	o.vectors[i].SetLen(r.total)
}

// flush sends what is queued for a link.
func (l *port) flush() {
	o := &l.out
	for next := 0; next < o.queued; {
		if l.segmentError != 0 && o.runs[next].count > 1 {
			l.sendApart(next)
			next++
			continue
		}
		until := next + 1
		for until < o.queued && (l.segmentError == 0 || o.runs[until].count == 1) {
			until++
		}
		n, errno := sendmmsg(l.fd, o.messages[next:until])
		switch {
		case errno == 0 && n > 0:
			for i := next; i < next+n; i++ {
				o.runs[i].to.count.out.Add(o.runs[i].count, int(o.messages[i].size))
			}
			next += n
		case errno == unix.EINTR:
		case full(errno):
			// There is no room now, and there will be none for the others.
			l.sendError = errno
			for i := next; i < o.queued; i++ {
				o.runs[i].to.count.lost += uint64(o.runs[i].count)
			}
			next = o.queued
		case o.runs[next].count > 1 && uncut(errno):
			if l.sendApart(next) {
				l.segmentError = errno
			}
			next++
		default:
			// It concerns this receiver; the next may be another one.
			l.sendError = errno
			o.runs[next].to.count.lost += uint64(o.runs[next].count)
			next++
		}
	}
	o.queued = 0
	o.flushes++
}

// full says whether the kernel has no room for any datagram.
func full(e unix.Errno) bool {
	return e == unix.EAGAIN || e == unix.ENOBUFS || e == unix.ENOMEM || e == 0
}

// uncut says whether an errno may mean that the kernel does not cut a message into
// datagrams: it is too old, the interface computes no checksums, or its MTU is smaller
// than a datagram, which must be fragmented then. See udp(7), UDP_SEGMENT.
func uncut(e unix.Errno) bool {
	return e == unix.EINVAL || e == unix.EIO || e == unix.EMSGSIZE || e == unix.EOPNOTSUPP || e == unix.ENOPROTOOPT
}

// sendmmsg sends messages. It does not block, so the Go scheduler need not hear of it; nor
// of recvmmsg.
func sendmmsg(fd int, m []message) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// sendApart sends the datagrams of a run one by one, and says whether the kernel took any.
func (l *port) sendApart(i int) (sent bool) {
	o := &l.out
	r := &o.runs[i]
	v := &o.vectors[i]
	m := o.messages[i : i+1]
	m[0].address(r.to, v)
	base := unsafe.Pointer(v.Base)
	for at := 0; at < r.total; {
		size := min(r.total-at, r.first)
		v.Base = (*byte)(unsafe.Add(base, at))
		v.SetLen(size)
		n, errno := sendmmsg(l.fd, m)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == 0 && n > 0:
			r.to.count.out.Add(1, size)
			sent = true
		default:
			l.sendError = errno
			r.to.count.lost++
		}
		at += size
	}
	return sent
}

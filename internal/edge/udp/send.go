package udp

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	size   uint32
}

// outbox is what waits to be sent over one link: a header for each slot that goes over
// it. The slots themselves are shared by all links.
type outbox struct {
	messages [queueMax]message
	vectors  [queueMax]unix.Iovec
	paths    [queueMax]*pathCount
	queued   int
}

// Send queues one frame. With [wire.AllLinks] the receiver gets the same datagram over
// every link that it has; a link without it is left out. The frame is not needed any
// more when Send returns. A full queue is flushed.
//
// An error means that nothing was queued: the member is not configured, or not on that
// link, the frame is longer than [wire.FrameMax], or [ErrExhausted].
func (t *Transport) Send(e wire.Envelope) error {
	p := t.peers[e.To]
	if err := t.checkSend(p, &e); err != nil {
		return &OpError{Op: "send", Err: err}
	}
	if t.queued == queueMax {
		t.Flush()
	}
	t.counter++
	at := t.queued * datagramMax
	b := t.slots[at : at+headerSize : at+datagramMax]
	t.queued++

	h := header{link: e.Link, from: t.self, counter: t.counter}
	if t.keys != nil {
		h.key = t.keys.At(0).ID
	}
	h.put(b)
	b = append(b, e.Frame...)
	if t.keys != nil {
		b = t.work.seal(t.present.seals[0], b, t.counter, e.To)
	}
	for i, l := range t.links {
		if p.routes[i].size != 0 && (e.Link == wire.AllLinks || int(e.Link) == i+1) {
			l.out.push(b, &p.routes[i], &p.paths[i])
		}
	}
	return nil
}

// checkSend finds why an envelope cannot be sent.
func (t *Transport) checkSend(p *peer, e *wire.Envelope) error {
	switch {
	case p == nil:
		return fmt.Errorf("%v is not another configured member", e.To)
	case len(e.Frame) > bodyMax:
		return fmt.Errorf("a frame of %d bytes; at most %d fit a datagram", len(e.Frame), bodyMax)
	case int(e.Link) > len(t.links):
		return fmt.Errorf("there is no link %d; there are %d", e.Link, len(t.links))
	case e.Link != wire.AllLinks && p.routes[e.Link-1].size == 0:
		return fmt.Errorf("%v is not on %s", p.id, t.links[e.Link-1].name)
	case t.counter >= counterMax:
		return ErrExhausted
	}
	return nil
}

// push queues a datagram for one link.
func (o *outbox) push(b []byte, to *route, path *pathCount) {
	v := &o.vectors[o.queued]
	v.Base = &b[0]
	v.SetLen(len(b))
	h := &o.messages[o.queued].header
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(&to.name)), to.size
	h.Iov = v
	h.SetIovlen(1)
	o.paths[o.queued] = path
	o.queued++
}

// Flush sends what is queued, with one system call for each link as long as the kernel
// takes all. It never blocks and never fails: a datagram that the kernel does not take
// (no room, no route, forbidden by the host's own firewall) is counted as lost on its
// path, see [PathStats].
func (t *Transport) Flush() {
	if t.queued == 0 {
		return
	}
	for _, l := range t.links {
		l.flush()
	}
	t.queued = 0
}

func (l *link) flush() {
	o := &l.out
	for next := 0; next < o.queued; {
		// It does not block, so the Go scheduler need not hear of it; nor of recvmmsg.
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(l.fd),
			uintptr(unsafe.Pointer(&o.messages[next])), uintptr(o.queued-next), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch {
		case errno == 0 && n > 0:
			for i := next; i < next+int(n); i++ {
				o.paths[i].out.add(int(o.messages[i].size))
			}
			next += int(n)
		case errno == unix.EINTR:
		case errno == unix.EAGAIN || errno == unix.ENOBUFS || errno == unix.ENOMEM || errno == 0:
			// There is no room now, and there will be none for the others.
			l.sendError = errno
			for i := next; i < o.queued; i++ {
				o.paths[i].lost++
			}
			next = o.queued
		default:
			// It concerns this receiver; the next may be another one.
			l.sendError = errno
			o.paths[next].lost++
			next++
		}
	}
	o.queued = 0
}

// Self is this member's life, as it was opened.
func (t *Transport) Self() view.Member { return t.self }

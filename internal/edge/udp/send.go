package udp

import (
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Send queues one frame. With [wire.AllLinks] the receiver gets the same datagram over
// every link that it has; a link without it is left out. The frame is not needed any
// more when Send returns. When there is no room, what is queued is flushed.
//
// A frame for [view.Everyone] is sealed once and goes to all of e.Members, this member
// left out, over the links that they have; over a link with a group it goes to the group,
// once, if one of them is on that link.
//
// An error means that nothing was queued: a member is not configured, or none is on the
// link, the frame is longer than [wire.FrameMax], or [ErrExhausted].
func (t *Transport) Send(e wire.Envelope) error {
	if err := t.seal.Check(e.Frame); err != nil {
		return &OpError{Op: "send", Err: err}
	}
	if err := t.reach.Check(&e); err != nil {
		return &OpError{Op: "send", Err: err}
	}
	scope := seal.Member
	if e.To == view.Everyone {
		scope = seal.Everyone
	}
	b, at := t.queue(scope, e.Link, e.To, e.Frame)
	if e.To == view.Everyone {
		t.pushAll(b, at, &e)
		return nil
	}
	p := t.peer(e.To)
	for i, l := range t.links {
		if p.paths[i].Size != 0 && (e.Link == wire.AllLinks || int(e.Link) == i+1) {
			l.push(b, at, &p.paths[i])
		}
	}
	return nil
}

// queue puts a datagram for to behind those that wait, sealed, and says where it lies.
func (t *Transport) queue(scope seal.Scope, number uint8, to view.ID, frame []byte) ([]byte, int) {
	if t.used+seal.Max > len(t.arena) {
		t.Flush()
	}
	at := t.used
	b := t.seal.Append(t.arena[at:at:at+seal.Max], scope, number, to, frame)
	t.used += len(b)
	return b, at
}

// pushAll queues a datagram for all members of an envelope.
func (t *Transport) pushAll(b []byte, at int, e *wire.Envelope) {
	for i, l := range t.links {
		if e.Link != wire.AllLinks && int(e.Link) != i+1 {
			continue
		}
		for _, id := range e.Members {
			p := t.peer(id)
			if p == nil || p.paths[i].Size == 0 {
				continue
			}
			if l.group.Size != 0 {
				l.push(b, at, &l.group)
				break
			}
			l.push(b, at, &p.paths[i])
		}
	}
}

// Flush sends what is queued, with one system call for each link as long as the kernel
// takes all. It never blocks and never fails: a datagram that the kernel does not take
// (no room, no route, forbidden by the host's own firewall) is counted as lost on its
// path, see [PathStats].
func (t *Transport) Flush() {
	if t.used == 0 {
		return
	}
	for _, l := range t.links {
		l.flush()
	}
	t.used = 0
}

// Self is this member's life, as it was opened.
func (t *Transport) Self() view.Member { return t.seal.Self() }

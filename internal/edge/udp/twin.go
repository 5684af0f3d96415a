package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// isTwin says whether a datagram of a later life of a member, from an address, must be of
// a second process under its name: the present life was heard just now, from another
// address. A restart of the same process has the same address, and cannot have it while
// the former one has.
func (t *Transport) isTwin(p *peer, at int, source *unix.RawSockaddrInet6) bool {
	return p.Life().Known() && t.now.Sub(p.heard) < twinMax && !isSame(p.place(at), source)
}

// place is where the present life of a member was on a link, or should be.
func (p *peer) place(at int) *link.Route {
	if p.paths[at].source.Size != 0 {
		return &p.paths[at].source
	}
	return &p.paths[at].Route
}

// tell notes the second process and, from time to time, tells it why it is not heard.
func (t *Transport) tell(p *peer, twin view.Member, at int, source *unix.RawSockaddrInet6) {
	l := t.links[at]
	l.twin, l.twinTo.Route, l.twinAt = twin, routeOf(source), t.now
	if t.now.Sub(p.told) < noticeMin {
		return
	}
	p.told = t.now
	var room [64]byte
	notice := link.AppendNotice(room[:0], wire.Twin, twin.Incarnation, link.Address(&p.place(at).Name))
	if t.seal.Check(notice) != nil {
		return
	}
	b, where := t.queue(seal.Notice, uint8(at+1), p.id, notice)
	l.push(b, where, &l.twinTo)
	l.flush() // before the address may become another one
}

// noticed reads a refusal of this member.
func (t *Transport) noticed(from view.Member, body []byte) wire.Reason {
	reason, refused, other, ok := link.ParseNotice(body)
	if !ok {
		return wire.Malformed
	}
	if refused != t.Self().Incarnation {
		return wire.WrongDestination
	}
	t.refusal = link.Refusal{Reason: reason, From: from, At: t.now, Other: other}
	return wire.OK
}

// routeOf is an address that the kernel gave.
func routeOf(name *unix.RawSockaddrInet6) link.Route {
	if name.Family == unix.AF_INET {
		return link.Route{Name: *name, Size: unix.SizeofSockaddrInet4}
	}
	return link.Route{Name: *name, Size: unix.SizeofSockaddrInet6}
}

// isSame says whether a datagram came from an address. What an IPv4 address leaves of a
// name is not looked at, nor is the interface.
func isSame(r *link.Route, name *unix.RawSockaddrInet6) bool {
	if r.Size == 0 || r.Name.Family != name.Family || r.Name.Port != name.Port {
		return false
	}
	if name.Family == unix.AF_INET {
		return (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.Name)).Addr == (*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr
	}
	return r.Name.Addr == name.Addr
}

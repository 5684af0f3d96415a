package ctnetlink

import "encoding/binary"

// attrs walks over netlink attributes without trusting their lengths.
type attrs struct {
	rest    []byte
	kind    uint16
	payload []byte
	bad     bool
}

// next steps to the next attribute. After the last, or at one that does not fit, it
// returns false; bad then says which.
func (a *attrs) next() bool {
	if len(a.rest) < attrSize {
		a.bad = a.bad || len(a.rest) != 0
		return false
	}
	size := int(binary.NativeEndian.Uint16(a.rest))
	if size < attrSize || size > len(a.rest) {
		a.bad = true
		return false
	}
	a.kind = binary.NativeEndian.Uint16(a.rest[2:]) & typeMask
	a.payload = a.rest[attrSize:size]
	a.rest = a.rest[min(align(size), len(a.rest)):]
	return true
}

// align rounds up to the boundary of netlink messages and attributes.
func align(n int) int { return (n + 3) &^ 3 }

func (a *attrs) u8() uint8 {
	if len(a.payload) != 1 {
		a.bad = true
		return 0
	}
	return a.payload[0]
}

func (a *attrs) u16() uint16 {
	if len(a.payload) != 2 {
		a.bad = true
		return 0
	}
	return binary.BigEndian.Uint16(a.payload)
}

func (a *attrs) u32() uint32 {
	if len(a.payload) != 4 {
		a.bad = true
		return 0
	}
	return binary.BigEndian.Uint32(a.payload)
}

// into copies a payload of exactly n bytes to dst.
func (a *attrs) into(dst []byte, n int) {
	if len(a.payload) != n {
		a.bad = true
		return
	}
	copy(dst, a.payload)
}

// inner starts a walk over the attributes within the present one.
func (a *attrs) inner() attrs { return attrs{rest: a.payload} }

// judge takes over the verdict of an inner walk.
func (a *attrs) judge(inner *attrs) { a.bad = a.bad || inner.bad }

// message is one netlink message of a datagram.
type message struct {
	kind    uint16
	flags   uint16
	seq     uint32
	port    uint32
	payload []byte // after the header
}

// nextMessage takes a message from the front of b. ok is false at the end of b and at
// a message that does not fit, when rest is not empty.
func nextMessage(b []byte) (m message, rest []byte, ok bool) {
	if len(b) < headerSize {
		return m, b, false
	}
	size := int(binary.NativeEndian.Uint32(b))
	if size < headerSize || size > len(b) {
		return m, b, false
	}
	m = message{
		kind:    binary.NativeEndian.Uint16(b[4:]),
		flags:   binary.NativeEndian.Uint16(b[6:]),
		seq:     binary.NativeEndian.Uint32(b[8:]),
		port:    binary.NativeEndian.Uint32(b[12:]),
		payload: b[headerSize:size],
	}
	return m, b[min(align(size), len(b)):], true
}

// errnoOf gives the errno in the payload of an NLMSG_ERROR or NLMSG_DONE; zero: done.
func errnoOf(payload []byte) (errno uintptr, ok bool) {
	if len(payload) < 4 {
		return 0, false
	}
	v := int32(binary.NativeEndian.Uint32(payload))
	if v > 0 || v < -4095 {
		return 0, false
	}
	return uintptr(-v), true
}

package link

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// RefusalMax is for how long a transport tells of a refusal, or of a second process under a
// member's name, after it has heard of it last. While they last both are heard of every
// second or two.
const RefusalMax = 5 * time.Second

// Refusal is what another member told this one: why it does not listen to it.
type Refusal struct {
	Reason wire.Reason // wire.Twin or wire.ForeignCluster
	From   view.Member // who refuses
	At     time.Time   // when it said so last

	// Other is with wire.Twin the address of the process that has this member's name.
	Other netip.AddrPort
}

// The reasons in a notice, docs/rfc/0002-envelope.md section 6.
const (
	noticeTwin           = 1
	noticeForeignCluster = 2
)

// AppendNotice appends the body of a notice that refuses one life, for wire.Twin or
// wire.ForeignCluster.
func AppendNotice(dst []byte, reason wire.Reason, refused view.Incarnation, other netip.AddrPort) []byte {
	code := byte(noticeTwin)
	if reason == wire.ForeignCluster {
		code = noticeForeignCluster
	}
	dst = append(dst, code)
	dst = binary.BigEndian.AppendUint64(dst, uint64(refused))
	a := other.Addr()
	switch {
	case !a.IsValid():
		dst = append(dst, 0)
	case a.Is4():
		b := a.As4()
		dst = append(append(dst, 4), b[:]...)
	default:
		b := a.As16()
		dst = append(append(dst, 16), b[:]...)
	}
	return binary.BigEndian.AppendUint16(dst, other.Port())
}

// ParseNotice reads the body of a notice: which life it refuses, why, and where the other
// process is. A zone is not in it.
func ParseNotice(b []byte) (reason wire.Reason, refused view.Incarnation, other netip.AddrPort, ok bool) {
	r := wire.NewReader(b)
	code := r.U8()
	refused = view.Incarnation(r.U64())
	size := int(r.U8())
	a := r.Bytes(size)
	port := r.U16()
	if !r.Done() || refused == 0 || size != 0 && size != 4 && size != 16 || size == 0 && port != 0 {
		return 0, 0, other, false
	}
	if size != 0 {
		addr, _ := netip.AddrFromSlice(a)
		other = netip.AddrPortFrom(addr, port)
	}
	switch code {
	case noticeTwin:
		return wire.Twin, refused, other, true
	case noticeForeignCluster:
		return wire.ForeignCluster, refused, other, true
	}
	return 0, 0, netip.AddrPort{}, false
}

package flow

import (
	"encoding/binary"
	"math/bits"
)

// StateMax is the longest state in bytes: IPv6 SCTP with everything there is.
const StateMax = 2 + 2*16 + 2*2 + 4 + 1 + helperMax + 2 + 16 + (KeyMax - 2) + 12 + 2*12 + 8 + 1 + 5

// helperMax is the longest name of a helper in bytes (NF_CT_HELPER_NAME_LEN less the
// final zero).
const helperMax = 15

// The parts of a state, in their order.
const (
	partSourceAddr = 1 << iota
	partDestAddr
	partSourcePort
	partDestPort
	partMark
	partHelper
	partLabels
	partMaster
	partSynProxy
	partSeqOrig
	partSeqReply
	partsEnd
)

// The bits of the byte before the remaining life.
const (
	tailState   = 0x0f
	tailReplied = 0x10
	tailAssured = 0x20
	tailFixed   = 0x40
)

func icmpish(proto uint8) bool { return proto == ICMP || proto == ICMPv6 }

// parts says which optional parts the state of f has.
func (f *Flow) parts() uint {
	p := uint(0)
	set := func(there bool, part uint) {
		if there {
			p |= part
		}
	}
	set(f.Reply.Dst != f.Orig.Src, partSourceAddr)
	set(f.Reply.Src != f.Orig.Dst, partDestAddr)
	if icmpish(f.Proto) {
		set(f.Reply.ICMPID != f.Orig.ICMPID, partSourcePort)
	} else if Ported(f.Proto) {
		set(f.Reply.DstPort != f.Orig.SrcPort, partSourcePort)
		set(f.Reply.SrcPort != f.Orig.DstPort, partDestPort)
	}
	set(f.Mark != 0, partMark)
	set(f.Helper[0] != 0, partHelper)
	set(f.Labels != [16]byte{}, partLabels)
	set(f.Master.Proto != 0, partMaster)
	set(f.SynProxy != Proxied{}, partSynProxy)
	set(f.SeqAdj[0] != Adjustment{}, partSeqOrig)
	set(f.SeqAdj[1] != Adjustment{}, partSeqReply)
	return p
}

// AppendState appends all of the flow but its key; at most [StateMax] bytes. What
// changes often comes last.
func (f *Flow) AppendState(dst []byte) []byte {
	p := f.parts()
	dst = binary.AppendUvarint(dst, uint64(p))
	if p != 0 {
		dst = f.appendParts(dst, p)
	}
	switch f.Proto {
	case SCTP:
		dst = binary.BigEndian.AppendUint32(dst, f.Tag[0])
		dst = binary.BigEndian.AppendUint32(dst, f.Tag[1])
	case TCP:
		dst = append(dst, f.Scale[0]<<4|f.Scale[1]&0x0f, spread(f.TCPFlags[0])|spread(f.TCPFlags[1])<<1)
	}
	return binary.AppendUvarint(append(dst, f.tail()), uint64(f.Timeout))
}

// spread moves the four flags a flow carries to the even bits, in the order of the
// RFC: scale, SACK, liberal, first FIN.
func spread(flags uint8) uint8 {
	return flags&ScaleSent | flags&SACK<<1 | flags&Liberal<<1 | flags&FirstFIN<<4
}

// gather is the inverse of spread.
func gather(b uint8) uint8 {
	return b&0x01 | b>>1&SACK | b>>1&Liberal | b>>4&FirstFIN
}

func (f *Flow) tail() byte {
	var b byte
	if f.Proto == TCP || f.Proto == SCTP {
		b = min(f.State, StateTop)
	}
	if f.Status&SeenReply != 0 {
		b |= tailReplied
	}
	if f.Status&Assured != 0 {
		b |= tailAssured
	}
	if f.Status&FixedTimeout != 0 {
		b |= tailFixed
	}
	return b
}

func (f *Flow) appendParts(dst []byte, p uint) []byte {
	size := 4
	if f.Family == IPv6 {
		size = 16
	}
	if p&partSourceAddr != 0 {
		dst = append(dst, f.Reply.Dst[:size]...)
	}
	if p&partDestAddr != 0 {
		dst = append(dst, f.Reply.Src[:size]...)
	}
	if p&partSourcePort != 0 {
		port := f.Reply.DstPort
		if icmpish(f.Proto) {
			port = f.Reply.ICMPID
		}
		dst = binary.BigEndian.AppendUint16(dst, port)
	}
	if p&partDestPort != 0 {
		dst = binary.BigEndian.AppendUint16(dst, f.Reply.SrcPort)
	}
	if p&partMark != 0 {
		dst = binary.BigEndian.AppendUint32(dst, f.Mark)
	}
	if p&partHelper != 0 {
		n := nameSize(&f.Helper)
		dst = append(append(dst, byte(n)), f.Helper[:n]...)
	}
	if p&partLabels != 0 {
		dst = appendLabels(dst, &f.Labels)
	}
	if p&partMaster != 0 {
		dst = appendKey(dst, f.Family, f.Master.Proto, 0, 0, &f.Master.Tuple)
	}
	if p&partSynProxy != 0 {
		dst = appendThree(dst, f.SynProxy.Sequence, f.SynProxy.Timestamp, f.SynProxy.Offset)
	}
	for i := range f.SeqAdj {
		if a := &f.SeqAdj[i]; *a != (Adjustment{}) {
			dst = appendThree(dst, a.Position, a.Before, a.After)
		}
	}
	return dst
}

func appendThree(dst []byte, a, b, c uint32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, a)
	dst = binary.BigEndian.AppendUint32(dst, b)
	return binary.BigEndian.AppendUint32(dst, c)
}

func appendLabels(dst []byte, labels *[16]byte) []byte {
	at := len(dst)
	dst = append(dst, 0, 0)
	there := uint16(0)
	for i, b := range labels {
		if b != 0 {
			there |= 0x8000 >> i
			dst = append(dst, b)
		}
	}
	binary.BigEndian.PutUint16(dst[at:], there)
	return dst
}

// nameSize is the length of a helper's name: up to the first zero.
func nameSize(name *[16]byte) int {
	for i, c := range name[:helperMax] {
		if c == 0 {
			return i
		}
	}
	return helperMax
}

// Parse reads a flow from its key and state, which may be hostile. False: malformed,
// and f is not to be used.
func Parse(key, state []byte, f *Flow) bool {
	if !ParseKey(key, f) {
		return false
	}
	r := reader{b: state}
	p := r.uvarint(partsEnd - 1)
	if p != 0 {
		r.parts(f, uint(p))
	}
	switch f.Proto {
	case SCTP:
		f.Tag[0], f.Tag[1] = r.u32(), r.u32()
	case TCP:
		scale, flags := r.u8(), r.u8()
		f.Scale = [2]uint8{scale >> 4, scale & 0x0f}
		f.TCPFlags = [2]uint8{gather(flags), gather(flags >> 1)}
	}
	tail := r.u8()
	f.State = tail & tailState
	f.Timeout = uint32(r.uvarint(1<<32 - 1))
	if r.failed || len(r.b) != 0 || tail&0x80 != 0 || f.State > StateTop ||
		f.State != 0 && f.Proto != TCP && f.Proto != SCTP || f.parts() != uint(p) {
		// The last condition refuses a part that says nothing.
		return false
	}
	f.Status = f.impliedStatus()
	if tail&tailReplied != 0 {
		f.Status |= SeenReply
	}
	if tail&tailAssured != 0 {
		f.Status |= Assured
	}
	if tail&tailFixed != 0 {
		f.Status |= FixedTimeout
	}
	f.Has = AllFields
	return true
}

// SameState says whether two states of one flow are equal but for the remaining life.
// Malformed states are the same only if they are equal.
func SameState(a, b []byte) bool {
	return string(a[:tailEnd(a)]) == string(b[:tailEnd(b)])
}

// Remaining gives the remaining life in seconds that a well-formed state ends with.
func Remaining(state []byte) uint32 {
	v, _ := binary.Uvarint(state[tailEnd(state):])
	return uint32(v)
}

// tailEnd is where the remaining life starts: after the last byte but one that has
// its top bit clear.
func tailEnd(state []byte) int {
	n := len(state)
	if n == 0 || state[n-1]&0x80 != 0 {
		return n
	}
	for n--; n > 0 && state[n-1]&0x80 != 0; n-- {
	}
	return n
}

// reader reads a state. After a failure it gives zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.failed, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// uvarint reads the shortest form of a number up to most.
func (r *reader) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 || v > most {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) parts(f *Flow, p uint) {
	size := 4
	if f.Family == IPv6 {
		size = 16
	}
	if p&partSourceAddr != 0 {
		copy(f.Reply.Dst[:], r.take(size))
	}
	if p&partDestAddr != 0 {
		copy(f.Reply.Src[:], r.take(size))
	}
	if p&partSourcePort != 0 {
		if icmpish(f.Proto) {
			f.Reply.ICMPID = r.u16()
		} else {
			f.Reply.DstPort = r.u16()
		}
	}
	if p&partDestPort != 0 {
		f.Reply.SrcPort = r.u16()
	}
	if p&partMark != 0 {
		f.Mark = r.u32()
	}
	if p&partHelper != 0 {
		r.helper(f)
	}
	if p&partLabels != 0 {
		r.labels(f)
	}
	if p&partMaster != 0 {
		r.master(f)
	}
	if p&partSynProxy != 0 {
		f.SynProxy = Proxied{r.u32(), r.u32(), r.u32()}
	}
	if p&partSeqOrig != 0 {
		f.SeqAdj[0] = Adjustment{r.u32(), r.u32(), r.u32()}
	}
	if p&partSeqReply != 0 {
		f.SeqAdj[1] = Adjustment{r.u32(), r.u32(), r.u32()}
	}
}

func (r *reader) helper(f *Flow) {
	n := int(r.u8())
	if n > helperMax {
		r.failed = true
		return
	}
	name := r.take(n)
	for _, c := range name {
		// The name ends up in a log and in a request to load a module.
		if c <= ' ' || c > '~' {
			r.failed = true
		}
	}
	copy(f.Helper[:], name)
}

func (r *reader) labels(f *Flow) {
	there := r.u16()
	b := r.take(bits.OnesCount16(there))
	for i := range f.Labels {
		if there&(0x8000>>i) != 0 && len(b) > 0 {
			if b[0] == 0 {
				r.failed = true
			}
			f.Labels[i] = b[0]
			b = b[1:]
		}
	}
}

func (r *reader) master(f *Flow) {
	var family uint8
	var zone uint16
	rest, way, ok := parseKey(r.b, &family, &f.Master.Proto, &zone, &f.Master.Tuple)
	if !ok || way != 0 || family != f.Family {
		r.failed, r.b = true, nil
		return
	}
	r.b = rest
}

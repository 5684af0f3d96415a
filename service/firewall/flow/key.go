package flow

import "encoding/binary"

// KeyMax is the longest key in bytes: another protocol with ports over IPv6 in a zone.
const KeyMax = 1 + 1 + 2 + 16 + 16 + 4

// The classes of protocols of docs/rfc/0004-flow.md.
const (
	classOther = iota
	classTCP
	classUDP
	classICMP
	classICMPv6
	classSCTP
	classCount
)

// The bits of a key's head.
const (
	headClass  = 0x07
	headIPv6   = 0x08
	headZone   = 0x30
	zoneShift  = 4
	headUnused = 0xc0
)

var classProto = [classCount]uint8{classTCP: TCP, classUDP: UDP, classICMP: ICMP, classICMPv6: ICMPv6, classSCTP: SCTP}

func classOf(proto uint8) uint8 {
	switch proto {
	case TCP:
		return classTCP
	case UDP:
		return classUDP
	case ICMP:
		return classICMP
	case ICMPv6:
		return classICMPv6
	case SCTP:
		return classSCTP
	}
	return classOther
}

// Ported says whether flows of a protocol are told apart by ports (GRE: keys).
func Ported(proto uint8) bool {
	switch proto {
	case TCP, UDP, SCTP, dccp, gre, udpLite:
		return true
	}
	return false
}

// AppendKey appends what identifies the flow: protocol, zone and original tuple; at
// most [KeyMax] bytes.
func (f *Flow) AppendKey(dst []byte) []byte {
	way := uint8(0)
	if f.Zone != 0 {
		way = f.ZoneWay + 1
	}
	return appendKey(dst, f.Family, f.Proto, way, f.Zone, &f.Orig)
}

// AppendMasterKey appends the key of the flow that f is related to, or nothing. Who
// puts flows into a connection tracker puts that one first.
func (f *Flow) AppendMasterKey(dst []byte) []byte {
	if f.Master.Proto == 0 {
		return dst
	}
	way := uint8(0)
	if f.Zone != 0 {
		way = f.ZoneWay + 1
	}
	return appendKey(dst, f.Family, f.Master.Proto, way, f.Zone, &f.Master.Tuple)
}

func appendKey(dst []byte, family, proto, way uint8, zone uint16, t *Tuple) []byte {
	class := classOf(proto)
	head := class | way<<zoneShift
	size := 4
	if family == IPv6 {
		head |= headIPv6
		size = 16
	}
	dst = append(dst, head)
	if class == classOther {
		dst = append(dst, proto)
	}
	if way != 0 {
		dst = binary.BigEndian.AppendUint16(dst, zone)
	}
	dst = append(dst, t.Src[:size]...)
	dst = append(dst, t.Dst[:size]...)
	switch {
	case class == classICMP || class == classICMPv6:
		dst = append(dst, t.ICMPType, t.ICMPCode)
		dst = binary.BigEndian.AppendUint16(dst, t.ICMPID)
	case Ported(proto):
		dst = binary.BigEndian.AppendUint16(dst, t.SrcPort)
		dst = binary.BigEndian.AppendUint16(dst, t.DstPort)
	}
	return dst
}

// ParseKey reads a key into f and clears all the rest: what results is the flow
// without state or translation, enough to find or delete it. False: malformed, and f
// is not to be used.
func ParseKey(key []byte, f *Flow) bool {
	*f = Flow{}
	rest, way, ok := parseKey(key, &f.Family, &f.Proto, &f.Zone, &f.Orig)
	if !ok || len(rest) != 0 {
		return false
	}
	if way != 0 {
		f.ZoneWay = way - 1
	}
	f.Reply = f.Inverse()
	return true
}

// parseKey reads a key from the front of b and gives what is left of it. Fields of
// the tuple that the key does not have are left as they are.
func parseKey(b []byte, family, proto *uint8, zone *uint16, t *Tuple) (rest []byte, way uint8, ok bool) {
	if len(b) == 0 {
		return nil, 0, false
	}
	head := b[0]
	b = b[1:]
	class := head & headClass
	if class >= classCount || head&headUnused != 0 {
		return nil, 0, false
	}
	*proto = classProto[class]
	if class == classOther {
		if len(b) == 0 || classOf(b[0]) != classOther {
			return nil, 0, false
		}
		*proto = b[0]
		b = b[1:]
	}
	if way = head & headZone >> zoneShift; way != 0 {
		if len(b) < 2 {
			return nil, 0, false
		}
		if *zone = binary.BigEndian.Uint16(b); *zone == 0 {
			return nil, 0, false
		}
		b = b[2:]
	}
	size := 4
	*family = IPv4
	if head&headIPv6 != 0 {
		*family, size = IPv6, 16
	}
	if len(b) < 2*size {
		return nil, 0, false
	}
	copy(t.Src[:], b[:size])
	copy(t.Dst[:], b[size:2*size])
	b = b[2*size:]
	icmp := class == classICMP || class == classICMPv6
	if !icmp && !Ported(*proto) {
		return b, way, true
	}
	if len(b) < 4 {
		return nil, 0, false
	}
	if icmp {
		t.ICMPType, t.ICMPCode, t.ICMPID = b[0], b[1], binary.BigEndian.Uint16(b[2:])
	} else {
		t.SrcPort, t.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	return b[4:], way, true
}

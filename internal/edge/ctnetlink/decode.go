package ctnetlink

import (
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// The sets of attributes whose absence has a meaning.
const (
	sawTimeout = 1 << iota
	sawState
	sawFlags
	sawLabels
	sawMaster
	sawSeqAdj
	sawSynProxy
	sawOrig
	sawReply
)

// decode reads the payload of a message of the conntrack subsystem into f. It gives
// the set of what was there; false: malformed, or a family that is not tracked.
func decode(payload []byte, f *flow.Flow) (saw uint, ok bool) {
	*f = flow.Flow{}
	if len(payload) < genericSize {
		return 0, false
	}
	f.Family = payload[0]
	if f.Family != unix.AF_INET && f.Family != unix.AF_INET6 {
		return 0, false
	}
	a := attrs{rest: payload[genericSize:]}
	for a.next() {
		saw |= attribute(&a, f)
	}
	if saw&(sawOrig|sawReply) != sawOrig|sawReply {
		return saw, false
	}
	return saw, !a.bad
}

func attribute(a *attrs, f *flow.Flow) (saw uint) {
	switch a.kind {
	case attrOrig:
		tuple(a, f.Family, &f.Proto, &f.Orig, f, flow.OriginalOnly)
		return sawOrig
	case attrReply:
		var proto uint8
		tuple(a, f.Family, &proto, &f.Reply, f, flow.ReplyOnly)
		return sawReply
	case attrStatus:
		f.Status = a.u32()
	case attrTimeout:
		f.Timeout = a.u32()
		return sawTimeout
	case attrMark:
		f.Mark = a.u32()
	case attrZone:
		f.Zone = a.u16()
	case attrProtoInfo:
		return protoInfo(a, f)
	case attrHelp:
		helper(a, f)
	case attrLabels:
		// The kernel's bitmap has 128 bits; an older one may have sent fewer.
		a.into(f.Labels[:], min(len(a.payload), len(f.Labels)))
		return sawLabels
	case attrMaster:
		tuple(a, f.Family, &f.Master.Proto, &f.Master.Tuple, nil, 0)
		return sawMaster
	case attrSeqOrig:
		adjustment(a, &f.SeqAdj[0])
		return sawSeqAdj
	case attrSeqReply:
		adjustment(a, &f.SeqAdj[1])
		return sawSeqAdj
	case attrSynProxy:
		synProxy(a, &f.SynProxy)
		return sawSynProxy
	}
	return 0
}

// tuple reads one direction. A zone within it holds for this direction only.
func tuple(a *attrs, family uint8, proto *uint8, t *flow.Tuple, f *flow.Flow, way uint8) {
	in := a.inner()
	for in.next() {
		switch in.kind {
		case tupleIP:
			addresses(&in, family, t)
		case tupleProto:
			ports(&in, proto, t)
		case tupleZone:
			if f != nil {
				f.Zone, f.ZoneWay = in.u16(), way
			}
		}
	}
	a.judge(&in)
}

func addresses(a *attrs, family uint8, t *flow.Tuple) {
	in := a.inner()
	src, dst, size := uint16(ipV4Src), uint16(ipV4Dst), 4
	if family == unix.AF_INET6 {
		src, dst, size = ipV6Src, ipV6Dst, 16
	}
	for in.next() {
		switch in.kind {
		case src:
			in.into(t.Src[:], size)
		case dst:
			in.into(t.Dst[:], size)
		}
	}
	a.judge(&in)
}

func ports(a *attrs, proto *uint8, t *flow.Tuple) {
	in := a.inner()
	for in.next() {
		switch in.kind {
		case protoNum:
			*proto = in.u8()
		case protoSrcPort:
			t.SrcPort = in.u16()
		case protoDstPort:
			t.DstPort = in.u16()
		case protoICMPID, protoICMPv6ID:
			t.ICMPID = in.u16()
		case protoICMPType, protoICMPv6Type:
			t.ICMPType = in.u8()
		case protoICMPCode, protoICMPv6Code:
			t.ICMPCode = in.u8()
		}
	}
	a.judge(&in)
}

func protoInfo(a *attrs, f *flow.Flow) (saw uint) {
	in := a.inner()
	for in.next() {
		switch in.kind {
		case infoTCP:
			saw |= tcpInfo(&in, f)
		case infoSCTP:
			saw |= sctpInfo(&in, f)
		}
	}
	a.judge(&in)
	return saw
}

func tcpInfo(a *attrs, f *flow.Flow) (saw uint) {
	in := a.inner()
	for in.next() {
		switch in.kind {
		case tcpState:
			f.State = min(in.u8(), flow.StateTop)
			saw |= sawState
		case tcpScaleOrig:
			f.Scale[0] = in.u8() & 0x0f
		case tcpScaleReply:
			f.Scale[1] = in.u8() & 0x0f
		case tcpFlagsOrig:
			f.TCPFlags[0] = tcpFlags(&in)
			saw |= sawFlags
		case tcpFlagsReply:
			f.TCPFlags[1] = tcpFlags(&in)
		}
	}
	a.judge(&in)
	return saw
}

// tcpFlags reads a struct nf_ct_tcp_flags and keeps the flags that mean something on
// another machine.
func tcpFlags(a *attrs) uint8 {
	if len(a.payload) != 2 {
		a.bad = true
		return 0
	}
	return a.payload[0] & (flow.ScaleSent | flow.SACK | flow.FirstFIN | flow.Liberal)
}

func sctpInfo(a *attrs, f *flow.Flow) (saw uint) {
	in := a.inner()
	for in.next() {
		switch in.kind {
		case sctpState:
			f.State = min(in.u8(), flow.StateTop)
			saw |= sawState
		case sctpTagOrig:
			f.Tag[0] = in.u32()
		case sctpTagReply:
			f.Tag[1] = in.u32()
		}
	}
	a.judge(&in)
	return saw
}

func helper(a *attrs, f *flow.Flow) {
	in := a.inner()
	for in.next() {
		if in.kind == helpName {
			name := in.payload
			if n := len(name); n > 0 && name[n-1] == 0 {
				name = name[:n-1]
			}
			if len(name) >= len(f.Helper) || !printable(name) {
				in.bad = true
				break
			}
			copy(f.Helper[:], name)
		}
	}
	a.judge(&in)
}

// printable says whether a name can be told to the other firewall.
func printable(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

func adjustment(a *attrs, s *flow.Adjustment) {
	in := a.inner()
	for in.next() {
		switch in.kind {
		case 1:
			s.Position = in.u32()
		case 2:
			s.Before = in.u32()
		case 3:
			s.After = in.u32()
		}
	}
	a.judge(&in)
}

func synProxy(a *attrs, s *flow.Proxied) {
	in := a.inner()
	for in.next() {
		switch in.kind {
		case 1:
			s.Sequence = in.u32()
		case 2:
			s.Timestamp = in.u32()
		case 3:
			s.Offset = in.u32()
		}
	}
	a.judge(&in)
}

// knownFields says which fields are known from a message that showed saw: what is
// absent is absent from the entry when the message shows all of it (complete), and
// not known when it shows a change.
func knownFields(f *flow.Flow, saw uint, complete bool) flow.Field {
	known := flow.Field(0)
	set := func(there bool, field flow.Field) {
		if there {
			known |= field
		}
	}
	stateless := f.Proto != flow.TCP && f.Proto != flow.SCTP
	set(saw&sawTimeout != 0, flow.FieldTimeout)
	set(stateless || saw&sawState != 0, flow.FieldState)
	set(f.Proto != flow.TCP || saw&sawFlags != 0, flow.FieldTCPFlags)
	set(complete || saw&sawLabels != 0, flow.FieldLabels)
	set(complete || saw&sawMaster != 0 || f.Status&statusExpected == 0, flow.FieldMaster)
	set(complete || saw&sawSeqAdj != 0 || f.Status&statusSeqAdjust == 0, flow.FieldSeqAdj)
	set(complete || saw&sawSynProxy != 0, flow.FieldSynProxy)
	return known
}

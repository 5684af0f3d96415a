package ctnetlink

import (
	"encoding/binary"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// The forms in which a flow is told to the kernel.
type form uint8

const (
	formCreate  form = iota // all of it; fails with EEXIST if it is there
	formPut                 // all of it; changes what is there if that is not translated
	formChange              // what may be changed of an entry that is there
	formLookup              // get or delete by the original tuple
	formByReply             // delete by the translated reply tuple
)

// Parts of a flow that are left out where the kernel cannot take them, and one that is
// told only of an entry that has it already.
const (
	dropMaster = 1 << iota
	dropHelper
	dropLabels
	markExpected // not a part left out: the entry to change has the status bit EXPECTED
)

// writer appends netlink messages to a buffer.
type writer struct {
	b      []byte
	at     int // of the message being written
	strict bool
}

// begin starts a message; end must follow.
func (w *writer) begin(kind, flags uint16, seq uint32, family uint8) {
	w.at = len(w.b)
	w.b = binary.NativeEndian.AppendUint32(w.b, 0)
	w.b = binary.NativeEndian.AppendUint16(w.b, kind)
	w.b = binary.NativeEndian.AppendUint16(w.b, flags|unix.NLM_F_REQUEST)
	w.b = binary.NativeEndian.AppendUint32(w.b, seq)
	w.b = append(w.b, 0, 0, 0, 0, family, unix.NFNETLINK_V0, 0, 0)
}

// end fills in the message's length.
func (w *writer) end() {
	binary.NativeEndian.PutUint32(w.b[w.at:], uint32(len(w.b)-w.at))
}

// acknowledge asks for an answer to the message that was written last.
func (w *writer) acknowledge() {
	flags := w.b[w.at+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
}

func (w *writer) head(kind uint16, size int) {
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(attrSize+size))
	w.b = binary.NativeEndian.AppendUint16(w.b, kind)
}

func (w *writer) u8(kind uint16, v uint8) {
	w.head(kind, 1)
	w.b = append(w.b, v, 0, 0, 0)
}

func (w *writer) u16(kind, v uint16) {
	w.head(kind, 2)
	w.b = append(w.b, byte(v>>8), byte(v), 0, 0)
}

func (w *writer) u32(kind uint16, v uint32) {
	w.head(kind, 4)
	w.b = binary.BigEndian.AppendUint32(w.b, v)
}

// bytes appends an attribute with a payload that needs no padding.
func (w *writer) bytes(kind uint16, v []byte) {
	w.head(kind, len(v))
	w.b = append(w.b, v...)
}

// open starts an attribute that holds others; shut must follow with what it returns.
func (w *writer) open(kind uint16) int {
	at := len(w.b)
	w.head(kind|nested, 0)
	return at
}

func (w *writer) shut(at int) {
	binary.NativeEndian.PutUint16(w.b[at:], uint16(len(w.b)-at))
}

// flow appends one message about f.
func (w *writer) flow(kind, flags uint16, seq uint32, form form, f *flow.Flow, drop uint8) {
	w.begin(kind, flags, seq, f.Family)
	if f.Zone != 0 && f.ZoneWay == flow.BothWays {
		w.u16(attrZone, f.Zone)
	}
	if form == formByReply {
		w.tuple(attrReply, f, f.Proto, &f.Reply, flow.ReplyOnly)
		w.end()
		return
	}
	w.tuple(attrOrig, f, f.Proto, &f.Orig, flow.OriginalOnly)
	if form == formLookup {
		w.end()
		return
	}
	if form != formChange {
		// Not f.Reply: the kernel translates only what it has translated itself.
		reply := f.Inverse()
		w.tuple(attrReply, f, f.Proto, &reply, flow.ReplyOnly)
		w.translation(f)
		if f.Helper[0] != 0 && drop&dropHelper == 0 {
			w.helper(f)
		}
		if f.Master.Proto != 0 && drop&dropMaster == 0 {
			w.tuple(attrMaster, f, f.Master.Proto, &f.Master.Tuple, flow.BothWays)
		}
	}
	status := f.Status&statusKept | statusConfirmed
	if form == formChange && drop&markExpected != 0 {
		// EXPECTED is the kernel's to give, yet a change must not lack it.
		status |= statusExpected
	}
	w.u32(attrStatus, status)
	w.u32(attrTimeout, f.Timeout)
	w.protoInfo(f)
	if f.Mark != 0 || form != formCreate {
		// On an entry that is there a mark of zero is news too.
		w.u32(attrMark, f.Mark)
	}
	if f.Labels != [16]byte{} && drop&dropLabels == 0 {
		w.bytes(attrLabels, f.Labels[:])
	}
	for i := range f.SeqAdj {
		if a := &f.SeqAdj[i]; *a != (flow.Adjustment{}) {
			w.three(attrSeqOrig+uint16(i), a.Position, a.Before, a.After)
		}
	}
	if s := &f.SynProxy; *s != (flow.Proxied{}) {
		w.three(attrSynProxy, s.Sequence, s.Timestamp, s.Offset)
	}
	w.end()
}

func (w *writer) tuple(kind uint16, f *flow.Flow, proto uint8, t *flow.Tuple, way uint8) {
	whole := w.open(kind)
	part := w.open(tupleIP)
	if f.Family == flow.IPv4 {
		w.bytes(ipV4Src, t.Src[:4])
		w.bytes(ipV4Dst, t.Dst[:4])
	} else {
		w.bytes(ipV6Src, t.Src[:])
		w.bytes(ipV6Dst, t.Dst[:])
	}
	w.shut(part)
	part = w.open(tupleProto)
	w.u8(protoNum, proto)
	switch {
	case proto == flow.ICMP:
		w.u16(protoICMPID, t.ICMPID)
		w.u8(protoICMPType, t.ICMPType)
		w.u8(protoICMPCode, t.ICMPCode)
	case proto == flow.ICMPv6:
		w.u16(protoICMPv6ID, t.ICMPID)
		w.u8(protoICMPv6Type, t.ICMPType)
		w.u8(protoICMPv6Code, t.ICMPCode)
	case flow.Ported(proto):
		w.u16(protoSrcPort, t.SrcPort)
		w.u16(protoDstPort, t.DstPort)
	}
	w.shut(part)
	if f.Zone != 0 && way != flow.BothWays && way == f.ZoneWay {
		w.u16(tupleZone, f.Zone)
	}
	w.shut(whole)
}

// translation appends what the kernel is to translate. The port is always given: with
// an address alone the kernel takes another port where it thinks the old one is used.
func (w *writer) translation(f *flow.Flow) {
	icmp := f.Proto == flow.ICMP || f.Proto == flow.ICMPv6
	if f.DestTranslated() {
		w.manipulation(attrNATDst, f.Family, &f.Reply.Src, f.Reply.SrcPort, flow.Ported(f.Proto))
	}
	if f.SourceTranslated() {
		port := f.Reply.DstPort
		if icmp {
			port = f.Reply.ICMPID
		}
		w.manipulation(attrNATSrc, f.Family, &f.Reply.Dst, port, icmp || flow.Ported(f.Proto))
	}
}

func (w *writer) manipulation(kind uint16, family uint8, addr *[16]byte, port uint16, ported bool) {
	whole := w.open(kind)
	if family == flow.IPv4 {
		w.bytes(natV4MinIP, addr[:4])
	} else {
		w.bytes(natV6MinIP, addr[:])
	}
	if ported {
		part := w.open(natProto)
		w.u16(natPortMin, port)
		w.shut(part)
	}
	w.shut(whole)
}

func (w *writer) helper(f *flow.Flow) {
	name := f.Helper[:]
	n := 0
	for n < len(name)-1 && name[n] != 0 {
		n++
	}
	whole := w.open(attrHelp)
	w.head(helpName, n+1)
	w.b = append(w.b, name[:n]...)
	for pad := align(n+1) - n; pad > 0; pad-- {
		w.b = append(w.b, 0)
	}
	w.shut(whole)
}

func (w *writer) protoInfo(f *flow.Flow) {
	switch f.Proto {
	case flow.TCP:
		orig, reply := w.tcpFlags(f)
		whole := w.open(attrProtoInfo)
		part := w.open(infoTCP)
		w.u8(tcpState, f.State)
		w.u8(tcpScaleOrig, f.Scale[0])
		w.u8(tcpScaleReply, f.Scale[1])
		w.flags(tcpFlagsOrig, orig)
		w.flags(tcpFlagsReply, reply)
		w.shut(part)
		w.shut(whole)
	case flow.SCTP:
		whole := w.open(attrProtoInfo)
		part := w.open(infoSCTP)
		w.u8(sctpState, f.State)
		w.u32(sctpTagOrig, f.Tag[0])
		w.u32(sctpTagReply, f.Tag[1])
		w.shut(part)
		w.shut(whole)
	}
}

// tcpFlags gives the flags for both directions.
func (w *writer) tcpFlags(f *flow.Flow) (orig, reply uint8) {
	orig, reply = f.TCPFlags[0], f.TCPFlags[1]
	if !w.strict {
		return orig | flow.Liberal, reply | flow.Liberal
	}
	if f.State == tcpStateSynSent && orig&flow.ScaleSent != 0 {
		// The kernel takes the scale of the SYN only if both directions have the flag.
		// The SYN+ACK, when it comes, sets that of the reply direction anew.
		reply |= flow.ScaleSent
	}
	return orig, reply
}

// flags appends a struct nf_ct_tcp_flags: the value and which bits of it count.
func (w *writer) flags(kind uint16, v uint8) {
	w.head(kind, 2)
	w.b = append(w.b, v, flow.ScaleSent|flow.SACK|flow.FirstFIN|flow.Liberal, 0, 0)
}

func (w *writer) three(kind uint16, a, b, c uint32) {
	whole := w.open(kind)
	w.u32(1, a)
	w.u32(2, b)
	w.u32(3, c)
	w.shut(whole)
}

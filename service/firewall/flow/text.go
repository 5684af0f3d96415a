package flow

import (
	"encoding/hex"
	"strconv"
)

var tcpStates = [...]string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT",
	"LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}

var sctpStates = [...]string{"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT",
	"SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED"}

var protoNames = map[uint8]string{ICMP: "icmp", TCP: "tcp", UDP: "udp", dccp: "dccp", gre: "gre", ICMPv6: "icmpv6",
	SCTP: "sctp", udpLite: "udplite"}

// StateName gives the state of a protocol as conntrack(8) prints it, or "" for a
// protocol without states.
func StateName(proto, state uint8) string {
	switch {
	case state > StateTop:
		return ""
	case proto == TCP:
		return tcpStates[state]
	case proto == SCTP:
		return sctpStates[state]
	}
	return ""
}

// ProtoName gives a protocol's name as conntrack(8) prints it.
func ProtoName(proto uint8) string {
	if name, ok := protoNames[proto]; ok {
		return name
	}
	return "unknown"
}

// HelperName gives the helper's name, or "".
func (f *Flow) HelperName() string { return string(f.Helper[:nameSize(&f.Helper)]) }

// String gives the flow on one line, as "conntrack -L" prints it but for the reference
// count. Labels, sequence adjustment and master, which that program does not show or
// shows only by names of its own, are added at the end.
func (f *Flow) String() string {
	b := make([]byte, 0, 256)
	b = append(b, ProtoName(f.Proto)...)
	for len(b) < 8 {
		b = append(b, ' ')
	}
	b = number(b, " ", uint64(f.Proto))
	b = number(b, " ", uint64(f.Timeout))
	if name := StateName(f.Proto, f.State); name != "" {
		b = append(append(b, ' '), name...)
	}
	b = f.appendTuple(b, f.Proto, &f.Orig)
	if f.Zone != 0 && f.ZoneWay == OriginalOnly {
		b = number(b, " zone-orig=", uint64(f.Zone))
	}
	if f.Status&SeenReply == 0 {
		b = append(b, " [UNREPLIED]"...)
	}
	b = f.appendTuple(b, f.Proto, &f.Reply)
	if f.Zone != 0 && f.ZoneWay == ReplyOnly {
		b = number(b, " zone-reply=", uint64(f.Zone))
	}
	if f.Status&Assured != 0 {
		b = append(b, " [ASSURED]"...)
	}
	b = number(b, " mark=", uint64(f.Mark))
	if f.Zone != 0 && f.ZoneWay == BothWays {
		b = number(b, " zone=", uint64(f.Zone))
	}
	if f.Helper[0] != 0 {
		b = append(append(b, " helper="...), f.Helper[:nameSize(&f.Helper)]...)
	}
	if f.Labels != ([16]byte{}) {
		b = hex.AppendEncode(append(b, " labels=0x"...), f.Labels[:])
	}
	if f.SeqAdj != ([2]Adjustment{}) {
		b = append(b, " [SEQADJ]"...)
	}
	if f.Master.Proto != 0 {
		b = append(append(b, " master="...), ProtoName(f.Master.Proto)...)
		b = f.appendTuple(b, f.Master.Proto, &f.Master.Tuple)
	}
	return string(b)
}

func (f *Flow) appendTuple(b []byte, proto uint8, t *Tuple) []byte {
	b = f.Addr(&t.Src).AppendTo(append(b, " src="...))
	b = f.Addr(&t.Dst).AppendTo(append(b, " dst="...))
	switch {
	case icmpish(proto):
		b = number(b, " type=", uint64(t.ICMPType))
		b = number(b, " code=", uint64(t.ICMPCode))
		b = number(b, " id=", uint64(t.ICMPID))
	case proto == gre:
		b = append(b, " srckey=0x"...)
		b = strconv.AppendUint(b, uint64(t.SrcPort), 16)
		b = append(b, " dstkey=0x"...)
		b = strconv.AppendUint(b, uint64(t.DstPort), 16)
	case Ported(proto):
		b = number(b, " sport=", uint64(t.SrcPort))
		b = number(b, " dport=", uint64(t.DstPort))
	}
	return b
}

func number(b []byte, name string, v uint64) []byte {
	return strconv.AppendUint(append(b, name...), v, 10)
}

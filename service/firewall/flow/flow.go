// Package flow is the word for one entry of the Linux connection tracker, and its
// compact form on the wire.
//
// A [Flow] is identified by its key (protocol, zone, addresses and ports of the first
// packet), which [Flow.AppendKey] encodes in 13 bytes for TCP over IPv4; all the rest
// that a new primary needs to go on with the flow is its state, which
// [Flow.AppendState] encodes in 7 bytes for an established TCP flow without address
// translation. A value has exactly one encoding, so equal bytes are equal flows. The
// format is fixed by docs/rfc/0004-flow.md.
//
// The package is pure and allocates nothing but in [Flow.String].
package flow

import "net/netip"

// The address families, as Linux numbers them (AF_INET, AF_INET6).
const (
	IPv4 = 2
	IPv6 = 10
)

// The protocols that have a form of their own, as IANA numbers them.
const (
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	ICMPv6 = 58
	SCTP   = 132
)

// Protocols of the "any other" class that nevertheless have ports (GRE: keys).
const (
	dccp    = 33
	gre     = 47
	udpLite = 136
)

// Status bits that a flow carries or that follow from what it carries; the names and
// values are those of linux/netfilter/nf_conntrack_common.h. All others are the
// kernel's own business and are neither sent nor restored.
const (
	Expected     = 1 << 0  // follows from Master
	SeenReply    = 1 << 1  // packets were seen in both directions
	Assured      = 1 << 2  // not the first to go when the table is full
	Confirmed    = 1 << 3  // always set
	SourceNAT    = 1 << 4  // follows from the tuples
	DestNAT      = 1 << 5  // follows from the tuples
	SeqAdjusted  = 1 << 6  // follows from SeqAdj
	FixedTimeout = 1 << 10 // packets do not prolong the remaining life
)

// TCP flags a flow carries per direction; the values are those of
// linux/netfilter/nf_conntrack_tcp.h. The others change with every packet and mean
// nothing on another machine.
const (
	ScaleSent = 0x01 // the sender offered window scaling
	SACK      = 0x02 // the sender permits selective acknowledgements
	FirstFIN  = 0x04 // the sender sent FIN first
	Liberal   = 0x08 // the window of the sender is not checked
	tcpFlags  = ScaleSent | SACK | FirstFIN | Liberal
)

// StateTop is the largest protocol state (enum tcp_conntrack and enum sctp_conntrack
// both end with 9).
const StateTop = 9

// The directions of a zone.
const (
	BothWays     uint8 = iota // the zone holds for both directions, or is the default zone
	OriginalOnly              // for the original direction; the other is in the default zone
	ReplyOnly                 // for the reply direction
)

// Field is a set of parts of a flow that an event of the kernel may leave out.
type Field uint8

// The fields an event may leave out. Status, mark and helper are never among them:
// when an event does not show a mark or a helper, there is none.
const (
	FieldTimeout  Field = 1 << iota // Timeout
	FieldState                      // State, TCP and SCTP
	FieldLabels                     // Labels
	FieldMaster                     // Master
	FieldSeqAdj                     // SeqAdj
	FieldSynProxy                   // SynProxy
	FieldTCPFlags                   // TCP scales and flags, of an event that shows State alone

	AllFields = FieldTimeout | FieldState | FieldLabels | FieldMaster | FieldSeqAdj | FieldSynProxy | FieldTCPFlags
)

// Tuple is one direction of a flow. An IPv4 address takes the first four bytes.
type Tuple struct {
	Src, Dst           [16]byte
	SrcPort, DstPort   uint16 // protocols with ports; GRE: keys
	ICMPID             uint16 // ICMP and ICMPv6
	ICMPType, ICMPCode uint8
}

// Adjustment says by how much a helper or NAT shifts the TCP sequence numbers of one
// direction.
type Adjustment struct{ Position, Before, After uint32 }

// Proxied is what the SYN proxy remembers of a handshake it made itself.
type Proxied struct{ Sequence, Timestamp, Offset uint32 }

// Master is the flow that another one is related to, by its original tuple. It is of
// the same family and in the same zone. Proto zero: there is none.
type Master struct {
	Proto uint8
	Tuple Tuple
}

// Flow is one entry of the connection tracker. It has a fixed size and no pointers, so
// one Flow may be used for many events. Arrays of two are for the original and the
// reply direction.
type Flow struct {
	Family  uint8 // IPv4 or IPv6
	Proto   uint8 // IANA number
	ZoneWay uint8 // BothWays, OriginalOnly or ReplyOnly
	State   uint8 // enum tcp_conntrack or sctp_conntrack; zero for the others
	Zone    uint16
	Has     Field // what is known; Parse sets AllFields

	Orig, Reply Tuple
	Status      uint32 // IPS_ bits
	Timeout     uint32 // remaining life in seconds
	Mark        uint32
	Scale       [2]uint8  // TCP window scale, 0-14
	TCPFlags    [2]uint8  // ScaleSent, SACK, FirstFIN, Liberal
	Tag         [2]uint32 // SCTP verification tags
	Labels      [16]byte  // bitmap, as a little-endian kernel has it
	Helper      [16]byte  // name, filled with zeros; at most 15 bytes
	Master      Master
	SynProxy    Proxied
	SeqAdj      [2]Adjustment
}

// Addr gives an address of one of the flow's tuples.
func (f *Flow) Addr(a *[16]byte) netip.Addr {
	if f.Family == IPv4 {
		return netip.AddrFrom4([4]byte(a[:4]))
	}
	return netip.AddrFrom16(*a)
}

// Inverse gives the reply tuple that f would have without address translation.
func (f *Flow) Inverse() Tuple { return inverse(f.Proto, &f.Orig) }

func inverse(proto uint8, t *Tuple) Tuple {
	r := Tuple{Src: t.Dst, Dst: t.Src, SrcPort: t.DstPort, DstPort: t.SrcPort, ICMPID: t.ICMPID, ICMPCode: t.ICMPCode}
	if proto == ICMP || proto == ICMPv6 {
		r.ICMPType = replyType(proto, t.ICMPType)
	}
	return r
}

// replyType gives the ICMP type that answers another; itself when there is none.
// The pairs are those the kernel tracks (nf_conntrack_proto_icmp.c, _icmpv6.c).
func replyType(proto, t uint8) uint8 {
	if proto == ICMPv6 {
		switch t {
		case 128, 139:
			return t + 1
		case 129, 140:
			return t - 1
		}
		return t
	}
	switch t {
	case 0:
		return 8
	case 8:
		return 0
	case 13, 15, 17:
		return t + 1
	case 14, 16, 18:
		return t - 1
	}
	return t
}

// SourceTranslated says whether source address, port or ICMP identifier are translated.
func (f *Flow) SourceTranslated() bool {
	return f.Reply.Dst != f.Orig.Src || f.Reply.DstPort != f.Orig.SrcPort || f.Reply.ICMPID != f.Orig.ICMPID
}

// DestTranslated says whether destination address or port are translated.
func (f *Flow) DestTranslated() bool {
	return f.Reply.Src != f.Orig.Dst || f.Reply.SrcPort != f.Orig.DstPort
}

// Keep completes an event with what was known of the same flow before: every field
// that f.Has does not name is taken from known.
func (f *Flow) Keep(known *Flow) {
	missing := known.Has &^ f.Has
	if missing&FieldTimeout != 0 {
		f.Timeout = known.Timeout
	}
	if missing&FieldState != 0 {
		f.State, f.Tag = known.State, known.Tag
	}
	if missing&FieldTCPFlags != 0 {
		f.Scale, f.TCPFlags = known.Scale, known.TCPFlags
	}
	if missing&FieldLabels != 0 {
		f.Labels = known.Labels
	}
	if missing&FieldMaster != 0 {
		f.Master = known.Master
	}
	if missing&FieldSeqAdj != 0 {
		f.SeqAdj = known.SeqAdj
	}
	if missing&FieldSynProxy != 0 {
		f.SynProxy = known.SynProxy
	}
	f.Has |= missing
}

// impliedStatus gives the status bits that follow from the rest of the flow.
func (f *Flow) impliedStatus() uint32 {
	s := uint32(Confirmed)
	if f.Master.Proto != 0 {
		s |= Expected
	}
	if f.SourceTranslated() {
		s |= SourceNAT
	}
	if f.DestTranslated() {
		s |= DestNAT
	}
	if f.SeqAdj != ([2]Adjustment{}) {
		s |= SeqAdjusted
	}
	return s
}

package ctnetlink

// Numbers of the kernel's interface that golang.org/x/sys/unix does not name.

// Messages: linux/netfilter/nfnetlink_conntrack.h, cntl_msg_types, in the subsystem
// NFNL_SUBSYS_CTNETLINK.
const (
	subsystem = 1 << 8

	messageNew    = subsystem
	messageGet    = subsystem | 1
	messageDelete = subsystem | 2
	messageStats  = subsystem | 5
)

// Multicast groups: nfnetlink.h, nfnetlink_groups.
const (
	groupNew     = 1
	groupUpdate  = 2
	groupDestroy = 3
)

// Attributes of an entry: ctattr_type.
const (
	attrOrig      = 1
	attrReply     = 2
	attrStatus    = 3
	attrProtoInfo = 4
	attrHelp      = 5
	attrNATSrc    = 6
	attrTimeout   = 7
	attrMark      = 8
	attrNATDst    = 13
	attrMaster    = 14
	attrSeqOrig   = 15
	attrSeqReply  = 16
	attrZone      = 18
	attrLabels    = 22
	attrSynProxy  = 24
)

// Attributes within those: ctattr_tuple, ctattr_ip, ctattr_l4proto.
const (
	tupleIP    = 1
	tupleProto = 2
	tupleZone  = 3

	ipV4Src = 1
	ipV4Dst = 2
	ipV6Src = 3
	ipV6Dst = 4

	protoNum        = 1
	protoSrcPort    = 2
	protoDstPort    = 3
	protoICMPID     = 4
	protoICMPType   = 5
	protoICMPCode   = 6
	protoICMPv6ID   = 7
	protoICMPv6Type = 8
	protoICMPv6Code = 9
)

// Protocol state: ctattr_protoinfo, _tcp, _sctp; helper: ctattr_help; translation:
// ctattr_nat, ctattr_protonat; table: ctattr_stats_global.
const (
	infoTCP  = 1
	infoSCTP = 3

	tcpState      = 1
	tcpScaleOrig  = 2
	tcpScaleReply = 3
	tcpFlagsOrig  = 4
	tcpFlagsReply = 5

	sctpState    = 1
	sctpTagOrig  = 2
	sctpTagReply = 3

	helpName = 1

	natV4MinIP = 1
	natProto   = 3
	natV6MinIP = 4
	natPortMin = 1

	statsEntries = 1
	statsMax     = 2
)

// Sizes in bytes of the headers of a message and of an attribute.
const (
	headerSize  = 16 // struct nlmsghdr
	genericSize = 4  // struct nfgenmsg
	attrSize    = 4  // struct nlattr
)

// nested marks an attribute that holds others (NLA_F_NESTED); typeMask takes it and
// its like away.
const (
	nested   = 0x8000
	typeMask = 0x3fff
)

// statusKept are the status bits that may be given to the kernel. CONFIRMED must be
// there, EXPECTED and DYING must not (EBUSY), and the others are the kernel's own.
const (
	statusSeenReply    = 1 << 1
	statusAssured      = 1 << 2
	statusConfirmed    = 1 << 3
	statusExpected     = 1 << 0
	statusSeqAdjust    = 1 << 6
	statusFixedTimeout = 1 << 10
	statusKept         = statusSeenReply | statusAssured | statusFixedTimeout
)

// tcpStateSynSent is TCP_CONNTRACK_SYN_SENT.
const tcpStateSynSent = 1

package lab

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// rule is the expressions of one rule.
type rule = []expr.Any

// statusDestNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h: the flow's
// destination was rewritten by a rule of ours.
const statusDestNAT = 1 << 5

// loadRuleset gives a firewall its ruleset, in one transaction.
func loadRuleset(namespace int) error {
	c, err := nftables.New(nftables.WithNetNSFd(namespace))
	if err != nil {
		return err
	}
	addFilter(c)
	addNAT(c)
	return c.Flush()
}

func addFilter(c *nftables.Conn) {
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "filter"})
	drop := nftables.ChainPolicyDrop
	chain := func(name string, hook *nftables.ChainHook, rules []rule) {
		ch := c.AddChain(&nftables.Chain{
			Name: name, Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: hook, Priority: nftables.ChainPriorityFilter, Policy: &drop,
		})
		for _, r := range rules {
			c.AddRule(&nftables.Rule{Table: table, Chain: ch, Exprs: r})
		}
	}
	chain("forward", nftables.ChainHookForward, forwardRules())
	chain("input", nftables.ChainHookInput, inputRules())
}

// forwardRules let through what belongs to a known flow, and new flows from the
// client's side.
func forwardRules() []rule {
	outward := slices.Concat(interfaceIs(expr.MetaKeyIIFNAME, LAN), interfaceIs(expr.MetaKeyOIFNAME, WAN), stateHas(expr.CtStateBitNEW))
	inward := slices.Concat(interfaceIs(expr.MetaKeyIIFNAME, WAN), interfaceIs(expr.MetaKeyOIFNAME, LAN))
	return []rule{
		slices.Concat(stateHas(expr.CtStateBitINVALID), verdict(expr.VerdictDrop)),
		slices.Concat(stateHas(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), verdict(expr.VerdictAccept)),
		slices.Concat(outward, protocolIs(unix.IPPROTO_TCP), onlySYN(), verdict(expr.VerdictAccept)),
		slices.Concat(outward, protocolIs(unix.IPPROTO_UDP), verdict(expr.VerdictAccept)),
		slices.Concat(outward, protocolIs(unix.IPPROTO_SCTP), verdict(expr.VerdictAccept)),
		slices.Concat(outward, protocolIs(unix.IPPROTO_ICMP), verdict(expr.VerdictAccept)),
		slices.Concat(outward, protocolIs(unix.IPPROTO_ICMPV6), verdict(expr.VerdictAccept)),
		slices.Concat(inward, ctHas(expr.CtKeySTATUS, statusDestNAT), verdict(expr.VerdictAccept)),
	}
}

// inputRules protect the firewall itself. What is for a flow whose state it lacks
// arrives here, the source being the virtual address: it is dropped without a word, for
// a reset would end a flow whose state is only late.
func inputRules() []rule {
	accept := verdict(expr.VerdictAccept)
	return []rule{
		slices.Concat(stateHas(expr.CtStateBitINVALID), verdict(expr.VerdictDrop)),
		slices.Concat(stateHas(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept),
		slices.Concat(interfaceIs(expr.MetaKeyIIFNAME, "lo"), accept),
		slices.Concat(interfaceIs(expr.MetaKeyIIFNAME, Sync), accept),
		slices.Concat(protocolIs(unix.IPPROTO_ICMP), accept),
		slices.Concat(protocolIs(unix.IPPROTO_ICMPV6), accept),
		// The other firewall, whatever it says: the pairs of own addresses are
		// neighbours, .2 and .3, so one prefix holds both.
		slices.Concat(interfaceIs(expr.MetaKeyIIFNAME, LAN), sourceIn("192.0.2.2/31"), accept),
		slices.Concat(interfaceIs(expr.MetaKeyIIFNAME, WAN), sourceIn("198.51.100.2/31"), accept),
		slices.Concat(interfaceIs(expr.MetaKeyIIFNAME, LAN), sourceIn("2001:db8:1::2/127"), accept),
		slices.Concat(interfaceIs(expr.MetaKeyIIFNAME, WAN), sourceIn("2001:db8:2::2/127"), accept),
	}
}

func addNAT(c *nftables.Conn) {
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "nat"})
	chain := func(name string, hook *nftables.ChainHook, priority *nftables.ChainPriority, r rule) {
		ch := c.AddChain(&nftables.Chain{Name: name, Table: table, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: priority})
		c.AddRule(&nftables.Rule{Table: table, Chain: ch, Exprs: r})
	}
	virtual := netip.MustParsePrefix(VirtualWAN4).Addr()
	client := netip.MustParsePrefix(Client4).Addr()
	chain("postrouting", nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource, slices.Concat(
		interfaceIs(expr.MetaKeyOIFNAME, WAN),
		addressIn(12, netip.MustParsePrefix(Client4)),
		rule{
			&expr.Immediate{Register: 1, Data: virtual.AsSlice()},
			&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1},
		}))
	chain("prerouting", nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest, slices.Concat(
		interfaceIs(expr.MetaKeyIIFNAME, WAN),
		addressIn(16, netip.PrefixFrom(virtual, 32)),
		protocolIs(unix.IPPROTO_TCP),
		rule{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, PublishedPort)},
			&expr.Immediate{Register: 1, Data: client.AsSlice()},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1},
		}))
}

func verdict(kind expr.VerdictKind) rule {
	return rule{&expr.Counter{}, &expr.Verdict{Kind: kind}}
}

// interfaceIs matches the name of the interface that a packet came by or leaves by.
func interfaceIs(key expr.MetaKey, name string) rule {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return rule{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: padded},
	}
}

func protocolIs(number byte) rule {
	return rule{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{number}},
	}
}

func stateHas(bits uint32) rule { return ctHas(expr.CtKeySTATE, bits) }

// ctHas matches packets whose flow has one of the bits in a word of its state.
func ctHas(key expr.CtKey, bits uint32) rule {
	return rule{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// onlySYN matches TCP segments that open a connection: of FIN, SYN, RST and ACK, SYN
// alone is set.
func onlySYN() rule {
	const fin, syn, rst, ack = 0x01, 0x02, 0x04, 0x10
	return rule{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{syn}},
	}
}

// sourceIn matches the source address, with the family first as an inet table needs.
func sourceIn(prefix string) rule {
	p := netip.MustParsePrefix(prefix)
	family, offset := byte(unix.NFPROTO_IPV4), uint32(12)
	if p.Addr().Is6() {
		family, offset = unix.NFPROTO_IPV6, 8
	}
	return slices.Concat(rule{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
	}, addressIn(offset, p))
}

// addressIn matches an address of the network header by its prefix.
func addressIn(offset uint32, p netip.Prefix) rule {
	size := uint32(p.Addr().BitLen() / 8)
	mask := make([]byte, size)
	for bit := range p.Bits() {
		mask[bit/8] |= 0x80 >> (bit % 8)
	}
	return rule{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: mask, Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()},
	}
}

package lab

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// portDisabled is BR_STATE_DISABLED of linux/if_bridge.h: the port neither takes nor
// gives frames.
const portDisabled = 0

// Cut takes every cable of a node off at once: what others see of a power cut. Nobody
// else loses carrier. What runs on the node goes on running, alone; see [Lab.PowerOff].
func (l *Lab) Cut(node string) error {
	n := l.Node(node)
	l.mu.Lock()
	defer l.mu.Unlock()
	// Taking an interface down makes the kernel wait some milliseconds for each. So
	// first all ports stop forwarding, within microseconds of one another.
	if err := l.wires.Do(func() error { return l.disablePorts(n) }); err != nil {
		return &OpError{Op: "cut " + node, Err: err}
	}
	l.cut[node] = true
	for _, name := range n.Interfaces() {
		if err := l.setPort(node, name, false); err != nil {
			return err
		}
	}
	return nil
}

// Mend plugs every cable of a node in again, those too that SetPort took off.
func (l *Lab) Mend(node string) error {
	n := l.Node(node)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range n.Interfaces() {
		if err := l.setPort(node, name, true); err != nil {
			return err
		}
	}
	delete(l.cut, node)
	return nil
}

// PowerOff is a power cut with all that it destroys: the node is cut, what runs on it
// is killed, and its kernel forgets connections, neighbours and virtual addresses.
func (l *Lab) PowerOff(node string) error {
	if err := l.Cut(node); err != nil {
		return err
	}
	n := l.Node(node)
	return errors.Join(n.killAll(), n.Wipe())
}

// PowerOn brings a node back from PowerOff, with nothing running on it.
func (l *Lab) PowerOn(node string) error { return l.Mend(node) }

// SetPort plugs the cable of one interface of a node in or takes it off, at the
// switch's end: the node sees its carrier go. A node that is cut stays so.
func (l *Lab) SetPort(node, name string, up bool) error {
	l.Node(node)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut[node] && up {
		return &OpError{Op: fmt.Sprintf("plug in %s's %s", node, name), Err: errors.New("the whole node is cut; mend it")}
	}
	return l.setPort(node, name, up)
}

func (l *Lab) setPort(node, name string, up bool) error {
	op, set := "take off", l.handle.LinkSetDown
	if up {
		op, set = "plug in", l.handle.LinkSetUp
	}
	link, err := l.handle.LinkByName(portOf(node, name))
	if err == nil {
		err = set(link)
	}
	if err != nil {
		return &OpError{Op: fmt.Sprintf("%s %s's %s", op, node, name), Err: err}
	}
	return nil
}

// disablePorts stops forwarding on the ports of a node. It runs in the switch. A port
// that is down already cannot be told, and needs not.
func (l *Lab) disablePorts(n *Node) error {
	for _, name := range n.Interfaces() {
		link, err := l.handle.LinkByName(portOf(n.name, name))
		if err != nil {
			return err
		}
		message := nl.NewIfInfomsg(unix.AF_BRIDGE)
		message.Index = int32(link.Attrs().Index)
		info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
		info.AddRtAttr(nl.IFLA_BRPORT_STATE, []byte{portDisabled})
		request := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
		request.AddData(message)
		request.AddData(info)
		if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil && !errors.Is(err, unix.ENETDOWN) {
			return fmt.Errorf("stop port %s: %w", portOf(n.name, name), err)
		}
	}
	return nil
}

// lossScale is the resolution of Lose: ten thousandths.
const lossScale = 10000

// Lose makes a node lose a share of the IP packets that reach it by an interface, from
// 0 (none, the default) to 100 per cent (deaf, a one-way partition). The sender notices
// nothing. A new share replaces the old one.
func (l *Lab) Lose(node, name string, percent float64) error {
	n := l.Node(node)
	op := fmt.Sprintf("lose %g%% at %s's %s", percent, node, name)
	if n.own[name] == nil {
		return &OpError{Op: op, Err: fmt.Errorf("no such interface; interfaces: %v", n.Interfaces())}
	}
	if !(percent >= 0 && percent <= 100) {
		return &OpError{Op: op, Err: errors.New("a share is from 0 to 100 per cent")}
	}
	c, err := nftables.New(nftables.WithNetNSFd(n.FD()))
	if err != nil {
		return &OpError{Op: op, Err: err}
	}
	// Adding before deleting: deleting what is not there would fail.
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: "loss-" + name}
	c.AddTable(table)
	c.DelTable(table)
	if percent > 0 {
		c.AddTable(table)
		chain := c.AddChain(&nftables.Chain{
			Name: "arriving", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: lossRule(name, uint32(percent*lossScale/100))})
	}
	if err := c.Flush(); err != nil {
		return &OpError{Op: op + " (the kernel needs nf_tables with numgen)", Err: err}
	}
	return nil
}

func lossRule(name string, share uint32) rule {
	r := interfaceIs(expr.MetaKeyIIFNAME, name)
	if share < lossScale { // all of it needs no dice, and no numgen in the kernel
		r = append(r,
			&expr.Numgen{Register: 1, Modulus: lossScale, Type: unix.NFT_NG_RANDOM},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: []byte{byte(share >> 24), byte(share >> 16), byte(share >> 8), byte(share)}},
		)
	}
	return append(r, verdict(expr.VerdictDrop)...)
}

// Counters are what an interface of a node has carried since the test bed was built,
// with Ethernet headers.
type Counters struct {
	ReceivedBytes, SentBytes     uint64
	ReceivedPackets, SentPackets uint64
}

// Counters reads the counters of an interface of a node.
func (l *Lab) Counters(node, name string) (Counters, error) {
	var c Counters
	err := l.Node(node).withLink(name, func(link netlink.Link) error {
		s := link.Attrs().Statistics
		c = Counters{ReceivedBytes: s.RxBytes, SentBytes: s.TxBytes, ReceivedPackets: s.RxPackets, SentPackets: s.TxPackets}
		return nil
	})
	if err != nil {
		return Counters{}, &OpError{Op: fmt.Sprintf("read the counters of %s's %s", node, name), Err: err}
	}
	return c, nil
}

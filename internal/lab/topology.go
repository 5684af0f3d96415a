package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// addBridge makes a bridge of the switch. Without snooping and spanning tree it floods
// and forwards at once, as a plain switch does.
func (l *Lab) addBridge(name string) error {
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snooping}
	bridge.Name = name
	if err := l.handle.LinkAdd(bridge); err != nil {
		return err
	}
	return up(l.handle, name)
}

// connect gives a node an interface with addresses, and plugs its cable into the switch.
func (l *Lab) connect(n *Node, name string, addresses []string) error {
	port := portOf(n.name, name)
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: name, PeerNamespace: netlink.NsFd(n.FD())}
	veth.Name = port
	if err := l.handle.LinkAdd(veth); err != nil {
		return err
	}
	bridge, err := l.handle.LinkByName(bridgeOf(name))
	if err != nil {
		return err
	}
	link, err := l.handle.LinkByName(port)
	if err != nil {
		return err
	}
	if err := l.handle.LinkSetMaster(link, bridge); err != nil {
		return err
	}
	if err := l.handle.LinkSetUp(link); err != nil {
		return err
	}
	if err := up(n.handle, name); err != nil {
		return err
	}
	if n.name == Client {
		if addresses, err = rows(addresses, ClientAddresses); err != nil {
			return err
		}
	}
	if !l.ipv6 {
		addresses = slices.DeleteFunc(slices.Clone(addresses), isIPv6)
	}
	n.own[name] = addresses
	for _, a := range addresses {
		if err := n.AddAddress(name, a); err != nil {
			return err
		}
	}
	return nil
}

// rows gives, for each address, itself and those that follow it, count in all.
func rows(addresses []string, count int) ([]string, error) {
	var all []string
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a)
		if err != nil {
			return nil, err
		}
		ip := prefix.Addr()
		for range count {
			all = append(all, netip.PrefixFrom(ip, prefix.Bits()).String())
			ip = ip.Next()
		}
	}
	return all, nil
}

func isIPv6(address string) bool { return strings.Contains(address, ":") }

// addGateways sends all that client or server has to say to the other to the virtual
// addresses on its side.
func (l *Lab) addGateways(n *Node) error {
	name, gateways := LAN, []string{VirtualLAN4, VirtualLAN6}
	if n.name == Server {
		name, gateways = WAN, []string{VirtualWAN4, VirtualWAN6}
	}
	link, err := n.handle.LinkByName(name)
	if err != nil {
		return err
	}
	if !l.ipv6 {
		gateways = slices.DeleteFunc(gateways, isIPv6)
	}
	for _, g := range gateways {
		gateway, _, err := net.ParseCIDR(g)
		if err != nil {
			return err
		}
		// The virtual address itself is a neighbour, and what the server answers to:
		// without a route of its own it would have the kernel's timers.
		bits := 8 * len(gateway)
		if v4 := gateway.To4(); v4 != nil {
			gateway, bits = v4, 32
		}
		self := &net.IPNet{IP: gateway, Mask: net.CIDRMask(bits, bits)}
		for _, route := range []*netlink.Route{{Dst: self, Scope: netlink.SCOPE_LINK}, {Gw: gateway}} {
			route.LinkIndex = link.Attrs().Index
			route.RtoMin, route.RtoMinLock = int(l.config.RetransmitMin.Milliseconds()), true
			// A delayed acknowledgement (40 ms) would come after the retransmission.
			route.QuickACK = 1
			if err := n.handle.RouteAdd(route); err != nil {
				return fmt.Errorf("to and by way of %s: %w", gateway, err)
			}
		}
	}
	return nil
}

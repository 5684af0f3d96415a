package group

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	vishnetns "github.com/vishvananda/netns"

	"github.com/holdfast-ha/holdfast/internal/lab/netns"
)

// device is the interface of each machine.
const device = "net0"

// Node is one machine: a network namespace with one interface on the common switch.
type Node struct {
	Number  int    // from 1
	Name    string // "n1"
	Address string // its IPv4 address
	space   *netns.Namespace
}

// Bed is the machines and the switch between them, a bridge in a namespace of its own.
type Bed struct {
	Nodes  [Members]*Node
	wires  *netns.Namespace
	handle *netlink.Handle
}

// OpenBed builds it, in some tens of milliseconds. It needs root. An error leaves nothing
// behind.
func OpenBed() (*Bed, error) {
	b := &Bed{}
	if err := b.build(); err != nil {
		b.Close()
		return nil, &OpError{"build the network", err}
	}
	return b, nil
}

func (b *Bed) build() (err error) {
	if b.wires, err = netns.New("switch"); err != nil {
		return err
	}
	if err := b.wires.Do(leaveFramesAlone); err != nil {
		return err
	}
	if b.handle, err = handleAt(b.wires); err != nil {
		return err
	}
	// Without snooping it floods what goes to a multicast group, as a plain switch does.
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snooping}
	bridge.Name = "switch"
	if err := b.handle.LinkAdd(bridge); err != nil {
		return err
	}
	if err := b.handle.LinkSetUp(bridge); err != nil {
		return err
	}
	for i := range b.Nodes {
		n := &Node{Number: i + 1, Name: fmt.Sprintf("n%d", i+1), Address: fmt.Sprintf("203.0.113.%d", i+1)}
		b.Nodes[i] = n
		if n.space, err = netns.New(n.Name); err != nil {
			return err
		}
		if err := b.connect(n, bridge); err != nil {
			return fmt.Errorf("connect %s: %w", n.Name, err)
		}
	}
	return b.awaitCarrier()
}

// leaveFramesAlone keeps the bridge from showing frames to packet filters. A kernel
// without them has no such setting.
func leaveFramesAlone() error {
	err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func handleAt(n *netns.Namespace) (*netlink.Handle, error) {
	return netlink.NewHandleAt(vishnetns.NsHandle(n.FD()))
}

func (b *Bed) connect(n *Node, bridge netlink.Link) error {
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: device, PeerNamespace: netlink.NsFd(n.space.FD())}
	veth.Name = n.Name
	if err := b.handle.LinkAdd(veth); err != nil {
		return err
	}
	port, err := b.handle.LinkByName(n.Name)
	if err != nil {
		return err
	}
	if err := errors.Join(b.handle.LinkSetMaster(port, bridge), b.handle.LinkSetUp(port)); err != nil {
		return err
	}
	inside, err := handleAt(n.space)
	if err != nil {
		return err
	}
	defer inside.Close()
	loop, err := inside.LinkByName("lo")
	if err != nil {
		return err
	}
	own, err := inside.LinkByName(device)
	if err != nil {
		return err
	}
	address, err := netlink.ParseAddr(n.Address + "/24")
	if err != nil {
		return err
	}
	everyone, err := netlink.ParseIPNet("224.0.0.0/4")
	if err != nil {
		return err
	}
	return errors.Join(inside.LinkSetUp(loop), inside.LinkSetUp(own), inside.AddrAdd(own, address),
		inside.RouteAdd(&netlink.Route{Dst: everyone, LinkIndex: own.Attrs().Index, Scope: netlink.SCOPE_LINK}))
}

// awaitCarrier waits until every cable carries.
func (b *Bed) awaitCarrier() error {
	limit := time.NewTimer(carrierMost)
	defer limit.Stop()
	again := time.NewTicker(carrierEvery)
	defer again.Stop()
	for {
		links, err := b.handle.LinkList()
		if err != nil {
			return err
		}
		silent := ""
		for _, l := range links {
			if l.Type() == "veth" && l.Attrs().OperState != netlink.OperUp {
				silent = l.Attrs().Name
			}
		}
		if silent == "" {
			return nil
		}
		select {
		case <-again.C:
		case <-limit.C:
			return fmt.Errorf("after %v there is no carrier on %s", carrierMost, silent)
		}
	}
}

// Close removes it. Processes that still run keep their namespace.
func (b *Bed) Close() {
	for _, n := range b.Nodes {
		if n != nil && n.space != nil {
			n.space.Close()
		}
	}
	if b.handle != nil {
		b.handle.Close()
	}
	if b.wires != nil {
		b.wires.Close()
	}
}

package lab

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	vishnetns "github.com/vishvananda/netns"

	"github.com/holdfast-ha/holdfast/internal/lab/netns"
)

// Node is one machine of the test bed: a network namespace with interfaces. It is safe
// for concurrent use.
type Node struct {
	name   string
	space  *netns.Namespace
	handle *netlink.Handle
	own    map[string][]string // interface to the addresses the lab gave it, with prefix

	mu       sync.Mutex
	commands map[*Command]bool // started and not yet waited for
}

func handleAt(n *netns.Namespace) (*netlink.Handle, error) {
	return netlink.NewHandleAt(vishnetns.NsHandle(n.FD()))
}

// openNode makes a node without interfaces.
func openNode(name string) (*Node, error) {
	space, err := netns.New(name)
	if err != nil {
		return nil, err
	}
	n := &Node{name: name, space: space, own: map[string][]string{}, commands: map[*Command]bool{}}
	set := setHost
	if name == FW1 || name == FW2 {
		set = setRouter
	}
	if err = space.Do(set); err == nil {
		n.handle, err = handleAt(space)
	}
	if err == nil {
		err = up(n.handle, "lo")
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// Name is the node's name.
func (n *Node) Name() string { return n.name }

// FD is a descriptor of the node's network namespace, for netlink libraries. It is
// valid until the Lab is closed and must not be closed by others.
func (n *Node) FD() int { return n.space.FD() }

// Do runs f on a thread that is in the node's namespace, and returns its error. Sockets
// that f opens belong to the node for good; goroutines that f starts are not there.
func (n *Node) Do(f func() error) error { return n.space.Do(f) }

// Addresses gives the node's own addresses of an interface as the lab gave them, with
// prefix length; IPv4 first, nil for an interface that it does not have.
func (n *Node) Addresses(name string) []string { return slices.Clone(n.own[name]) }

// Interfaces gives the names of the node's interfaces, sorted.
func (n *Node) Interfaces() []string {
	var names []string
	for name := range n.own {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// AddAddress gives an interface of the node an address, with prefix length, as a
// daemon that holds a virtual address would. Nobody is told (no gratuitous ARP).
func (n *Node) AddAddress(name, address string) error {
	return n.changeAddress("add", name, address, n.handle.AddrAdd)
}

// RemoveAddress takes an address from an interface of the node.
func (n *Node) RemoveAddress(name, address string) error {
	return n.changeAddress("remove", name, address, n.handle.AddrDel)
}

func (n *Node) changeAddress(op, name, address string, change func(netlink.Link, *netlink.Addr) error) error {
	err := n.withLink(name, func(link netlink.Link) error {
		addr, err := newAddr(address)
		if err != nil {
			return err
		}
		return change(link, addr)
	})
	if err != nil {
		return &OpError{Op: fmt.Sprintf("%s %s on %s's %s", op, address, n.name, name), Err: err}
	}
	return nil
}

func (n *Node) withLink(name string, f func(netlink.Link) error) error {
	link, err := n.handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%w; interfaces: %s", err, strings.Join(n.Interfaces(), ", "))
	}
	return f(link)
}

// Wipe takes from the kernel what a machine loses with its power: the addresses that
// the lab did not give, the neighbours it knows, and every tracked connection.
func (n *Node) Wipe() error {
	for _, name := range n.Interfaces() {
		if err := n.withLink(name, func(link netlink.Link) error { return n.wipeAddresses(name, link) }); err != nil {
			return &OpError{Op: fmt.Sprintf("wipe %s's %s", n.name, name), Err: err}
		}
	}
	if err := n.ForgetNeighbours(); err != nil {
		return err
	}
	if n.name != FW1 && n.name != FW2 {
		return nil
	}
	// Not by the node's handle: its socket is for routes only.
	err := n.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) })
	if err != nil {
		return &OpError{Op: "flush the connections of " + n.name, Err: err}
	}
	return nil
}

func (n *Node) wipeAddresses(name string, link netlink.Link) error {
	addrs, err := n.handle.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if a.IP.IsLinkLocalUnicast() || slices.Contains(n.own[name], a.IPNet.String()) {
			continue
		}
		if err := n.handle.AddrDel(link, &a); err != nil {
			return fmt.Errorf("remove %s: %w", a.IPNet, err)
		}
	}
	return nil
}

// ForgetNeighbours empties what the node knows of its neighbours' hardware addresses,
// so that it asks anew for whoever holds a virtual address.
func (n *Node) ForgetNeighbours() error {
	for _, name := range n.Interfaces() {
		err := n.withLink(name, func(link netlink.Link) error {
			neighbours, err := n.handle.NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
			for _, neighbour := range neighbours {
				// One may have gone by itself in between; none is worth failing for.
				_ = n.handle.NeighDel(&neighbour)
			}
			return err
		})
		if err != nil {
			return &OpError{Op: fmt.Sprintf("forget the neighbours on %s's %s", n.name, name), Err: err}
		}
	}
	return nil
}

// close ends the node with what runs on it.
func (n *Node) close() error {
	errs := []error{n.killAll()}
	if n.handle != nil {
		n.handle.Close()
	}
	return errors.Join(append(errs, n.space.Close())...)
}

func up(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetUp(link)
}

// newAddr parses an address with prefix length. Duplicate address detection is off:
// the test bed's addresses are usable at once.
func newAddr(address string) (*netlink.Addr, error) {
	ip, ipNet, err := net.ParseCIDR(address)
	if err != nil {
		return nil, err
	}
	return &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: ipNet.Mask}, Flags: noDAD(ip)}, nil
}

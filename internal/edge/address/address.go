// Package address holds virtual addresses: it puts them on interfaces, tells the
// neighbours, and takes them away again; and it watches whether interfaces are up.
//
// An address is put there with a lifetime of some seconds that [Holder.Renew] extends.
// So the addresses of a daemon that was killed vanish by themselves: the kernel
// removes them. They carry a mark (IFA_PROTO, Linux 5.18) by which the next daemon
// knows the leftovers of the last one, and they are deprecated, so that IPv6 does not
// choose them as the source of connections that the host opens itself.
//
// Where the interface has an address of its own in the same prefix, the virtual one
// leaves the prefix's route alone; where it has none, the virtual address brings the
// route, and it goes with it.
//
// Nothing here waits for the network. A [Holder] and a [Watch] are not safe for
// concurrent use and start no goroutines. Both act in the network namespace of the
// thread that opened them, and Open, Raise and Renew must be called in it.
//
// Sources: rtnetlink(7), packet(7), netdevice(7); RFC 5227 (ARP announcements), RFC
// 4861 section 7.2.6 (unsolicited neighbour advertisements); linux/if_addr.h.
package address

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Protocol is the mark of our addresses: what `ip -details address` shows as "proto
// 0x48". The kernel uses 1 to 3 itself; keepalived uses 18.
const Protocol = 0x48

// Address is one virtual address.
type Address struct {
	Prefix    netip.Prefix // the address itself, with the length of its network's prefix
	Interface string
}

// String gives "192.0.2.1/24 on eth0".
func (a Address) String() string { return a.Prefix.String() + " on " + a.Interface }

// Config says what a Holder holds.
type Config struct {
	Addresses []Address // 1 to 256

	// Lifetime is how long the addresses stay after the last Raise or Renew, in whole
	// seconds, at least 2; 0 for [LifetimeDefault]. Renew at least three times in it.
	Lifetime time.Duration
}

// OpError says which operation failed, and why. For more than one address Err is a
// joined error.
type OpError struct {
	Op  string // "open", "raise", "renew", "announce", "lower", "watch"
	Err error
}

// Error gives the operation and its cause.
func (e *OpError) Error() string { return "address: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// AddressError says what went wrong with one address.
type AddressError struct {
	Address Address
	Err     error
}

// Error gives "192.0.2.1/24 on eth0: operation not permitted".
func (e *AddressError) Error() string { return e.Address.String() + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *AddressError) Unwrap() error { return e.Err }

// Holder puts addresses on interfaces and takes them away. See the package for its
// rules.
type Holder struct {
	lifetime time.Duration
	held     []held
	handle   *netlink.Handle
	packet   int // AF_PACKET socket that sends and never receives
	query    int // socket for ioctl(2)
}

// held is one address and what became of it.
type held struct {
	Address
	ours     bool // it is on the interface, as far as we know, and we put it there
	leftover bool // and that was a former life
}

// Open checks that the addresses can be held here: that the interfaces exist, and that
// no address is on this host yet, leftovers of a former life excepted. It changes
// nothing. All faults are reported at once.
func Open(c Config) (*Holder, error) {
	h, err := open(c)
	if err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	return h, nil
}

func open(c Config) (*Holder, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := permitted(); err != nil {
		return nil, err
	}
	h := &Holder{lifetime: c.Lifetime, packet: -1, query: -1}
	if h.lifetime == 0 {
		h.lifetime = LifetimeDefault
	}
	for _, a := range c.Addresses {
		h.held = append(h.held, held{Address: a})
	}
	var err error
	if h.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	// Protocol 0: this socket sends; no frame is ever delivered to it.
	if h.packet, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		h.Close()
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	if h.query, err = openQuery(); err != nil {
		h.Close()
		return nil, err
	}
	if err := h.survey(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// check finds what is wrong with a configuration whatever the host.
func (c *Config) check() error {
	if len(c.Addresses) == 0 || len(c.Addresses) > addressMax {
		return fmt.Errorf("%d addresses; configure 1 to %d", len(c.Addresses), addressMax)
	}
	if l := c.Lifetime; l != 0 && (l < lifetimeMin || l > lifetimeMax || l%time.Second != 0) {
		return fmt.Errorf("a lifetime of %v; it is in whole seconds, from %v to %v", l, lifetimeMin, lifetimeMax)
	}
	var faults []error
	seen := map[Address]bool{}
	for _, a := range c.Addresses {
		one := Address{Prefix: netip.PrefixFrom(a.Prefix.Addr(), 0)}
		if a.Prefix.Addr().IsLinkLocalUnicast() {
			one.Interface = a.Interface // the same one may be on several networks
		}
		err := checkPrefix(a.Prefix)
		if err == nil && seen[one] {
			err = errors.New("it is configured twice; remove one of the two")
		}
		if err != nil {
			faults = append(faults, &AddressError{a, err})
		}
		seen[one] = true
	}
	return errors.Join(faults...)
}

// checkPrefix refuses what cannot be an address of one host for others to reach.
func checkPrefix(p netip.Prefix) error {
	a := p.Addr()
	switch {
	case !p.IsValid():
		return errors.New("the address is missing or has no prefix length; write it as 192.0.2.1/24")
	case a.Is4In6():
		return fmt.Errorf("it is IPv4 written as IPv6; write %v/%d", a.Unmap(), max(p.Bits()-96, 0))
	case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback():
		return errors.New("it is not an address that one host has for others")
	case p.Bits() == 0:
		return errors.New("the prefix length is 0; write that of the network, as in 192.0.2.1/24")
	case p.Bits() < a.BitLen()-1 && p.Masked().Addr() == a:
		return fmt.Errorf("it is the network itself; write an address in it, as in %v/%d", a.Next(), p.Bits())
	case a.Is4() && p.Bits() < 31 && !p.Contains(a.Next()):
		return fmt.Errorf("it is the broadcast address of %v", p.Masked())
	}
	return nil
}

// permitted says whether this process may do what a Holder does.
func permitted() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	for _, c := range []struct {
		bit  uint
		name string
	}{{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_NET_RAW, "CAP_NET_RAW"}} {
		if sets[0].Effective&(1<<c.bit) == 0 {
			return fmt.Errorf("this process does not have %s, which it needs to hold addresses; run it as root, or give it with AmbientCapabilities= in the unit: %w", c.name, unix.EPERM)
		}
	}
	return nil
}

// survey looks at the host: interfaces, and addresses that are there already.
func (h *Holder) survey() error {
	present, err := h.list()
	if err != nil {
		return err
	}
	var faults []error
	for i := range h.held {
		a := &h.held[i]
		link, err := h.link(a.Interface)
		if err != nil {
			faults = append(faults, &AddressError{a.Address, err})
			continue
		}
		if err := a.checkFamily(); err != nil {
			faults = append(faults, &AddressError{a.Address, err})
			continue
		}
		for _, p := range present {
			if p.prefix.Addr() != a.Prefix.Addr() || a.Prefix.Addr().IsLinkLocalUnicast() && p.index != link.index {
				continue
			}
			if p.index == link.index && p.prefix == a.Prefix && p.mark() {
				a.ours, a.leftover = true, true
				continue
			}
			faults = append(faults, &AddressError{a.Address, p.conflict(h.interfaceName(p.index))})
		}
	}
	return errors.Join(faults...)
}

// checkFamily says whether the interface takes addresses of this family.
func (a *held) checkFamily() error {
	if a.Prefix.Addr().Is4() {
		return nil
	}
	text, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + a.Interface + "/disable_ipv6")
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("the interface has no IPv6; start the kernel without ipv6.disable=1, and give the interface an MTU of at least 1280")
	case err == nil && strings.TrimSpace(string(text)) != "0":
		return fmt.Errorf("IPv6 is turned off on the interface; run: sysctl net/ipv6/conf/%s/disable_ipv6=0", a.Interface)
	}
	return nil
}

// Leftovers gives the addresses that were on this host when the Holder was opened and
// that a former life of this daemon had put there. Lower removes them, Raise makes
// them ordinary ones; without either they expire.
func (h *Holder) Leftovers() []Address {
	var all []Address
	for i := range h.held {
		if h.held[i].leftover {
			all = append(all, h.held[i].Address)
		}
	}
	return all
}

// Close closes the sockets. Addresses stay until they expire: Lower them before. A
// second Close does nothing.
func (h *Holder) Close() {
	if h.handle != nil {
		h.handle.Close()
		h.handle = nil
	}
	for _, fd := range []*int{&h.packet, &h.query} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}

package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// presence is an address that is on this host now.
type presence struct {
	prefix   netip.Prefix
	index    int // of its interface
	flags    int // IFA_F_*
	protocol int // IFA_PROTO; 0 if nobody said, or before Linux 5.18
	valid    int // seconds it has left
}

// list asks the kernel for all addresses of this host.
func (h *Holder) list() ([]presence, error) {
	if h.handle == nil {
		return nil, os.ErrClosed
	}
	// An interrupted dump may lack an address that is being changed at this moment. That
	// is as if it had been asked a moment earlier.
	all, err := h.handle.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("addresses of this host: %w", err)
	}
	present := make([]presence, 0, len(all))
	for i := range all {
		a := &all[i]
		if a.IPNet == nil {
			continue
		}
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok {
			continue
		}
		if a.Mask != nil && len(a.Mask) == net.IPv4len {
			ip = ip.Unmap()
		}
		ones, _ := a.Mask.Size()
		present = append(present, presence{
			prefix: netip.PrefixFrom(ip, ones), index: a.LinkIndex, flags: a.Flags, protocol: a.Protocol, valid: a.ValidLft,
		})
	}
	return present, nil
}

// mark says whether a daemon of ours put the address there. A kernel before 5.18 drops
// the mark; there the short life and the deprecation are ours alone.
func (p *presence) mark() bool {
	if p.protocol != 0 {
		return p.protocol == Protocol
	}
	return p.flags&unix.IFA_F_PERMANENT == 0 && p.flags&unix.IFA_F_DEPRECATED != 0 && p.valid <= int(lifetimeMax.Seconds())
}

// conflict words that the address is here already.
func (p *presence) conflict(on string) error {
	return fmt.Errorf("the address is on this host already, as %v on interface %s, and Holdfast did not put it there; it must come and go with the service, so remove it from the host's own configuration and run: ip address del %v dev %s: %w",
		p.prefix, on, p.prefix, on, unix.EEXIST)
}

// Raise puts all addresses on their interfaces, each for the lifetime. One that is
// there already, from us, is renewed. An address that fails does not keep back the
// others; the error joins an [*AddressError] for each.
//
// The neighbours are told by [Holder.Announce] only.
func (h *Holder) Raise() error {
	for i := range h.held {
		h.held[i].leftover = false
	}
	return wrap("raise", h.apply(func(*held) bool { return true }))
}

// Renew extends the lifetime of the addresses that were raised. One that somebody has
// removed in the meantime is put back. Errors are as those of [Holder.Raise].
func (h *Holder) Renew() error {
	return wrap("renew", h.apply(func(a *held) bool { return a.ours && !a.leftover }))
}

// wrap makes an OpError, or nil.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Err: err}
}

// apply adds or renews some of the addresses.
func (h *Holder) apply(which func(*held) bool) error {
	if !slices.ContainsFunc(h.held, func(a held) bool { return which(&a) }) {
		return nil
	}
	present, err := h.list()
	if err != nil {
		return err
	}
	var faults []error
	for i := range h.held {
		a := &h.held[i]
		if !which(a) {
			continue
		}
		if err := h.applyOne(a, present); err != nil {
			faults = append(faults, &AddressError{a.Address, err})
		}
	}
	return errors.Join(faults...)
}

func (h *Holder) applyOne(a *held, present []presence) error {
	link, err := h.link(a.Interface)
	if err != nil {
		return err
	}
	for i := range present {
		p := &present[i]
		if p.index == link.index && p.prefix == a.Prefix && !a.ours && !p.mark() {
			return p.conflict(a.Interface)
		}
	}
	covered := h.covered(a.Prefix, link.index, present)
	flags := 0
	if a.Prefix.Addr().Is6() {
		// No duplicate address detection: it would take a second, in which the address
		// does not work, to find what the protocol has decided already.
		flags |= unix.IFA_F_NODAD
		if covered {
			// The prefix's route is the other address's. Were it ours as well, the kernel
			// would give it our lifetime, and take it away with us.
			flags |= unix.IFA_F_NOPREFIXROUTE
		}
	} else if !covered && !a.ours {
		// The address becomes the primary one of its prefix: with it the kernel would
		// remove every other of the prefix, unless it promotes them. Many systems set this
		// by default; where it cannot be set, nothing is worse than before.
		_ = os.WriteFile("/proc/sys/net/ipv4/conf/"+a.Interface+"/promote_secondaries", []byte("1"), 0)
	}
	err = h.handle.AddrReplace(nil, &netlink.Addr{
		IPNet:     network(a.Prefix),
		LinkIndex: link.index,
		Flags:     flags,
		ValidLft:  int(h.lifetime.Seconds()),
		Protocol:  Protocol,
		// PreferedLft is 0: deprecated, not for connections from here.
	})
	if err != nil {
		return err
	}
	a.ours = true
	return nil
}

// covered says whether another address, not one of ours, is of the same prefix on the
// same interface.
func (h *Holder) covered(prefix netip.Prefix, index int, present []presence) bool {
	for i := range present {
		p := &present[i]
		if p.index == index && p.prefix.Masked() == prefix.Masked() && p.prefix.Addr() != prefix.Addr() && !p.mark() {
			return true
		}
	}
	return false
}

// network brings a prefix into the form that the netlink package takes.
func network(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Lower removes the addresses that this Holder has raised, and the leftovers of former
// lives, and no other, with the routes that the kernel made for them. An address that
// is gone already is no error. The error joins an
// [*AddressError] for each that could not be removed; a further Lower tries again.
func (h *Holder) Lower() error {
	var faults []error
	var lowered []*held
	// The last first: what the kernel calls secondary goes before its primary.
	for i := range slices.Backward(h.held) {
		a := &h.held[i]
		if !a.ours {
			continue
		}
		if err := h.lowerOne(a); err != nil {
			faults = append(faults, &AddressError{a.Address, err})
			continue
		}
		a.ours, a.leftover = false, false
		lowered = append(lowered, a)
	}
	if err := h.sweep(lowered); err != nil {
		faults = append(faults, err)
	}
	return wrap("lower", errors.Join(faults...))
}

// sweep removes the routes to IPv6 prefixes in which the interface has no address any
// more. The kernel removes such a route with the last address only if that had no
// lifetime; ours would stay until it expires. A route of another origin is not touched.
func (h *Holder) sweep(lowered []*held) error {
	lowered = slices.DeleteFunc(lowered, func(a *held) bool { return a.Prefix.Addr().Is4() || a.Prefix.IsSingleIP() })
	if len(lowered) == 0 {
		return nil
	}
	present, err := h.list()
	if err != nil {
		return err
	}
	var faults []error
	for _, a := range lowered {
		link, err := h.link(a.Interface)
		if err != nil {
			continue // the route went with the interface
		}
		kept := slices.ContainsFunc(present, func(p presence) bool {
			return p.index == link.index && p.prefix.Masked() == a.Prefix.Masked()
		})
		if kept {
			continue
		}
		err = h.handle.RouteDel(&netlink.Route{LinkIndex: link.index, Dst: network(a.Prefix.Masked()), Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_KERNEL})
		if err != nil && !errors.Is(err, unix.ESRCH) {
			faults = append(faults, &AddressError{a.Address, fmt.Errorf("route to %v: %w", a.Prefix.Masked(), err)})
		}
	}
	return errors.Join(faults...)
}

func (h *Holder) lowerOne(a *held) error {
	if h.handle == nil {
		return os.ErrClosed
	}
	link, err := h.link(a.Interface)
	if errors.Is(err, unix.ENODEV) {
		return nil // and the address went with the interface
	}
	if err != nil {
		return err
	}
	err = h.handle.AddrDel(nil, &netlink.Addr{IPNet: network(a.Prefix), LinkIndex: link.index})
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

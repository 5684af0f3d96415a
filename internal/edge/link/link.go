// Package link describes the networks between members, as the transports of internal/edge
// use them: the addresses, in our form and in the kernel's, what is wrong with them in
// words that help, and what a transport says of the traffic.
//
// It reads the host's interfaces and opens nothing.
package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// PeerMax bounds the members a transport knows: a group is for tens.
const PeerMax = 64

// Link is one network between members.
type Link struct {
	Label     string         // for messages; may be empty
	Local     netip.AddrPort // where this member receives and sends from
	Interface string         // the interface that has the address; optional, checked by Open

	// Peers says where the other members receive. A member that is not on this link is
	// not in the map. All addresses are of the family of Local.
	Peers map[view.ID]netip.AddrPort

	// Group is an IP multicast group of this link's network, of the family of Local, and
	// its port; the zero value for none. With it, a frame for [view.Everyone] leaves as one
	// datagram, which goes no further than this network (a TTL of 1) and is not looped back
	// to this host. All members of a link must have the same group: who has another one
	// does not hear those frames.
	Group netip.AddrPort
}

// Check finds what is wrong with the links of a member, before anything is opened: there
// must be 1 to [seal.LinkMax], each with an address of its own.
func Check(self view.ID, links []Link) error {
	if len(links) == 0 || len(links) > seal.LinkMax {
		return fmt.Errorf("%d links; configure 1 to %d", len(links), seal.LinkMax)
	}
	known := map[view.ID]bool{}
	local := map[netip.AddrPort]string{}
	for i := range links {
		l := &links[i]
		name := l.Name(i)
		if err := l.check(self); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if other, taken := local[l.Local]; taken {
			return fmt.Errorf("%s and %s both have the address %v; each link needs an address of its own", other, name, l.Local)
		}
		local[l.Local] = name
		for id := range l.Peers {
			known[id] = true
		}
	}
	if len(known) > PeerMax {
		return fmt.Errorf("%d other members; a group has at most %d", len(known), PeerMax)
	}
	return nil
}

// Name is the link at a position, counted from 0, in messages: `link 1 ("sync")`.
func (l *Link) Name(at int) string {
	if l.Label == "" {
		return fmt.Sprintf("link %d", at+1)
	}
	return fmt.Sprintf("link %d (%q)", at+1, l.Label)
}

// check finds what is wrong with one link.
func (l *Link) check(self view.ID) error {
	if err := checkAddress(l.Local); err != nil {
		return fmt.Errorf("this member's address: %w", err)
	}
	if len(l.Peers) == 0 {
		return errors.New("no other member has an address on it; remove the link, or give another member one of the same label")
	}
	for id, at := range l.Peers {
		if id == self || id == view.Nobody {
			return fmt.Errorf("%v is named as another member, and is this one or nobody", id)
		}
		if err := checkAddress(at); err != nil {
			return fmt.Errorf("address of %v: %w", id, err)
		}
		if at == l.Local {
			return fmt.Errorf("%v has this member's own address %v", id, at)
		}
		if at.Addr().Is4() != l.Local.Addr().Is4() {
			return fmt.Errorf("%v has the address %v and this member %v: both must be IPv4, or both IPv6", id, at, l.Local)
		}
	}
	return l.checkGroup()
}

// checkGroup finds what is wrong with the multicast group.
func (l *Link) checkGroup() error {
	a := l.Group.Addr()
	switch {
	case l.Group == (netip.AddrPort{}):
		return nil
	case !a.IsMulticast():
		return fmt.Errorf("the group %v is no multicast address; take one of 239.0.0.0/8, or of ff12::/16 for IPv6", l.Group)
	case l.Group.Port() == 0:
		return fmt.Errorf("the group %v has no port", l.Group)
	case a.Is4() != l.Local.Addr().Is4():
		return fmt.Errorf("the group is %v and this member's address %v: both must be IPv4, or both IPv6", l.Group, l.Local)
	case a.Zone() != "":
		return fmt.Errorf("the group %v names an interface; it is joined on the one that has %v", l.Group, l.Local.Addr())
	}
	return nil
}

// checkAddress refuses what cannot be the address of one member.
func checkAddress(at netip.AddrPort) error {
	a := at.Addr()
	switch {
	case !a.IsValid():
		return errors.New("it is missing")
	case a.Is4In6():
		return fmt.Errorf("%v is IPv4 written as IPv6; write %v", at, netip.AddrPortFrom(a.Unmap(), at.Port()))
	case a.IsUnspecified() || a.IsMulticast():
		return fmt.Errorf("%v is not the address of one host", at)
	case at.Port() == 0:
		return fmt.Errorf("%v has no port", at)
	}
	return nil
}

// Zone is the index of the interface that the link names, 0 if it names none. The
// interface must have the link's address.
func (l *Link) Zone() (uint32, error) {
	if l.Interface == "" {
		return 0, nil
	}
	i, err := net.InterfaceByName(l.Interface)
	if err != nil {
		return 0, fmt.Errorf("interface %q does not exist on this host; interfaces: %s", l.Interface, interfaces())
	}
	return uint32(i.Index), checkInterface(i, l.Local.Addr())
}

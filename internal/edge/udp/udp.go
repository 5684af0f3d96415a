// Package udp carries frames between members as UDP datagrams, over several links at
// once, each datagram in an authenticated envelope.
//
// What it promises is little: a frame that [Transport.Receive] hands over was sent, in
// this form, by a holder of a key in the name of this life of this member, to this
// member, and it is handed over once. It may be lost, late or out of order. Without
// keys ([Config.Insecure]) the same holds only on a network where nobody lies.
//
// A frame for [view.Everyone] is sealed once for all members: as many copies of one
// datagram, or a single one to an IP multicast group ([Link.Group]). It reaches all of
// [wire.Envelope.Members] and maybe others.
//
// A [Transport] is not safe for concurrent use. It has one non-blocking descriptor a
// link, for an epoll loop, no goroutine and no timer, and it allocates nothing per
// datagram. Datagrams are queued by [Transport.Send] and leave with
// [Transport.Flush], one system call a link (sendmmsg); Receive takes many with one
// recvmmsg. What the kernel refuses to send is a lost datagram, counted, like one
// lost on the way.
//
// The format is fixed by docs/rfc/0002-envelope.md. System calls: udp(7), sendmmsg(2),
// recvmmsg(2), socket(7).
package udp

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// ErrExhausted is the error of [Transport.Send] after 2^48 datagrams: one life cannot
// seal more. The process must begin a new life, with a later incarnation.
var ErrExhausted = errors.New("this life has sent 2^48 datagrams, the most that may be sealed with its key; restart the daemon")

// OpError says which operation failed. Err says why and what to do.
type OpError struct {
	Op  string // "open", "send", "receive", "set keys"
	Err error
}

// Error gives the operation and its cause.
func (e *OpError) Error() string { return "udp: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

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

// Config says what a transport connects.
type Config struct {
	// Self is this life of this member. Its incarnation must never have been used by it
	// before: the keys that seal are made from it.
	Self view.Member

	Links []Link // 1 to LinkMax, numbered from 1

	Keys     *key.Ring // nil for clear text, which Insecure must confirm
	Insecure bool

	ReceiveBuffer int // of each socket, in bytes; 0 for 8 MiB
	SendBuffer    int // of each socket, in bytes; 0 for 8 MiB
}

// Transport is the set of links of one member. See the package for its rules.
type Transport struct {
	self    view.Member
	keys    *key.Ring // nil for clear text
	present life      // the keys of this life
	counter uint64    // of the last datagram sent

	links []*link
	peers map[view.ID]*peer
	work  sealer

	arena []byte // what is queued, datagram behind datagram, each sealed once and sent over one or more links
	used  int    // bytes of it
	inbox inbox
}

// Open checks the configuration and opens a socket for each link.
func Open(c Config) (*Transport, error) {
	t, err := open(c)
	if err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	return t, nil
}

func open(c Config) (*Transport, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	t := &Transport{
		self: c.Self, present: life{incarnation: c.Self.Incarnation}, peers: map[view.ID]*peer{},
		arena: make([]byte, arenaSize),
	}
	t.inbox.init()
	if err := t.setKeys(c.Keys); err != nil {
		return nil, err
	}
	for i := range c.Links {
		l, err := openLink(&c.Links[i], i, c.ReceiveBuffer, c.SendBuffer)
		if err != nil {
			t.Close()
			return nil, err
		}
		t.links = append(t.links, l)
		for id, at := range c.Links[i].Peers {
			p := t.peers[id]
			if p == nil {
				p = &peer{id: id}
				t.peers[id] = p
			}
			if p.paths[i].route, err = newRoute(at, l.zone); err != nil {
				t.Close()
				return nil, fmt.Errorf("%s: %w", l.name, err)
			}
		}
	}
	return t, nil
}

// check finds what is wrong before anything is opened.
func (c *Config) check() error {
	switch {
	case !c.Self.Known():
		return fmt.Errorf("this member's life is %v; both its ID and its incarnation must be known", c.Self)
	case c.Keys == nil && !c.Insecure:
		return errors.New("there is no key: make one with `holdfast key new FILE` and configure it as key_file, or say insecure = true")
	case c.Keys != nil && c.Insecure:
		return errors.New("there is a key and insecure = true: remove one of the two")
	case len(c.Links) == 0 || len(c.Links) > LinkMax:
		return fmt.Errorf("%d links; configure 1 to %d", len(c.Links), LinkMax)
	case c.ReceiveBuffer < 0 || c.SendBuffer < 0:
		return fmt.Errorf("socket buffers of %d and %d bytes; a size cannot be negative", c.ReceiveBuffer, c.SendBuffer)
	}
	known := map[view.ID]bool{}
	local := map[netip.AddrPort]string{}
	for i := range c.Links {
		l := &c.Links[i]
		name := l.name(i)
		if err := l.check(c.Self.ID); err != nil {
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
	if len(known) > peerMax {
		return fmt.Errorf("%d other members; a group has at most %d", len(known), peerMax)
	}
	return nil
}

// name is the link in messages: `link 1 ("sync")`.
func (l *Link) name(at int) string {
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

// SetKeys replaces the key ring, between two datagrams. The counter goes on, so that a
// key that comes back is not used with a counter twice. A ring cannot be removed, nor
// be given to a transport that was opened without: restart for that.
func (t *Transport) SetKeys(r *key.Ring) error {
	if (r == nil) != (t.keys == nil) {
		return &OpError{Op: "set keys", Err: errors.New("sealing is turned on and off with a restart only")}
	}
	if err := t.setKeys(r); err != nil {
		return &OpError{Op: "set keys", Err: err}
	}
	return nil
}

func (t *Transport) setKeys(r *key.Ring) error {
	present := life{incarnation: t.self.Incarnation}
	if r != nil {
		// Made now, so that a fault is found here and not at the first datagram.
		if _, err := present.seal(r, 0, t.self.ID); err != nil {
			return err
		}
	}
	t.keys, t.present = r, present
	for _, p := range t.peers {
		p.present.forget()
		p.candidate.forget()
	}
	return nil
}

// FDs gives one descriptor for each link, in their order, for an epoll loop that calls
// [Transport.Receive] when one is readable. They belong to the transport and stay the
// same. Nothing but waiting may be done with them: that of a link with a group is an
// epoll descriptor.
func (t *Transport) FDs() []int {
	fds := make([]int, len(t.links))
	for i, l := range t.links {
		fds[i] = l.wait
	}
	return fds
}

// Close closes the sockets. What is queued and not flushed is lost. A second Close
// does nothing.
func (t *Transport) Close() {
	for _, l := range t.links {
		l.close()
	}
}

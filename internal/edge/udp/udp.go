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
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// ErrExhausted is the error of [Transport.Send] after 2^48 datagrams: one life cannot
// seal more. The process must begin a new life, with a later incarnation.
var ErrExhausted = seal.ErrExhausted

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
type Link = link.Link

// Config says what a transport connects.
type Config struct {
	// Self is this life of this member. Its incarnation must never have been used by it
	// before: the keys that seal are made from it.
	Self view.Member

	Links []Link // 1 to seal.LinkMax, numbered from 1

	Keys     *key.Ring // nil for clear text, which Insecure must confirm
	Insecure bool

	ReceiveBuffer int // of each socket, in bytes; 0 for 8 MiB
	SendBuffer    int // of each socket, in bytes; 0 for 8 MiB
}

// Transport is the set of links of one member. See the package for its rules.
type Transport struct {
	seal  *seal.Sealer
	reach *link.Reach

	links []*port
	peers []*peer // by ID; a map would be asked several times for each datagram

	arena []byte // what is queued, datagram behind datagram, each sealed once and sent over one or more links
	used  int    // bytes of it
	inbox inbox

	clock   func() time.Time
	now     time.Time // of the present Receive
	refusal link.Refusal
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
	sealer, err := seal.New(c.Self, c.Keys, c.Insecure)
	if err != nil {
		return nil, err
	}
	t := &Transport{seal: sealer, reach: link.NewReach(c.Self.ID, c.Links), arena: make([]byte, arenaSize), clock: time.Now}
	t.inbox.init()
	for i := range c.Links {
		l, err := openPort(&c.Links[i], i, c.ReceiveBuffer, c.SendBuffer)
		if err != nil {
			t.Close()
			return nil, err
		}
		t.links = append(t.links, l)
		for id, at := range c.Links[i].Peers {
			p := t.peer(id)
			if p == nil {
				p = &peer{Peer: seal.NewPeer(id), id: id}
				for len(t.peers) <= int(id) {
					t.peers = append(t.peers, nil)
				}
				t.peers[id] = p
			}
			if p.paths[i].Route, err = link.NewRoute(at, l.zone); err != nil {
				t.Close()
				return nil, fmt.Errorf("%s: %w", l.name, err)
			}
		}
	}
	return t, nil
}

// peer is another member, or nil if it is not configured.
func (t *Transport) peer(id view.ID) *peer {
	if int(id) >= len(t.peers) {
		return nil
	}
	return t.peers[id]
}

// check finds what is wrong before anything is opened.
func (c *Config) check() error {
	if c.ReceiveBuffer < 0 || c.SendBuffer < 0 {
		return fmt.Errorf("socket buffers of %d and %d bytes; a size cannot be negative", c.ReceiveBuffer, c.SendBuffer)
	}
	return link.Check(c.Self.ID, c.Links)
}

// SetKeys replaces the key ring, between two datagrams. A ring cannot be removed, nor be
// given to a transport that was opened without: restart for that.
func (t *Transport) SetKeys(r *key.Ring) error {
	if err := t.seal.SetKeys(r); err != nil {
		return &OpError{Op: "set keys", Err: err}
	}
	for _, p := range t.peers {
		if p != nil {
			p.Forget()
		}
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

// Refused says what another member last told about why it does not listen to this one;
// false if none did within [link.RefusalMax].
func (t *Transport) Refused() (link.Refusal, bool) {
	return t.refusal, t.refusal.From.Known() && t.clock().Sub(t.refusal.At) < link.RefusalMax
}

// Close closes the sockets. What is queued and not flushed is lost. A second Close
// does nothing.
func (t *Transport) Close() {
	for _, l := range t.links {
		l.close()
	}
}

// Package tcp carries frames between members over TCP, with one stream for each pair of
// members and link, each frame in an authenticated envelope.
//
// It has the methods and the promises of package udp: a frame that [Transport.Receive]
// hands over was sent, in this form, by a holder of a key in the name of this life of
// this member, to this member or to everyone, and it is handed over once. Over one link
// frames come in the order in which they were sent. They may be lost all the same: when
// there is no stream at the moment, when it breaks, and when the receiver is so slow that
// the queue for it is full. Send never waits.
//
// Of two members the one with the lower ID connects, and goes on trying. The first unit
// each way is a hello, see docs/rfc/0011-stream.md.
//
// A [Transport] is not safe for concurrent use. It has one descriptor a link, readable
// when Receive has something to do, which may also be to send, to connect or to accept;
// no goroutine and no timer but the kernel's. It allocates nothing per frame in the
// steady state. System calls: tcp(7), epoll(7), timerfd_create(2).
package tcp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// OpError says which operation failed. Err says why and what to do.
type OpError struct {
	Op  string // "open", "send", "receive", "set keys"
	Err error
}

// Error gives the operation and its cause.
func (e *OpError) Error() string { return "tcp: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Config says what a transport connects.
type Config struct {
	// Self is this life of this member. Its incarnation must never have been used by it
	// before: the keys that seal are made from it.
	Self view.Member

	Cluster string      // its name, at most 255 bytes; who names another one is refused
	Links   []link.Link // 1 to seal.LinkMax, numbered from 1; none has a group

	Keys     *key.Ring // nil for clear text, which Insecure must confirm
	Insecure bool
}

// Transport is the set of links of one member. See the package for its rules.
type Transport struct {
	seal    *seal.Sealer
	reach   *link.Reach
	cluster string
	ports   []*port
	peers   map[view.ID]*peer

	unit    []byte // work space: one unit
	inbox   []byte // work space: what was read from one stream
	refusal link.Refusal
	clock   func() time.Time
}

// peer is another member, its lives and the ways to it.
type peer struct {
	seal.Peer
	id    view.ID
	ways  [seal.LinkMax]way
	heard time.Time // when the present life was heard last
}

// Open checks the configuration, listens on each link and begins to connect.
func Open(c Config) (*Transport, error) {
	t, err := open(c)
	if err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	return t, nil
}

func open(c Config) (*Transport, error) {
	if len(c.Cluster) > clusterMax {
		return nil, fmt.Errorf("the cluster's name has %d bytes; at most %d", len(c.Cluster), clusterMax)
	}
	sealer, err := seal.New(c.Self, c.Keys, c.Insecure)
	if err != nil {
		return nil, err
	}
	if err := link.Check(c.Self.ID, c.Links); err != nil {
		return nil, err
	}
	t := &Transport{
		seal: sealer, reach: link.NewReach(c.Self.ID, c.Links), cluster: c.Cluster, peers: map[view.ID]*peer{}, clock: time.Now,
		unit: make([]byte, 0, unitMax), inbox: make([]byte, unitMax+readMax),
	}
	for i := range c.Links {
		if err := t.openLink(&c.Links[i], i); err != nil {
			t.Close()
			return nil, fmt.Errorf("%s: %w", c.Links[i].Name(i), err)
		}
	}
	for _, p := range t.ports {
		t.attend(p, t.clock())
	}
	return t, nil
}

// openLink listens on one link and notes the ways to the others.
func (t *Transport) openLink(l *link.Link, at int) error {
	if l.Group != (netip.AddrPort{}) {
		return errors.New("TCP has no multicast; remove the group, or use UDP")
	}
	p, err := openPort(l, at)
	if err != nil {
		return err
	}
	t.ports = append(t.ports, p)
	for id, to := range l.Peers {
		m := t.peers[id]
		if m == nil {
			m = &peer{Peer: seal.NewPeer(id), id: id}
			t.peers[id] = m
		}
		w := &m.ways[at]
		if w.Route, err = link.NewRoute(to, p.zone); err != nil {
			return err
		}
		w.at = to
		p.members = append(p.members, m)
	}
	return nil
}

// SetKeys replaces the key ring, between two frames. A ring cannot be removed, nor be
// given to a transport that was opened without: restart for that.
func (t *Transport) SetKeys(r *key.Ring) error {
	if err := t.seal.SetKeys(r); err != nil {
		return &OpError{Op: "set keys", Err: err}
	}
	for _, p := range t.peers {
		p.Forget()
	}
	return nil
}

// FDs gives one descriptor for each link, in their order, for an epoll loop that calls
// [Transport.Receive] when one is readable. They belong to the transport and stay the
// same whatever streams come and go: each is an epoll descriptor, with which nothing but
// waiting may be done.
func (t *Transport) FDs() []int {
	fds := make([]int, len(t.ports))
	for i, p := range t.ports {
		fds[i] = p.epoll
	}
	return fds
}

// Self is this member's life, as it was opened.
func (t *Transport) Self() view.Member { return t.seal.Self() }

// Refused says what another member last told about why it does not listen to this one;
// false if none did within [link.RefusalMax].
func (t *Transport) Refused() (link.Refusal, bool) {
	return t.refusal, t.refusal.From.Known() && t.clock().Sub(t.refusal.At) < link.RefusalMax
}

// Close closes all streams. What is queued and not taken by the kernel is lost. A second
// Close does nothing.
func (t *Transport) Close() {
	for _, p := range t.ports {
		p.close()
	}
}

package udp

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/internal/lab/netns"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// lan is a switch with hosts at it, each in a network namespace of its own. Host i has
// the addresses 192.0.2.i and 2001:db8::i on its eth0.
type lan struct {
	t     testing.TB
	hosts []*netns.Namespace
}

// newLAN builds a LAN, or skips the test for want of rights.
func newLAN(t testing.TB, hosts int) *lan {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, and CI must skip nothing")
		}
		t.Skip("needs root: run sudo -E go test ./internal/edge/udp")
	}
	l := &lan{t: t}
	bridge, handle := l.newHost("switch")
	snooping := false
	br0 := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}, MulticastSnooping: &snooping}
	l.must(handle.LinkAdd(br0))
	l.must(handle.LinkSetUp(br0))
	_ = bridge
	for i := range hosts {
		space, inside := l.newHost(fmt.Sprintf("host%d", i+1))
		port := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("port%d", i+1), MasterIndex: br0.Index},
			PeerName:  "eth0", PeerNamespace: netlink.NsFd(space.FD()),
		}
		l.must(handle.LinkAdd(port))
		l.must(handle.LinkSetUp(port))
		eth0, err := inside.LinkByName("eth0")
		l.must(err)
		for _, prefix := range []string{fmt.Sprintf("192.0.2.%d/24", i+1), fmt.Sprintf("2001:db8::%d/64", i+1)} {
			a, err := netlink.ParseAddr(prefix)
			l.must(err)
			if a.IP.To4() == nil {
				a.Flags = unix.IFA_F_NODAD
			}
			l.must(inside.AddrAdd(eth0, a))
		}
		l.must(inside.LinkSetUp(eth0))
		l.hosts = append(l.hosts, space)
	}
	return l
}

func (l *lan) newHost(name string) (*netns.Namespace, *netlink.Handle) {
	l.t.Helper()
	space, err := netns.New(name)
	l.must(err)
	l.t.Cleanup(func() { _ = space.Close() })
	handle, err := netlink.NewHandleAt(vnetns.NsHandle(space.FD()), unix.NETLINK_ROUTE)
	l.must(err)
	l.t.Cleanup(func() { _ = handle.Close() })
	lo, err := handle.LinkByName("lo")
	l.must(err)
	l.must(handle.LinkSetUp(lo))
	return space, handle
}

func (l *lan) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// start opens a transport on a host, counted from 0.
func (l *lan) start(host int, c Config) *node {
	l.t.Helper()
	var n *node
	l.must(l.hosts[host].Do(func() error {
		tr, err := Open(c)
		if err != nil {
			return err
		}
		l.t.Cleanup(tr.Close)
		n = &node{Transport: tr, t: l.t}
		return nil
	}))
	return n
}

// nodes starts a member on each host, on one link with or without a group, as soon as
// datagrams pass between all of them.
func (l *lan) nodes(ipv6 bool, keys *key.Ring, group netip.AddrPort) []*node {
	l.t.Helper()
	probes := l.open(ipv6, keys, group)
	heard := map[[2]view.ID]bool{}
	for end := time.Now().Add(10 * time.Second); len(heard) < len(probes)*(len(probes)-1); {
		if time.Now().After(end) {
			l.t.Fatalf("after 10 s, these hosts have heard one another: %v", heard)
		}
		for _, p := range probes {
			e := wire.Envelope{To: view.Everyone}
			for _, q := range probes {
				e.Members = append(e.Members, q.Self().ID)
			}
			l.must(p.Send(e))
			p.Flush()
		}
		for _, p := range probes {
			poll := []unix.PollFd{{Fd: int32(p.FDs()[0]), Events: unix.POLLIN}}
			_, _ = unix.Poll(poll, 10)
			_, err := p.Receive(1, func(from view.Member, _ uint8, _ []byte) { heard[[2]view.ID{from.ID, p.Self().ID}] = true })
			l.must(err)
		}
	}
	for _, p := range probes {
		p.Close()
	}
	return l.open(ipv6, keys, group)
}

// open starts a member on each host.
func (l *lan) open(ipv6 bool, keys *key.Ring, group netip.AddrPort) []*node {
	l.t.Helper()
	at := func(i int) netip.AddrPort {
		if ipv6 {
			return netip.MustParseAddrPort(fmt.Sprintf("[2001:db8::%d]:7400", i+1))
		}
		return netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:7400", i+1))
	}
	var all []*node
	for i := range l.hosts {
		peers := map[view.ID]netip.AddrPort{}
		for j := range l.hosts {
			if j != i {
				peers[view.ID(j+1)] = at(j)
			}
		}
		all = append(all, l.start(i, Config{
			Self: view.Member{ID: view.ID(i + 1), Incarnation: view.Incarnation(100 * (i + 1))},
			Keys: keys, Insecure: keys == nil,
			Links: []Link{{Label: "lan", Local: at(i), Peers: peers, Group: group}},
		}))
	}
	return all
}

package tcp

import (
	"fmt"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/lab/netns"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// cable is two hosts, each in a network namespace of its own, with a cable between their
// eth0. Host i has the addresses 192.0.2.i and 2001:db8::i.
type cable struct {
	t       testing.TB
	hosts   [2]*netns.Namespace
	handles [2]*netlink.Handle
}

func newCable(t testing.TB) *cable {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, and CI must skip nothing")
		}
		t.Skip("needs root: run sudo -E go test ./internal/edge/tcp")
	}
	c := &cable{t: t}
	for i := range c.hosts {
		var err error
		c.hosts[i], err = netns.New(fmt.Sprintf("host%d", i+1))
		c.must(err)
		t.Cleanup(func() { _ = c.hosts[i].Close() })
		c.handles[i], err = netlink.NewHandleAt(vnetns.NsHandle(c.hosts[i].FD()), unix.NETLINK_ROUTE)
		c.must(err)
		t.Cleanup(func() { _ = c.handles[i].Close() })
	}
	c.must(c.handles[0].LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(c.hosts[1].FD()),
	}))
	for i, h := range c.handles {
		c.plug(i, true)
		eth0, err := h.LinkByName("eth0")
		c.must(err)
		for _, prefix := range []string{fmt.Sprintf("192.0.2.%d/24", i+1), fmt.Sprintf("2001:db8::%d/64", i+1)} {
			a, err := netlink.ParseAddr(prefix)
			c.must(err)
			if a.IP.To4() == nil {
				a.Flags = unix.IFA_F_NODAD
			}
			c.must(h.AddrAdd(eth0, a))
		}
	}
	return c
}

// plug turns a host's interface on or off.
func (c *cable) plug(host int, on bool) {
	c.t.Helper()
	eth0, err := c.handles[host].LinkByName("eth0")
	c.must(err)
	if on {
		c.must(c.handles[host].LinkSetUp(eth0))
	} else {
		c.must(c.handles[host].LinkSetDown(eth0))
	}
}

func (c *cable) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestBetweenHosts sends between namespaces, cuts the network for a moment, and sends
// again.
func TestBetweenHosts(t *testing.T) {
	for _, at := range [][2]string{{"192.0.2.1:7400", "192.0.2.2:7400"}, {"[2001:db8::1]:7400", "[2001:db8::2]:7400"}} {
		t.Run(at[0], func(t *testing.T) {
			c := newCable(t)
			r := testRing(t)
			var n []*node
			for i, self := range []view.Member{first, second} {
				config := Config{Self: self, Keys: r, Links: []link.Link{{
					Interface: "eth0", Local: netip.MustParseAddrPort(at[i]),
					Peers: map[view.ID]netip.AddrPort{view.ID(2 - i): netip.MustParseAddrPort(at[1-i])},
				}}}
				c.must(c.hosts[i].Do(func() error {
					tr, err := Open(config)
					if err == nil {
						t.Cleanup(tr.Close)
						n = append(n, &node{Transport: tr, t: t, within: c.hosts[i].Do})
					}
					return err
				}))
			}
			until(t, "the stream is up", func() bool { return connected(n...) }, n...)
			n[0].send(wire.Envelope{To: 2, Frame: []byte("before")})
			until(t, "a frame has arrived", func() bool { return len(n[1].got) == 1 }, n...)
			if at[0][0] == '[' {
				return // an interface that goes down loses its IPv6 addresses
			}
			c.plug(1, false)
			n[0].send(wire.Envelope{To: 2, Frame: []byte("meanwhile")})
			c.plug(1, true)
			until(t, "what was sent meanwhile has arrived", func() bool { return len(n[1].got) == 2 }, n...)
		})
	}
}

package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/lab/netns"
)

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root, and CI must skip nothing")
	}
	t.Skip("needs root: run sudo -E go test ./internal/edge/address")
}

// host is one network namespace.
type host struct {
	t      testing.TB
	ns     *netns.Namespace
	handle *netlink.Handle
}

// lan is a client with a bridge, and hosts that are plugged into it by their eth0.
type lan struct {
	client *host
	hosts  []*host
}

const (
	clientV4 = "192.0.2.100/24"
	clientV6 = "2001:db8::100/64"
)

func newHost(t testing.TB, name string) *host {
	t.Helper()
	ns, err := netns.New(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	handle, err := netlink.NewHandleAt(vnetns.NsHandle(ns.FD()), unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = handle.Close() })
	h := &host{t, ns, handle}
	h.up("lo")
	return h
}

// newLAN builds a LAN with a number of hosts without addresses.
func newLAN(t testing.TB, hosts int) *lan {
	t.Helper()
	needRoot(t)
	l := &lan{client: newHost(t, "client")}
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}, MulticastSnooping: &snooping}
	l.client.must(l.client.handle.LinkAdd(bridge))
	for i := range hosts {
		h := newHost(t, fmt.Sprintf("host%d", i+1))
		port := fmt.Sprintf("port%d", i+1)
		l.client.must(l.client.handle.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: port, MasterIndex: bridge.Index},
			PeerName:  "eth0", PeerNamespace: netlink.NsFd(h.ns.FD()),
		}))
		l.client.up(port)
		h.up("eth0")
		l.hosts = append(l.hosts, h)
	}
	l.client.up("br0")
	l.client.give("br0", clientV4)
	l.client.give("br0", clientV6)
	return l
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("host %q: %v", h.ns.Name(), err)
	}
}

// do runs f in the namespace.
func (h *host) do(f func() error) {
	h.t.Helper()
	h.must(h.ns.Do(f))
}

func (h *host) link(name string) netlink.Link {
	h.t.Helper()
	l, err := h.handle.LinkByName(name)
	h.must(err)
	return l
}

func (h *host) up(name string) {
	h.t.Helper()
	h.must(h.handle.LinkSetUp(h.link(name)))
}

// ready waits until frames pass between the hosts and the client.
func (l *lan) ready() {
	l.client.t.Helper()
	for i, h := range l.hosts {
		h.carrier("eth0")
		l.client.carrier(fmt.Sprintf("port%d", i+1))
	}
	l.client.carrier("br0")
}

// carrier waits until an interface can carry traffic. The kernel tells so some time
// after both ends of a cable are up, and a bridge drops frames until then.
func (h *host) carrier(name string) {
	h.t.Helper()
	w := h.watch(name)
	for len(w.Down()) > 0 {
		h.must(w.wait())
		h.must(w.Read(func(string, bool) {}))
	}
}

// watch opens a Watch on a host.
func (h *host) watch(names ...string) *Watch {
	h.t.Helper()
	var w *Watch
	h.do(func() (err error) {
		w, err = OpenWatch(names)
		return err
	})
	h.t.Cleanup(w.Close)
	return w
}

// wait waits until there is something to read.
func (w *Watch) wait() error {
	poll := []unix.PollFd{{Fd: int32(w.FD()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, 5000)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = errors.New("no notification within 5 s")
		}
		return err
	}
}

// give adds an address of the host's own, for good.
func (h *host) give(name, prefix string) {
	h.t.Helper()
	a := &netlink.Addr{IPNet: network(netip.MustParsePrefix(prefix))}
	if a.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD
	}
	h.must(h.handle.AddrAdd(h.link(name), a))
}

// find gives one address of an interface, nil if it is not there.
func (h *host) find(name, prefix string) *netlink.Addr {
	h.t.Helper()
	all, err := h.handle.AddrList(h.link(name), netlink.FAMILY_ALL)
	h.must(err)
	for i := range all {
		if all[i].IPNet.String() == prefix {
			return &all[i]
		}
	}
	return nil
}

// inventory lists the addresses and routes of a host, but for the link-local ones that
// the kernel makes in its own time.
func (h *host) inventory() string {
	h.t.Helper()
	var lines []string
	addresses, err := h.handle.AddrList(nil, netlink.FAMILY_ALL)
	h.must(err)
	for _, a := range addresses {
		if !a.IP.IsLinkLocalUnicast() {
			lines = append(lines, fmt.Sprintf("address %v dev %d proto %d flags %x valid %d", a.IPNet, a.LinkIndex, a.Protocol, a.Flags, a.ValidLft))
		}
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := h.handle.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
		h.must(err)
		for _, r := range routes {
			if r.Dst != nil && !r.Dst.IP.IsLinkLocalUnicast() {
				lines = append(lines, fmt.Sprintf("route %v dev %d expires %d", r.Dst, r.LinkIndex, r.Expires))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// mac gives an interface's hardware address.
func (h *host) mac(name string) net.HardwareAddr {
	h.t.Helper()
	return h.link(name).Attrs().HardwareAddr
}

// addresses makes addresses on eth0.
func addresses(prefixes ...string) []Address {
	all := make([]Address, len(prefixes))
	for i, p := range prefixes {
		all[i] = Address{netip.MustParsePrefix(p), "eth0"}
	}
	return all
}

// hold opens a Holder on a host.
func (h *host) hold(prefixes ...string) *Holder {
	h.t.Helper()
	holder, err := h.open(Config{Addresses: addresses(prefixes...)})
	h.must(err)
	return holder
}

func (h *host) open(c Config) (holder *Holder, err error) {
	h.do(func() error {
		holder, err = Open(c)
		return nil
	})
	if holder != nil {
		h.t.Cleanup(holder.Close)
	}
	return holder, err
}

// wiretap reads the frames that pass an interface.
type wiretap struct {
	t  testing.TB
	fd int
}

func (h *host) tap(name string) *wiretap {
	h.t.Helper()
	w := &wiretap{t: h.t}
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
	h.do(func() (err error) {
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		h.t.Cleanup(func() { _ = unix.Close(w.fd) })
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: h.link(name).Attrs().Index})
	})
	limit := unix.NsecToTimeval((5 * time.Second).Nanoseconds())
	h.must(unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
	return w
}

// next reads frames until one is wanted.
func (w *wiretap) next(wanted func([]byte) bool) []byte {
	w.t.Helper()
	b := make([]byte, 2048)
	for range 1000 {
		n, _, err := unix.Recvfrom(w.fd, b, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			w.t.Fatalf("no such frame came within 5 s: %v", err)
		}
		if wanted(b[:n]) {
			return slices.Clone(b[:n])
		}
	}
	w.t.Fatal("a thousand frames came, and none that was wanted")
	return nil
}

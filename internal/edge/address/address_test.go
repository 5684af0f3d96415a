package address

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	ownV4, ownV6         = "192.0.2.2/24", "2001:db8::2/64"
	virtualV4, virtualV6 = "192.0.2.1/24", "2001:db8::1/64"
)

func TestRaiseAndLowerNextToOwnAddresses(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	h.give("eth0", ownV4)
	h.give("eth0", ownV6)
	before := h.inventory()
	holder := h.hold(virtualV4, virtualV6)
	if now := h.inventory(); now != before || len(holder.Leftovers()) != 0 {
		t.Errorf("Open changed the host from\n%s\nto\n%s\nor found leftovers %v", before, now, holder.Leftovers())
	}
	h.do(holder.Renew) // nothing was raised
	if now := h.inventory(); now != before {
		t.Errorf("Renew before Raise changed the host to\n%s", now)
	}
	h.do(holder.Raise)
	h.do(holder.Raise) // again changes nothing
	for _, c := range []struct {
		prefix    string
		set, none int
	}{
		{virtualV4, unix.IFA_F_DEPRECATED | unix.IFA_F_SECONDARY, unix.IFA_F_PERMANENT},
		{virtualV6, unix.IFA_F_DEPRECATED | unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE, unix.IFA_F_PERMANENT | unix.IFA_F_TENTATIVE},
	} {
		a := h.find("eth0", c.prefix)
		if a == nil {
			t.Fatalf("%s was not raised", c.prefix)
		}
		if a.Flags&c.set != c.set || a.Flags&c.none != 0 || a.Protocol != Protocol || a.PreferedLft != 0 || a.ValidLft < 1 || a.ValidLft > 3 {
			t.Errorf("%s has flags %x (want %x, not %x), protocol %d, preferred %d s, valid %d s", c.prefix, a.Flags, c.set, c.none, a.Protocol, a.PreferedLft, a.ValidLft)
		}
	}
	for _, r := range h.routes(netip.MustParsePrefix(ownV6)) {
		if r.Expires > 0 {
			t.Errorf("the route of the host's own prefix expires in %d: %v", r.Expires, r)
		}
	}
	h.do(holder.Lower)
	if now := h.inventory(); now != before {
		t.Errorf("after Lower the host has\n%s\nand had\n%s", now, before)
	}
	h.do(holder.Lower) // again changes nothing
	h.do(holder.Renew)
	if now := h.inventory(); now != before {
		t.Errorf("after a second Lower and a Renew the host has\n%s\nand had\n%s", now, before)
	}
}

// routes gives the routes to a prefix in the main table.
func (h *host) routes(p netip.Prefix) []netlink.Route {
	h.t.Helper()
	family := netlink.FAMILY_V6
	if p.Addr().Is4() {
		family = netlink.FAMILY_V4
	}
	routes, err := h.handle.RouteListFiltered(family, &netlink.Route{Dst: network(p.Masked()), Table: unix.RT_TABLE_MAIN},
		netlink.RT_FILTER_DST|netlink.RT_FILTER_TABLE)
	h.must(err)
	return routes
}

func TestAddressesBringTheirRouteWhereThereIsNone(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	before := h.inventory()
	holder := h.hold(virtualV4, "192.0.2.9/24", virtualV6)
	h.do(holder.Raise)
	for _, p := range []string{virtualV4, virtualV6} {
		if n := len(h.routes(netip.MustParsePrefix(p))); n != 1 {
			t.Errorf("with %s there are %d routes to its prefix, want 1", p, n)
		}
	}
	if r := h.routes(netip.MustParsePrefix(virtualV6)); len(r) == 1 && (r[0].Expires <= 0 || r[0].Expires > 3) {
		t.Errorf("the route outlives the address: it expires in %d s", r[0].Expires)
	}
	// Addresses that the host gets now are no business of Lower, although the kernel
	// calls them secondary to ours.
	h.give("eth0", ownV4)
	h.do(holder.Renew)
	h.do(holder.Lower)
	if a := h.find("eth0", ownV4); a == nil {
		t.Errorf("the host's own address went with ours; it has\n%s", h.inventory())
	}
	if n := len(h.routes(netip.MustParsePrefix(ownV4))); n != 1 {
		t.Errorf("there are %d routes to the host's own prefix, want 1", n)
	}
	h.must(h.handle.AddrDel(h.link("eth0"), &netlink.Addr{IPNet: network(netip.MustParsePrefix(ownV4))}))
	if now := h.inventory(); now != before {
		t.Errorf("after Lower the host has\n%s\nand had\n%s", now, before)
	}
}

// TestOwnRouteSurvivesRenewal gives the host its own address after the virtual one was
// raised: the route must become the host's for good.
func TestOwnRouteSurvivesRenewal(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	holder := h.hold(virtualV6)
	h.do(holder.Raise)
	h.give("eth0", ownV6)
	h.do(holder.Renew)
	r := h.routes(netip.MustParsePrefix(ownV6))
	if len(r) != 1 || r[0].Expires > 0 {
		t.Errorf("the routes of the host's own prefix are %v", r)
	}
	h.do(holder.Lower)
	if r := h.routes(netip.MustParsePrefix(ownV6)); len(r) != 1 || r[0].Expires > 0 {
		t.Errorf("after Lower they are %v", r)
	}
}

func TestRenew(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	holder := h.hold(virtualV4, virtualV6)
	h.do(holder.Raise)
	eth0 := h.link("eth0")
	// One is given longer, so that Renew shows; the other is removed.
	h.must(h.handle.AddrReplace(eth0, &netlink.Addr{IPNet: network(netip.MustParsePrefix(virtualV4)), ValidLft: 200, Protocol: Protocol}))
	h.must(h.handle.AddrDel(eth0, &netlink.Addr{IPNet: network(netip.MustParsePrefix(virtualV6))}))
	if a := h.find("eth0", virtualV4); a == nil || a.ValidLft < 100 {
		t.Fatalf("the test did not lengthen the lifetime: %+v", a)
	}
	h.do(holder.Renew)
	for _, p := range []string{virtualV4, virtualV6} {
		if a := h.find("eth0", p); a == nil || a.ValidLft < 1 || a.ValidLft > 3 || a.Flags&unix.IFA_F_DEPRECATED == 0 {
			t.Errorf("after Renew %s is %+v", p, a)
		}
	}
}

// TestKernelRemovesWhatIsNotRenewed waits for the kernel to say so; it takes the
// lifetime and up to a second.
func TestKernelRemovesWhatIsNotRenewed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 3 seconds: run without -short")
	}
	h := newLAN(t, 1).hosts[0]
	holder, err := h.open(Config{Addresses: addresses(virtualV4, virtualV6), Lifetime: 2 * time.Second})
	h.must(err)
	updates, done := make(chan netlink.AddrUpdate, 64), make(chan struct{})
	defer close(done)
	ns := vnetns.NsHandle(h.ns.FD())
	h.must(netlink.AddrSubscribeWithOptions(updates, done, netlink.AddrSubscribeOptions{Namespace: &ns}))
	h.do(holder.Raise)
	holder.Close() // killed
	began := time.Now()
	expired := map[string]bool{}
	for deadline := time.After(15 * time.Second); len(expired) < 2; {
		select {
		case u := <-updates:
			if p := u.LinkAddress.String(); !u.NewAddr && (p == virtualV4 || p == virtualV6) {
				expired[p] = true
				t.Logf("%s was removed after %v", p, time.Since(began).Round(time.Millisecond))
			}
		case <-deadline:
			t.Fatalf("after 15 s only %v were removed", expired)
		}
	}
	for _, p := range []string{virtualV4, virtualV6} {
		if a := h.find("eth0", p); a != nil {
			t.Errorf("the kernel said that it removed %s, and has %+v", p, a)
		}
	}
}

func TestLeftoversOfAKilledDaemon(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	h.give("eth0", ownV6)
	before := h.inventory()
	killed := h.hold(virtualV4, virtualV6)
	h.do(killed.Raise)
	killed.Close()

	next := h.hold(virtualV4, virtualV6, "192.0.2.9/24")
	if have := fmt.Sprint(next.Leftovers()); have != fmt.Sprint(addresses(virtualV4, virtualV6)) {
		t.Errorf("the leftovers are %v", have)
	}
	h.do(next.Lower)
	if now := h.inventory(); now != before || len(next.Leftovers()) != 0 {
		t.Errorf("after Lower the host has\n%s\nand had\n%s\nand leftovers are %v", now, before, next.Leftovers())
	}
	h.do(func() error {
		if err := killed.Lower(); !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("Lower of a closed Holder: %w", err)
		}
		return nil
	})
}

func TestRaiseTakesLeftoversOver(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	killed := h.hold(virtualV4, virtualV6)
	h.do(killed.Raise)
	killed.Close()
	next := h.hold(virtualV4, virtualV6)
	h.do(next.Renew) // does not extend what it has not raised
	h.do(next.Raise)
	if n := len(next.Leftovers()); n != 0 {
		t.Errorf("%d are still called leftovers", n)
	}
	for _, p := range []string{virtualV4, virtualV6} {
		if a := h.find("eth0", p); a == nil || a.Protocol != Protocol {
			t.Errorf("after Raise %s is %+v", p, a)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	h.must(h.handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth1"}, PeerName: "eth2"}))
	h.give("eth0", "192.0.2.77/24")
	h.give("eth1", "198.51.100.7/24")
	h.do(func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/eth2/disable_ipv6", []byte("1"), 0)
	})
	const every = "0123456789abcdef"
	for _, c := range []struct {
		name string
		all  []Address
		want []string
		is   error
	}{
		{"none", nil, []string{"0 addresses"}, nil},
		{"too many", make([]Address, addressMax+1), []string{"257 addresses", "1 to 256"}, nil},
		{"no interface", []Address{{netip.MustParsePrefix(virtualV4), "eth7"}}, []string{`interface "eth7" does not exist on this host; interfaces: lo, `, "eth0", "eth1"}, unix.ENODEV},
		{"no name", []Address{{netip.MustParsePrefix(virtualV4), ""}}, []string{`interface "" does not exist`}, unix.ENODEV},
		{"long name", []Address{{netip.MustParsePrefix(virtualV4), every}}, []string{every}, unix.ENODEV},
		{"path as a name", []Address{{netip.MustParsePrefix(virtualV6), "../all"}}, []string{"../all"}, unix.ENODEV},
		{"no prefix", []Address{{netip.Prefix{}, "eth0"}}, []string{"192.0.2.1/24"}, nil},
		{"the network", addresses("192.0.2.0/24"), []string{"192.0.2.0/24 on eth0", "the network itself", "192.0.2.1/24"}, nil},
		{"the network, IPv6", addresses("2001:db8::/64"), []string{"the network itself"}, nil},
		{"broadcast", addresses("192.0.2.255/24"), []string{"broadcast address of 192.0.2.0/24"}, nil},
		{"loopback", addresses("127.0.0.2/8"), []string{"127.0.0.2/8"}, nil},
		{"multicast", addresses("ff02::5/64"), []string{"ff02::5/64"}, nil},
		{"everything", addresses("192.0.2.1/0"), []string{"prefix length is 0"}, nil},
		{"mapped", addresses("::ffff:192.0.2.1/120"), []string{"write 192.0.2.1/24"}, nil},
		{"twice", addresses(virtualV4, "192.0.2.1/32"), []string{"configured twice"}, nil},
		{"here already", addresses("192.0.2.77/24"), []string{"on this host already", "ip address del 192.0.2.77/24 dev eth0"}, unix.EEXIST},
		{"here with another length", addresses("192.0.2.77/32"), []string{"ip address del 192.0.2.77/24 dev eth0"}, unix.EEXIST},
		{"here on another interface", addresses("198.51.100.7/24"), []string{"ip address del 198.51.100.7/24 dev eth1"}, unix.EEXIST},
		{"no IPv6", []Address{{netip.MustParsePrefix(virtualV6), "eth2"}}, []string{"IPv6 is turned off", "sysctl net/ipv6/conf/eth2/disable_ipv6=0"}, nil},
		{"several faults", addresses("192.0.2.0/24", "127.0.0.2/8"), []string{"192.0.2.0/24", "127.0.0.2/8"}, nil},
		{"several faults here", append(addresses("192.0.2.77/24"), Address{netip.MustParsePrefix(virtualV4), "eth7"}), []string{"192.0.2.77/24", "eth7"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			holder, err := h.open(Config{Addresses: c.all})
			if err == nil {
				t.Fatalf("it was opened: %v", holder)
			}
			var op *OpError
			if !errors.As(err, &op) || op.Op != "open" {
				t.Fatalf("the error is %T: %v", err, err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			for _, want := range c.want {
				if message := op.Err.Error(); !strings.Contains(message, want) {
					t.Errorf("the message does not say %q: %s", want, message)
				}
			}
		})
	}
	for _, l := range []time.Duration{time.Second, -time.Second, 2500 * time.Millisecond, time.Hour} {
		if _, err := h.open(Config{Addresses: addresses(virtualV4), Lifetime: l}); err == nil {
			t.Errorf("a lifetime of %v was taken", l)
		}
	}
	for _, p := range []string{"192.0.2.0/31", "192.0.2.1/31", "192.0.2.0/32", "2001:db8::/127", "fe80::1/64"} {
		if _, err := h.open(Config{Addresses: addresses(p)}); err != nil {
			t.Errorf("%s was refused: %v", p, err)
		}
	}
	same := []Address{{netip.MustParsePrefix("fe80::1/64"), "eth0"}, {netip.MustParsePrefix("fe80::1/64"), "eth1"}}
	if _, err := h.open(Config{Addresses: same}); err != nil {
		t.Errorf("one link-local address on two networks: %v", err)
	}
}

func TestOpenWithoutCapability(t *testing.T) {
	needRoot(t)
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with what it may not do
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		err := unix.Capget(&header, &sets[0])
		sets[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err = errors.Join(err, unix.Capset(&header, &sets[0])); err == nil {
			_, err = Open(Config{Addresses: []Address{{netip.MustParsePrefix(virtualV4), "lo"}}})
		}
		result <- err
	}()
	if err := <-result; !errors.Is(err, unix.EPERM) || !strings.Contains(fmt.Sprint(err), "does not have CAP_NET_ADMIN") {
		t.Errorf("Open without CAP_NET_ADMIN: %v", err)
	}
}

func TestOneAddressFails(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	h.must(h.handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth1"}, PeerName: "eth2"}))
	gone := Address{netip.MustParsePrefix("198.51.100.1/24"), "eth1"}
	holder, err := h.open(Config{Addresses: append([]Address{gone}, addresses(virtualV4, virtualV6)...)})
	h.must(err)
	h.must(h.handle.LinkDel(h.link("eth1")))
	h.give("eth0", virtualV4) // somebody else was faster

	h.do(func() error { err = holder.Raise(); return nil })
	var one *AddressError
	if !errors.As(err, &one) || one.Address != gone || !errors.Is(err, unix.ENODEV) || !errors.Is(err, unix.EEXIST) {
		t.Errorf("Raise: %v", err)
	}
	for _, want := range []string{"198.51.100.1/24 on eth1: interface \"eth1\" does not exist", "192.0.2.1/24 on eth0: the address is on this host already"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("Raise does not say %q: %v", want, err)
		}
	}
	if strings.Contains(fmt.Sprint(err), virtualV6) || h.find("eth0", virtualV6) == nil {
		t.Errorf("%s was kept back by the others: %v", virtualV6, err)
	}
	h.do(holder.Announce)
	h.do(holder.Lower)
	if a := h.find("eth0", virtualV4); a == nil || a.Flags&unix.IFA_F_PERMANENT == 0 {
		t.Errorf("Lower touched the address of another: %+v", a)
	}
	if h.find("eth0", virtualV6) != nil {
		t.Error("Lower did not remove what was raised")
	}
}

// TestRaiseIsFast raises eight addresses of both families, several times, and judges
// the fastest: the others were disturbed.
func TestRaiseIsFast(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	h.give("eth0", ownV4)
	h.give("eth0", ownV6)
	var prefixes []string
	for i := range 4 {
		prefixes = append(prefixes, fmt.Sprintf("192.0.2.%d/24", 10+i), fmt.Sprintf("2001:db8::%d/64", 10+i))
	}
	holder := h.hold(prefixes...)
	fastest := map[string]time.Duration{"raise": time.Hour, "renew": time.Hour, "announce": time.Hour, "lower": time.Hour}
	clock := func(name string, f func() error) func() error {
		return func() error {
			began := time.Now()
			err := f()
			fastest[name] = min(fastest[name], time.Since(began))
			return err
		}
	}
	for range 20 {
		h.do(clock("raise", holder.Raise))
		h.do(clock("renew", holder.Renew))
		h.do(clock("announce", holder.Announce))
		h.do(clock("lower", holder.Lower))
	}
	t.Logf("eight addresses: %v", fastest)
	if fastest["raise"] > 2*time.Millisecond || fastest["renew"] > 2*time.Millisecond {
		t.Errorf("eight addresses took %v, want under 2 ms to raise and to renew", fastest)
	}
}

// TestPromoteIsLeftAlone checks that the host's setting is not touched where the
// virtual address is secondary itself.
func TestPromoteIsLeftAlone(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	h.give("eth0", ownV4)
	setting := filepath.Join("/proc/sys/net/ipv4/conf/eth0", "promote_secondaries")
	h.do(func() error { return os.WriteFile(setting, []byte("0"), 0) })
	holder := h.hold(virtualV4)
	h.do(holder.Raise)
	var text []byte
	h.do(func() (err error) { text, err = os.ReadFile(setting); return err })
	if strings.TrimSpace(string(text)) != "0" {
		t.Errorf("promote_secondaries is %s", text)
	}
}

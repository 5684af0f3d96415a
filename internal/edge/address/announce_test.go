package address

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// dissect lets tshark read frames and print some fields of each, one frame a line.
func dissect(t *testing.T, frames [][]byte, fields ...string) []string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("needs tshark: run apt-get install tshark")
	}
	var b bytes.Buffer
	header := []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 65535, 1} // classic pcap, Ethernet
	for _, n := range header {
		_ = binary.Write(&b, binary.NativeEndian, n)
	}
	for i, f := range frames {
		for _, n := range []uint32{uint32(i), 0, uint32(len(f)), uint32(len(f))} {
			_ = binary.Write(&b, binary.NativeEndian, n)
		}
		b.Write(f)
	}
	path := filepath.Join(t.TempDir(), "frames.pcap")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "-r", path, "-T", "fields", "-E", "separator=|", "-o", "ipv6.use_geoip:FALSE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command(program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, stderr.String())
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

func TestFramesAsOthersReadThem(t *testing.T) {
	mac := [6]byte{2, 0, 0, 0, 0, 0xfe}
	frames := [][]byte{
		gratuitous(nil, arpRequest, netip.MustParseAddr("192.0.2.1"), mac),
		gratuitous(nil, arpReply, netip.MustParseAddr("192.0.2.1"), mac),
		advice(nil, netip.MustParseAddr("2001:db8::1"), mac),
		advice(nil, netip.MustParseAddr("fe80::ffff:ffff:ffff:ffff"), mac),
	}
	if len(frames[0]) != arpSize || len(frames[2]) != adviceSize {
		t.Errorf("the frames have %d and %d bytes", len(frames[0]), len(frames[2]))
	}
	checkLines(t, dissect(t, frames[:2], "eth.dst", "eth.src", "arp.opcode", "arp.isannouncement", "arp.isgratuitous",
		"arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.hw_mac", "arp.dst.proto_ipv4", "_ws.malformed"), []string{
		"ff:ff:ff:ff:ff:ff|02:00:00:00:00:fe|1|1|1|02:00:00:00:00:fe|192.0.2.1|00:00:00:00:00:00|192.0.2.1|",
		"ff:ff:ff:ff:ff:ff|02:00:00:00:00:fe|2||1|02:00:00:00:00:fe|192.0.2.1|02:00:00:00:00:fe|192.0.2.1|",
	})
	// Checksum status 1 is "good".
	checkLines(t, dissect(t, frames[2:], "eth.dst", "eth.src", "ipv6.src", "ipv6.dst", "ipv6.hlim", "icmpv6.type", "icmpv6.checksum.status",
		"icmpv6.nd.na.flag.r", "icmpv6.nd.na.flag.s", "icmpv6.nd.na.flag.o", "icmpv6.nd.na.target_address", "icmpv6.opt.type", "icmpv6.opt.linkaddr", "_ws.malformed"), []string{
		"33:33:00:00:00:01|02:00:00:00:00:fe|2001:db8::1|ff02::1|255|136|1|1|0|1|2001:db8::1|2|02:00:00:00:00:fe|",
		"33:33:00:00:00:01|02:00:00:00:00:fe|fe80::ffff:ffff:ffff:ffff|ff02::1|255|136|1|1|0|1|fe80::ffff:ffff:ffff:ffff|2|02:00:00:00:00:fe|",
	})
}

func checkLines(t *testing.T, have, want []string) {
	t.Helper()
	for i := range max(len(have), len(want)) {
		if i >= len(have) || i >= len(want) || have[i] != want[i] {
			t.Errorf("tshark read\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
			return
		}
	}
}

// announcement says whether a frame is ARP or a neighbour advertisement to all nodes.
func announcement(f []byte) bool {
	arp := len(f) >= arpSize && binary.BigEndian.Uint16(f[12:]) == unix.ETH_P_ARP
	na := len(f) >= adviceSize && binary.BigEndian.Uint16(f[12:]) == unix.ETH_P_IPV6 && f[20] == unix.IPPROTO_ICMPV6 && f[54] == adviceType && f[53] == 1
	return arp || na
}

func TestAnnouncementsOnTheWire(t *testing.T) {
	l := newLAN(t, 1)
	l.ready()
	h := l.hosts[0]
	holder := h.hold(virtualV4, virtualV6)
	tap := l.client.tap("port1")
	h.do(holder.Announce) // nothing is raised, so nothing is announced
	h.do(holder.Raise)
	h.do(holder.Announce)
	var frames [][]byte
	for range 3 {
		frames = append(frames, tap.next(announcement))
	}
	mac := h.mac("eth0").String()
	checkLines(t, dissect(t, frames, "eth.src", "arp.opcode", "arp.src.proto_ipv4", "icmpv6.nd.na.target_address", "icmpv6.opt.linkaddr", "icmpv6.checksum.status"), []string{
		mac + "|1|192.0.2.1|||",
		mac + "|2|192.0.2.1|||",
		mac + "|||2001:db8::1|" + mac + "|1",
	})
	// After Lower nobody is told anything: the next announcement is that of a new Raise.
	h.do(holder.Lower)
	h.do(holder.Announce)
	again := h.hold("192.0.2.200/24")
	h.do(again.Raise)
	h.do(again.Announce)
	checkLines(t, dissect(t, [][]byte{tap.next(announcement)}, "arp.src.proto_ipv4"), []string{"192.0.2.200"})
}

func TestLoopbackHasNobodyToTell(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	holder, err := h.open(Config{Addresses: []Address{{netip.MustParsePrefix("198.51.100.1/32"), "lo"}}})
	h.must(err)
	h.do(holder.Raise)
	h.do(holder.Announce)
}

// TestNeighboursFollow moves addresses from one host to another while a client knows
// them at the first.
func TestNeighboursFollow(t *testing.T) {
	l := newLAN(t, 2)
	l.ready()
	from, to := l.hosts[0], l.hosts[1]
	from.give("eth0", ownV4)
	from.give("eth0", ownV6)
	to.give("eth0", "192.0.2.3/24")
	to.give("eth0", "2001:db8::3/64")
	for _, virtual := range []string{virtualV4, virtualV6} {
		ip := netip.MustParsePrefix(virtual).Addr()
		neighbours := l.client.neighbours()
		a, b := from.hold(virtual), to.hold(virtual)
		from.do(a.Raise)
		l.client.do(func() error { return poke(ip) })
		neighbours.wait(t, ip, from.mac("eth0"))

		to.do(b.Raise)
		from.do(a.Lower)
		if mac := l.client.neighbour(ip); mac != from.mac("eth0").String() {
			t.Errorf("before the announcement the client has %v at %s, which is not the first host's", ip, mac)
		}
		to.do(b.Announce)
		neighbours.wait(t, ip, to.mac("eth0"))
		to.do(b.Lower)
	}
}

// poke makes the kernel look for a neighbour.
func poke(ip netip.Addr) error {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 9)))
	if err != nil {
		return err
	}
	_, err = c.Write([]byte("poke"))
	return errors.Join(err, c.Close())
}

// neighbour gives the hardware address that a host believes an address to be at.
func (h *host) neighbour(ip netip.Addr) string {
	h.t.Helper()
	all, err := h.handle.NeighList(h.link("br0").Attrs().Index, netlink.FAMILY_ALL)
	h.must(err)
	for _, n := range all {
		if n.IP.Equal(ip.AsSlice()) {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// neighbours is a stream of what the kernel learns of neighbours.
type neighbours chan netlink.NeighUpdate

func (h *host) neighbours() neighbours {
	h.t.Helper()
	updates, done := make(chan netlink.NeighUpdate, 256), make(chan struct{})
	h.t.Cleanup(func() { close(done) })
	ns := vnetns.NsHandle(h.ns.FD())
	h.must(netlink.NeighSubscribeWithOptions(updates, done, netlink.NeighSubscribeOptions{Namespace: &ns}))
	return updates
}

// wait waits until a neighbour is known at a hardware address.
func (n neighbours) wait(t *testing.T, ip netip.Addr, mac net.HardwareAddr) {
	t.Helper()
	last := ""
	for deadline := time.After(5 * time.Second); ; {
		select {
		case u := <-n:
			if !u.IP.Equal(ip.AsSlice()) {
				continue
			}
			last = fmt.Sprintf("%v in state %#x", u.HardwareAddr, u.State)
			if bytes.Equal(u.HardwareAddr, mac) {
				return
			}
		case <-deadline:
			t.Fatalf("%v was not known at %v within 5 s; the last that was known: %s", ip, mac, last)
		}
	}
}

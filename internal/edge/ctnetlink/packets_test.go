package ctnetlink

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// lab is three network namespaces in a row: client, firewall (in which the test's
// thread is) and server.
type lab struct {
	t                        *testing.T
	firewall, client, server *os.File
}

// The hosts of the lab.
const (
	clientV4, serverV4, gatewayV4, virtualV4 = "192.0.2.10", "198.51.100.7", "198.51.100.1", "203.0.113.9"
	clientV6, serverV6, gatewayV6, virtualV6 = "2001:db8:a::10", "2001:db8:b::7", "2001:db8:b::1", "2001:db8:c::9"
)

func newLab(t *testing.T) *lab {
	namespace(t)
	l := &lab{t: t, firewall: here(t)}
	for _, end := range []struct {
		name                   string
		file                   **os.File
		v4, v6, hostV4, hostV6 string
	}{
		{"client", &l.client, "192.0.2.1", "2001:db8:a::1", clientV4, clientV6},
		{"server", &l.server, gatewayV4, gatewayV6, serverV4, serverV6},
	} {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Fatal(err)
		}
		*end.file = here(t)
		enter(t, l.firewall)
		run(t, "ip", "link", "add", end.name, "type", "veth", "peer", "name", "eth0")
		run(t, "ip", "link", "set", "eth0", "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), (*end.file).Fd()))
		run(t, "ip", "addr", "add", end.v4+"/24", "dev", end.name)
		run(t, "ip", "addr", "add", end.v6+"/64", "dev", end.name, "nodad")
		askQuickly(t, end.name)
		run(t, "ip", "link", "set", end.name, "up")
		l.in(*end.file, func() {
			run(t, "ip", "addr", "add", end.hostV4+"/24", "dev", "eth0")
			run(t, "ip", "addr", "add", end.hostV6+"/64", "dev", "eth0", "nodad")
			askQuickly(t, "eth0")
			run(t, "ip", "link", "set", "eth0", "up")
			run(t, "ip", "route", "add", "default", "via", end.v4)
			run(t, "ip", "route", "add", "default", "via", end.v6)
		})
	}
	for _, path := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"} {
		if err := os.WriteFile(path, []byte("1\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
	l.warm(clientV4, serverV4)
	l.warm(clientV6, serverV6)
	return l
}

// askQuickly has a lost question for a link address repeated after 20 ms, not a second.
func askQuickly(t testing.TB, link string) {
	t.Helper()
	for _, v := range []string{"ipv4", "ipv6"} {
		if err := os.WriteFile("/proc/sys/net/"+v+"/neigh/"+link+"/retrans_time_ms", []byte("20\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// warm sends until something arrives: a new link drops packets until the kernel has
// noticed its carrier, and nobody knows the others' link addresses yet.
func (l *lab) warm(from, to string) {
	l.t.Helper()
	const port = 9
	client, server := l.udp(l.client, from, port), l.udp(l.server, to, port)
	defer unix.Close(client)
	defer unix.Close(server)
	for _, fd := range []int{client, server} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}); err != nil {
			l.t.Fatal(err)
		}
	}
	for range 100 {
		// A failure to send is one more way of not being ready.
		_ = unix.Sendto(client, []byte("ready?"), 0, sockaddr(to, port))
		if l.from(server) != net.JoinHostPort(from, fmt.Sprint(port)) {
			continue
		}
		_ = unix.Sendto(server, []byte("ready"), 0, sockaddr(from, port))
		if l.from(client) == net.JoinHostPort(to, fmt.Sprint(port)) {
			return
		}
	}
	l.t.Fatalf("no packet passes from %s to %s", from, to)
}

// here opens the namespace of this thread.
func here(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func enter(t testing.TB, ns *os.File) {
	t.Helper()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

// in does something in another namespace of the lab.
func (l *lab) in(ns *os.File, do func()) {
	l.t.Helper()
	enter(l.t, ns)
	defer enter(l.t, l.firewall)
	do()
}

// udp opens a socket that waits at most two seconds. The caller closes it.
func (l *lab) udp(ns *os.File, address string, port int) (fd int) {
	l.t.Helper()
	l.in(ns, func() {
		var err error
		if fd, err = unix.Socket(family(address), unix.SOCK_DGRAM, 0); err != nil {
			l.t.Fatal(err)
		}
		if err := unix.Bind(fd, sockaddr(address, port)); err != nil {
			l.t.Fatal(err)
		}
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
			l.t.Fatal(err)
		}
	})
	return fd
}

// from takes a datagram and tells from where it seems to come.
func (l *lab) from(fd int) string {
	l.t.Helper()
	var b [64]byte
	_, name, err := unix.Recvfrom(fd, b[:], 0)
	if err != nil {
		return err.Error()
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return net.JoinHostPort(net.IP(a.Addr[:]).String(), fmt.Sprint(a.Port))
	case *unix.SockaddrInet6:
		return net.JoinHostPort(net.IP(a.Addr[:]).String(), fmt.Sprint(a.Port))
	}
	return "nobody"
}

// What was put must translate packets in both directions, with no rule that would do so.
func TestPutTranslationTranslatesPackets(t *testing.T) {
	l := newLab(t)
	trackEverything(t)
	translate(t)
	table := openTable(t, TableConfig{})
	for n, c := range []struct{ client, server, gateway, virtual string }{
		{clientV4, serverV4, gatewayV4, virtualV4},
		{clientV6, serverV6, gatewayV6, virtualV6},
	} {
		base := 5000 + 100*n
		for i, f := range []flow.Flow{
			translated(plain(flow.UDP, c.client, c.server, uint16(base), 53), c.gateway, 6001, "", 0),
			translated(plain(flow.UDP, c.client, c.virtual, uint16(base+1), 80), "", 0, c.server, 53),
			translated(plain(flow.UDP, c.client, c.virtual, uint16(base+2), 80), c.gateway, 6003, c.server, 53),
			plain(flow.UDP, c.client, c.server, uint16(base+3), 53),
		} {
			apply(t, table, Put, f)
			client, server := l.udp(l.client, c.client, base+i), l.udp(l.server, c.server, 53)
			seenByServer := net.JoinHostPort(f.Addr(&f.Reply.Dst).String(), fmt.Sprint(f.Reply.DstPort))
			seenByClient := net.JoinHostPort(f.Addr(&f.Orig.Dst).String(), fmt.Sprint(f.Orig.DstPort))
			if err := unix.Sendto(client, []byte("question"), 0, sockaddr(f.Addr(&f.Orig.Dst).String(), int(f.Orig.DstPort))); err != nil {
				t.Fatal(err)
			}
			if got := l.from(server); got != seenByServer {
				t.Errorf("%v: the server sees %s", &f, got)
			}
			if err := unix.Sendto(server, []byte("answer"), 0, sockaddr(f.Addr(&f.Reply.Dst).String(), int(f.Reply.DstPort))); err != nil {
				t.Fatal(err)
			}
			if got := l.from(client); got != seenByClient {
				t.Errorf("%v: the client sees %s", &f, got)
			}
			unix.Close(client)
			unix.Close(server)
		}
	}
	if n := len(dump(t)); n != 8 {
		t.Errorf("the packets made flows of their own: %d of 8", n)
	}
}

// The trap that the documentation of the table names: without a base chain of type
// nat the entry is there and nothing is translated.
func TestTranslationNeedsABaseChain(t *testing.T) {
	l := newLab(t)
	trackEverything(t)
	f := translated(plain(flow.UDP, clientV4, serverV4, 5000, 53), gatewayV4, 6001, "", 0)
	apply(t, openTable(t, TableConfig{}), Put, f)
	client, server := l.udp(l.client, clientV4, 5000), l.udp(l.server, serverV4, 53)
	defer unix.Close(client)
	defer unix.Close(server)
	if err := unix.Sendto(client, []byte("question"), 0, sockaddr(serverV4, 53)); err != nil {
		t.Fatal(err)
	}
	if got := l.from(server); got != clientV4+":5000" {
		t.Errorf("the server sees %s: the kernel has changed, and the documentation can be simpler", got)
	}
}

// Why windows are liberal by default: the new primary first sees a retransmission of
// what the server has long received, and then the server's acknowledgement of more.
func TestConnectionsLiveOnAfterLossAtTakeover(t *testing.T) {
	l := newLab(t)
	dropInvalid(t)
	for _, path := range []string{"/proc/sys/net/netfilter/nf_conntrack_checksum", "/proc/sys/net/netfilter/nf_conntrack_tcp_loose"} {
		if err := os.WriteFile(path, []byte("0\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, strict := range []bool{false, true} {
		port := uint16(5000)
		if strict {
			port++
		}
		apply(t, openTable(t, TableConfig{StrictWindows: strict}), Put, plain(flow.TCP, clientV4, serverV4, port, 80))
		atServer, atClient := l.tap(l.server), l.tap(l.client)
		l.in(l.client, func() { l.segment(clientV4, serverV4, port, 80, 1000, 5000, 100) })
		if !l.arrives(atServer, port, 80, 2*time.Second) {
			t.Fatal("the retransmission does not pass")
		}
		l.in(l.server, func() { l.segment(serverV4, clientV4, 80, port, 5000, 90000, 0) })
		patience := 2 * time.Second
		if strict {
			patience = 300 * time.Millisecond
		}
		if got := l.arrives(atClient, 80, port, patience); got == strict {
			t.Errorf("strict %v: the acknowledgement arrives: %v", strict, got)
		}
	}
}

// dropInvalid is what most firewalls do in their forward chain.
func dropInvalid(t testing.TB) {
	t.Helper()
	c := rules(t)
	table := c.AddTable(&nftables.Table{Name: "guard", Family: nftables.TableFamilyINet})
	chain := c.AddChain(&nftables.Chain{Name: "through", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter})
	invalid := binary.NativeEndian.AppendUint32(nil, expr.CtStateBitINVALID)
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: invalid, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	flush(t, c)
}

// tap sees every IPv4 packet that arrives in a namespace.
func (l *lab) tap(ns *os.File) (fd int) {
	l.t.Helper()
	all := uint16(unix.ETH_P_IP)
	l.in(ns, func() {
		var err error
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, int(all<<8|all>>8)); err != nil {
			l.t.Fatal(err)
		}
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}); err != nil {
			l.t.Fatal(err)
		}
	})
	l.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// arrives says whether a TCP segment with these ports arrives before patience ends.
func (l *lab) arrives(tap int, sport, dport uint16, patience time.Duration) bool {
	l.t.Helper()
	var b [2048]byte
	for end := time.Now().Add(patience); time.Now().Before(end); {
		n, name, err := unix.Recvfrom(tap, b[:], 0)
		if err != nil {
			continue
		}
		if a, ok := name.(*unix.SockaddrLinklayer); !ok || a.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		const acknowledgement = 0x10 // and no reset
		if n >= 40 && b[9] == flow.TCP && b[33] == acknowledgement &&
			binary.BigEndian.Uint16(b[20:]) == sport && binary.BigEndian.Uint16(b[22:]) == dport {
			return true
		}
	}
	return false
}

// segment sends a TCP segment with a window of 500 × 2⁷ or 2⁹ bytes.
func (l *lab) segment(src, dst string, sport, dport uint16, seq, ack uint32, size int) {
	l.t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP)
	if err != nil {
		l.t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, sockaddr(src, 0)); err != nil {
		l.t.Fatal(err)
	}
	b := make([]byte, 20+size)
	binary.BigEndian.PutUint16(b, sport)
	binary.BigEndian.PutUint16(b[2:], dport)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12], b[13] = 5<<4, 0x10
	binary.BigEndian.PutUint16(b[14:], 500)
	if err := unix.Sendto(fd, b, 0, sockaddr(dst, 0)); err != nil {
		l.t.Fatal(err)
	}
}

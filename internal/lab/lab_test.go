package lab_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab"
)

// patience bounds every wait of a test that is expected to succeed.
const patience = 5 * time.Second

// silence is how long nothing must arrive for a test to believe that nothing will:
// many times the test bed's retransmission time.
const silence = 300 * time.Millisecond

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root, and CI must skip nothing")
	}
	t.Skip("needs root: run sudo -E go test ./internal/lab/...")
}

func open(t *testing.T) *lab.Lab {
	t.Helper()
	needRoot(t)
	l, err := lab.Open(lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// virtual is every virtual address with its interface.
var virtual = []struct{ name, address string }{
	{lab.LAN, lab.VirtualLAN4}, {lab.LAN, lab.VirtualLAN6},
	{lab.WAN, lab.VirtualWAN4}, {lab.WAN, lab.VirtualWAN6},
}

// hold gives the virtual addresses to a firewall, and makes client and server ask anew.
func hold(t *testing.T, l *lab.Lab, firewall string) {
	t.Helper()
	for _, v := range virtual {
		if err := l.Node(firewall).AddAddress(v.name, v.address); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{lab.Client, lab.Server} {
		if err := l.Node(name).ForgetNeighbours(); err != nil {
			t.Fatal(err)
		}
	}
}

func release(t *testing.T, l *lab.Lab, firewall string) {
	t.Helper()
	for _, v := range virtual {
		if err := l.Node(firewall).RemoveAddress(v.name, v.address); err != nil {
			t.Fatal(err)
		}
	}
}

func ip(prefix string) netip.Addr { return netip.MustParsePrefix(prefix).Addr() }

// echo serves lines on TCP port 7 of the server: each comes back after the address
// that it is seen to come from.
func echo(t *testing.T, l *lab.Lab, node string, port uint16) {
	t.Helper()
	var listener net.Listener
	err := l.Node(node).Do(func() (err error) {
		listener, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				r := bufio.NewReader(c)
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					fmt.Fprintf(c, "%s %s", c.RemoteAddr().(*net.TCPAddr).IP, line)
				}
			}()
		}
	}()
}

func dial(t *testing.T, l *lab.Lab, node, from, to string, port uint16) net.Conn {
	t.Helper()
	var c net.Conn
	err := l.Node(node).Do(func() (err error) {
		d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip(from), 0))}
		c, err = d.Dial("tcp", netip.AddrPortFrom(ip(to), port).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a line and gives what comes back within the time.
func ask(c net.Conn, line string, within time.Duration) (string, error) {
	c.SetDeadline(time.Now().Add(within))
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func TestClientReachesServerThroughNAT(t *testing.T) {
	l := open(t)
	hold(t, l, lab.FW1)
	echo(t, l, lab.Server, 7)
	for _, c := range []struct{ name, from, to, seen string }{
		{"IPv4 is translated", lab.Client4, lab.Server4, ip(lab.VirtualWAN4).String()},
		{"IPv6 is not", lab.Client6, lab.Server6, ip(lab.Client6).String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ask(dial(t, l, lab.Client, c.from, c.to, 7), "hello", patience)
			if want := c.seen + " hello\n"; err != nil || got != want {
				t.Errorf("want %q, got %q, %v", want, got, err)
			}
		})
	}
	t.Run("from the server's side only to the published port", func(t *testing.T) {
		echo(t, l, lab.Client, lab.PublishedPort)
		got, err := ask(dial(t, l, lab.Server, lab.Server4, lab.VirtualWAN4, lab.PublishedPort), "hello", patience)
		if want := ip(lab.Server4).String() + " hello\n"; err != nil || got != want {
			t.Errorf("want %q, got %q, %v", want, got, err)
		}
		echo(t, l, lab.Client, 7)
		err = l.Node(lab.Server).Do(func() error {
			c, err := net.DialTimeout("tcp", netip.AddrPortFrom(ip(lab.Client6), 7).String(), silence)
			if err == nil {
				c.Close()
			}
			return err
		})
		if err == nil {
			t.Error("the firewall let a connection in that nobody asked for")
		}
	})
}

// The ruleset tells a firewall with the state from one without: this is what makes a
// demonstration on the test bed worth something.
func TestFlowWithoutStateIsDropped(t *testing.T) {
	l := open(t)
	hold(t, l, lab.FW1)
	echo(t, l, lab.Server, 7)
	var flows []net.Conn
	for i := range 10 {
		from, to := lab.Client4, lab.Server4
		if i%2 == 1 {
			from, to = lab.Client6, lab.Server6
		}
		c := dial(t, l, lab.Client, from, to, 7)
		if _, err := ask(c, "before", patience); err != nil {
			t.Fatal(err)
		}
		flows = append(flows, c)
	}
	release(t, l, lab.FW1)
	hold(t, l, lab.FW2)
	var wait sync.WaitGroup
	for i, c := range flows {
		wait.Go(func() {
			if got, err := ask(c, "after", silence); err == nil {
				t.Errorf("flow %d goes on by a firewall that does not know it: %q", i, got)
			} else if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("flow %d: want silence, got %v", i, err)
			}
		})
	}
	wait.Wait()
	fresh := dial(t, l, lab.Client, lab.Client4, lab.Server4, 7)
	if _, err := ask(fresh, "new", patience); err != nil {
		t.Errorf("the other firewall does not work at all: %v", err)
	}
	// With the state back, the same flows go on: silence did not kill them.
	release(t, l, lab.FW2)
	hold(t, l, lab.FW1)
	for i, c := range flows {
		if _, err := ask(c, "again", patience); err != nil {
			t.Errorf("flow %d does not go on where its state is: %v", i, err)
		}
	}
}

// hasCarrier waits for what an interface says of its carrier: the kernel tells changes up to
// a second late.
func hasCarrier(t *testing.T, n *lab.Node, name string, want bool) bool {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 300 {
		if carrier(t, n, name) == want {
			return true
		}
		<-again.C
	}
	return false
}

func carrier(t *testing.T, n *lab.Node, name string) bool {
	t.Helper()
	var up bool
	err := n.Do(func() error {
		i, err := net.InterfaceByName(name)
		if err == nil {
			up = i.Flags&net.FlagRunning != 0
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return up
}

func TestCutAndMend(t *testing.T) {
	l := open(t)
	hold(t, l, lab.FW1)
	echo(t, l, lab.Server, 7)
	c := dial(t, l, lab.Client, lab.Client4, lab.Server4, 7)
	if _, err := ask(c, "before", patience); err != nil {
		t.Fatal(err)
	}
	if err := l.Cut(lab.FW1); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(c, "cut", silence); err == nil {
		t.Errorf("a node that is cut forwards: %q", got)
	}
	for _, name := range []string{lab.LAN, lab.WAN, lab.Sync} {
		if !hasCarrier(t, l.Node(lab.FW1), name, false) {
			t.Errorf("fw1's %s has carrier though the node is cut", name)
		}
		if !hasCarrier(t, l.Node(lab.FW2), name, true) {
			t.Errorf("fw2's %s lost its carrier with fw1", name)
		}
	}
	if err := l.SetPort(lab.FW1, lab.LAN, true); err == nil {
		t.Error("one cable of a node that is cut could be plugged in")
	}
	if err := l.Mend(lab.FW1); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(c, "mended", patience); err != nil {
		t.Errorf("the mended node does not forward: %v", err)
	}
	if err := l.SetPort(lab.FW1, lab.WAN, false); err != nil {
		t.Fatal(err)
	}
	if !hasCarrier(t, l.Node(lab.FW1), lab.WAN, false) || !hasCarrier(t, l.Node(lab.FW1), lab.LAN, true) {
		t.Error("taking one cable off must take carrier from that interface and no other")
	}
}

func TestPowerOffForgets(t *testing.T) {
	l := open(t)
	hold(t, l, lab.FW1)
	echo(t, l, lab.Server, 7)
	c := dial(t, l, lab.Client, lab.Client4, lab.Server4, 7)
	if _, err := ask(c, "before", patience); err != nil {
		t.Fatal(err)
	}
	daemon := l.Node(lab.FW1).Command("sleep", "600")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	if err := l.PowerOff(lab.FW1); err != nil {
		t.Fatal(err)
	}
	daemon.Wait()
	if s := daemon.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL {
		t.Errorf("what ran on the node ended by %v", s)
	}
	if err := l.PowerOn(lab.FW1); err != nil {
		t.Fatal(err)
	}
	hold(t, l, lab.FW1) // fails where the address was still there
	if got, err := ask(c, "after", silence); err == nil {
		t.Errorf("the kernel still knew the flow: %q", got)
	}
}

func TestCountersAndLoss(t *testing.T) {
	l := open(t)
	const payload, count = 1000, 50
	var a, b net.PacketConn
	listen := func(node, address string, into *net.PacketConn) {
		t.Helper()
		err := l.Node(node).Do(func() (err error) {
			*into, err = net.ListenPacket("udp", address+":9")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*into).Close() })
	}
	listen(lab.FW1, "203.0.113.1", &a)
	listen(lab.FW2, "203.0.113.2", &b)
	// send sends from a to b and gives how many arrive.
	send := func() (arrived int) {
		t.Helper()
		for range count {
			if _, err := a.WriteTo(make([]byte, payload), b.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		b.SetReadDeadline(time.Now().Add(silence))
		for arrived < count {
			if _, _, err := b.ReadFrom(make([]byte, payload)); err != nil {
				break
			}
			arrived++
		}
		return arrived
	}
	before, err := l.Counters(lab.FW1, lab.Sync)
	if err != nil {
		t.Fatal(err)
	}
	if n := send(); n != count {
		t.Errorf("%d of %d arrived without loss", n, count)
	}
	after, err := l.Counters(lab.FW1, lab.Sync)
	if err != nil {
		t.Fatal(err)
	}
	const headers = 14 + 20 + 8 // Ethernet, IPv4, UDP
	sent, least := after.SentBytes-before.SentBytes, uint64(count*(payload+headers))
	if sent < least || sent > least+1000 { // and a little ARP and neighbour discovery
		t.Errorf("the counter tells %d bytes; %d datagrams have %d", sent, count, least)
	}
	for _, c := range []struct {
		percent     float64
		least, most int
	}{{100, 0, 0}, {50, 5, 45}, {0, count, count}} {
		if err := l.Lose(lab.FW2, lab.Sync, c.percent); err != nil {
			t.Fatal(err)
		}
		if n := send(); n < c.least || n > c.most {
			t.Errorf("with %g%% loss %d of %d arrived, want %d to %d", c.percent, n, count, c.least, c.most)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	l := open(t)
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"interface", func() error { _, err := l.Counters(lab.FW1, "eth7"); return err }(), []string{"eth7", "fw1", "sync0"}},
		{"share", l.Lose(lab.FW1, lab.Sync, 101), []string{"101", "0 to 100"}},
		{"lossy interface", l.Lose(lab.Client, lab.Sync, 1), []string{"client", "lan0"}},
		{"address", l.Node(lab.FW1).AddAddress(lab.LAN, "nonsense"), []string{"nonsense", "fw1"}},
		{"program", l.Node(lab.FW1).Command("/no/such/program").Run(), []string{"/no/such/program", "fw1"}},
		{"configuration", func() error { _, err := lab.Open(lab.Config{RetransmitMin: time.Hour}); return err }(), []string{"RetransmitMin", "1h"}},
	} {
		var op *lab.OpError
		if !errors.As(c.err, &op) {
			t.Errorf("%s: want an OpError, got %v", c.name, c.err)
			continue
		}
		text := fmt.Sprint(c.err)
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the message lacks %q: %s", c.name, want, text)
			}
		}
	}
	if max, err := l.Node(lab.FW1).ConntrackMax(); err != nil || max < 0 {
		t.Errorf("nf_conntrack_max: %d, %v", max, err)
	}
}

package group

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root, and CI must skip nothing")
	}
	t.Skip("needs root: run sudo -E go test ./bench/group")
}

// Every machine reaches every other, and a multicast group reaches the others.
func TestBedCarries(t *testing.T) {
	needRoot(t)
	bed, err := OpenBed()
	if err != nil {
		t.Fatal(err)
	}
	defer bed.Close()
	everyone := &net.UDPAddr{IP: net.IPv4(233, 252, 0, 1), Port: 7000} // documentation's group, RFC 6676
	open := func(n *Node) (own, group *net.UDPConn) {
		err := n.space.Do(func() (err error) {
			if own, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(n.Address), Port: 7001}); err != nil {
				return err
			}
			inside, err := net.InterfaceByName(device)
			if err != nil {
				return err
			}
			group, err = net.ListenMulticastUDP("udp4", inside, everyone)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { own.Close(); group.Close() })
		return own, group
	}
	first, _ := open(bed.Nodes[0])
	for _, n := range bed.Nodes[1:] {
		own, group := open(n)
		for to, conn := range map[*net.UDPAddr]*net.UDPConn{{IP: net.ParseIP(n.Address), Port: 7001}: own, everyone: group} {
			if _, err := first.WriteToUDP([]byte("hello"), to); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			got := make([]byte, 100)
			if size, _, err := conn.ReadFromUDP(got); err != nil || string(got[:size]) != "hello" {
				t.Errorf("%s at %v: %q, %v", n.Name, to, got[:size], err)
			}
		}
	}
}

func TestViewLines(t *testing.T) {
	for _, c := range []struct {
		line    string
		members int
		ok      bool
	}{
		{"view 3 12345", 3, true}, {"view 3", 0, false}, {"view x 1", 0, false}, {"view 1 y", 0, false}, {"fault view 3", 0, false},
	} {
		members, _, ok := parseView(strings.Fields(c.line))
		if ok != c.ok || ok && members != c.members {
			t.Errorf("%q: %d, %v", c.line, members, ok)
		}
	}
}

func TestTheLeaderSendsFirst(t *testing.T) {
	c := &Cluster{members: []*member{{}, {}, {}}, roles: []string{"follows", "follows", "leads"}}
	if got := c.senders(1); len(got) != 1 || got[0] != c.members[2] {
		t.Error("one sender is not the member that leads")
	}
	if got := c.senders(3); len(got) != 3 || got[0] != c.members[2] || got[1] != c.members[0] {
		t.Error("three senders are not all, from the one that leads on")
	}
}

func TestTotemConfiguration(t *testing.T) {
	s := &starting{bed: &Bed{Nodes: [Members]*Node{{1, "n1", "203.0.113.1", nil}, {2, "n2", "203.0.113.2", nil}, {3, "n3", "203.0.113.3", nil}}}}
	text := totem{transport: "knet", ordinary: true, token: 200}.config(s)
	for _, want := range []string{"transport: knet", "sched_rr: no", "token: 200", "token_coefficient: 0", "ring0_addr: 203.0.113.3", "crypto_cipher: none"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	text = totem{transport: "udpu"}.config(s)
	for _, odd := range []string{"sched_rr", "token", "crypto"} {
		if strings.Contains(text, odd) {
			t.Errorf("%q is in\n%s", odd, text)
		}
	}
}

func TestEveryProgramIsNamedOnce(t *testing.T) {
	names := Names()
	if len(names) != 5 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) || names[0] != "holdfast" {
		t.Errorf("the programs are %v", names)
	}
}

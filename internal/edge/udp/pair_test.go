package udp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// network hands out loopback addresses that no other test and no other process uses.
type network struct{ last atomic.Uint32 }

var addressesOf = &network{}

// next gives an address in 127.0.0.0/8 that depends on the process.
func (n *network) next() netip.AddrPort {
	i := n.last.Add(1)
	pid := os.Getpid()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + pid%250), byte(i >> 8), byte(i)}), uint16(20000+pid/250%10000))
}

// next6 gives a port of ::1 that depends on the process.
func (n *network) next6() netip.AddrPort {
	return netip.AddrPortFrom(netip.IPv6Loopback(), uint16(30000+os.Getpid()%1000*20+int(n.last.Add(1))%20))
}

// got is one frame as it was handed over.
type got struct {
	from  view.Member
	link  uint8
	frame string
}

// node is a transport under test and what it has received.
type node struct {
	*Transport
	t   testing.TB
	got []got
}

// testRing makes a ring of new keys with these numbers.
func testRing(t testing.TB, ids ...uint8) *key.Ring {
	t.Helper()
	keys := make([]key.Key, len(ids))
	for i, id := range ids {
		k, err := key.New(id, "")
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = k
	}
	return ring(t, keys...)
}

func ring(t testing.TB, keys ...key.Key) *key.Ring {
	t.Helper()
	r, err := key.NewRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// start opens a transport and closes it with the test.
func start(t testing.TB, c Config) *node {
	t.Helper()
	tr, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return &node{Transport: tr, t: t}
}

// configs gives the configurations of members 1 and 2 with a number of links between
// them.
func configs(links int, keys *key.Ring) (Config, Config) {
	a := Config{Self: view.Member{ID: 1, Incarnation: 100}, Keys: keys, Insecure: keys == nil}
	b := Config{Self: view.Member{ID: 2, Incarnation: 200}, Keys: keys, Insecure: keys == nil}
	for range links {
		at, bt := addressesOf.next(), addressesOf.next()
		a.Links = append(a.Links, Link{Local: at, Peers: map[view.ID]netip.AddrPort{2: bt}})
		b.Links = append(b.Links, Link{Local: bt, Peers: map[view.ID]netip.AddrPort{1: at}})
	}
	return a, b
}

func pair(t testing.TB, links int, keys *key.Ring) (*node, *node) {
	t.Helper()
	a, b := configs(links, keys)
	return start(t, a), start(t, b)
}

// send queues and flushes one frame.
func (n *node) send(to view.ID, link uint8, frame string) {
	n.t.Helper()
	if err := n.Send(wire.Envelope{To: to, Link: link, Frame: []byte(frame)}); err != nil {
		n.t.Fatal(err)
	}
	n.Flush()
}

// take receives until count datagrams have been taken from a link, good or not.
func (n *node) take(link, count int) {
	n.t.Helper()
	for taken := 0; taken < count; {
		n.wait(link)
		m, err := n.Receive(link, func(from view.Member, link uint8, frame []byte) {
			n.got = append(n.got, got{from, link, string(frame)})
		})
		if err != nil {
			n.t.Fatal(err)
		}
		taken += m
	}
}

// wait waits until a link is readable.
func (n *node) wait(link int) {
	n.t.Helper()
	poll := []unix.PollFd{{Fd: int32(n.FDs()[link-1]), Events: unix.POLLIN}}
	for end := time.Now().Add(5 * time.Second); ; {
		ready, err := unix.Poll(poll, int(time.Until(end).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil || ready == 0 {
			n.t.Fatalf("%v received nothing on link %d within 5 s (%v)", n.Self().ID, link, err)
		}
		return
	}
}

// expect checks what was handed over since the last call.
func (n *node) expect(want ...got) {
	n.t.Helper()
	if fmt.Sprint(n.got) != fmt.Sprint(want) {
		n.t.Errorf("%v received %v, want %v", n.Self().ID, n.got, want)
	}
	n.got = nil
}

// dropped checks how often each reason was counted over all links, since Open.
func (n *node) dropped(want map[wire.Reason]uint64) {
	n.t.Helper()
	for r := range wire.Reason(wire.ReasonCount) {
		var have uint64
		for _, l := range n.Stats() {
			have += l.Dropped[r]
		}
		if have != want[r] {
			n.t.Errorf("%v dropped %d datagrams as %q, want %d", n.Self().ID, have, r, want[r])
		}
	}
}

// wireTap is a plain socket: it sees the datagrams of a transport, and sends any bytes.
type wireTap struct {
	t    testing.TB
	conn *net.UDPConn
	at   netip.AddrPort
}

func tap(t testing.TB, at netip.AddrPort) *wireTap {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &wireTap{t: t, conn: conn, at: at}
}

func (w *wireTap) read() []byte {
	w.t.Helper()
	b := make([]byte, 65536)
	if err := w.conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	n, err := w.conn.Read(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return b[:n]
}

func (w *wireTap) write(to netip.AddrPort, b []byte) {
	w.t.Helper()
	if _, err := w.conn.WriteToUDPAddrPort(b, to); err != nil {
		w.t.Fatal(err)
	}
}

package tcp

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

var (
	first  = view.Member{ID: 1, Incarnation: 100}
	second = view.Member{ID: 2, Incarnation: 200}
)

// network hands out loopback addresses that no other test and no other process uses.
type network struct{ last atomic.Uint32 }

var addressesOf = &network{}

func (n *network) next() netip.AddrPort {
	i := n.last.Add(1)
	pid := os.Getpid()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + pid%250), byte(i >> 8), byte(i)}), uint16(10000+pid/250%10000))
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

	// within runs something in the namespace of the node's host, where it makes its
	// sockets; nil for this one.
	within func(func() error) error
}

func testRing(t testing.TB) *key.Ring {
	t.Helper()
	k, err := key.New(7, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := key.NewRing(k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// configs gives the configurations of members 1 to n on a number of loopback links.
func configs(n, links int, keys *key.Ring) []Config {
	all := make([]Config, n)
	for i := range all {
		all[i] = Config{
			Self: view.Member{ID: view.ID(i + 1), Incarnation: view.Incarnation(100 * (i + 1))},
			Keys: keys, Insecure: keys == nil, Cluster: "edge",
		}
	}
	for range links {
		at := make([]netip.AddrPort, n)
		for i := range at {
			at[i] = addressesOf.next()
		}
		for i := range all {
			peers := map[view.ID]netip.AddrPort{}
			for j := range at {
				if j != i {
					peers[view.ID(j+1)] = at[j]
				}
			}
			all[i].Links = append(all[i].Links, link.Link{Local: at[i], Peers: peers})
		}
	}
	return all
}

func start(t testing.TB, c Config) *node {
	t.Helper()
	tr, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return &node{Transport: tr, t: t}
}

// startAll starts members and waits until all streams are up.
func startAll(t testing.TB, all []Config) []*node {
	t.Helper()
	nodes := make([]*node, len(all))
	for i := range all {
		nodes[i] = start(t, all[i])
	}
	until(t, "all streams are up", func() bool { return connected(nodes...) }, nodes...)
	return nodes
}

func connected(nodes ...*node) bool {
	for _, n := range nodes {
		for _, l := range n.Stats() {
			for _, p := range l.Paths {
				if !p.Connected {
					return false
				}
			}
		}
	}
	return true
}

// until serves nodes until something is so.
func until(t testing.TB, what string, done func() bool, nodes ...*node) {
	t.Helper()
	var fds []unix.PollFd
	for _, n := range nodes {
		for _, fd := range n.FDs() {
			fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
	}
	for end := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(end) {
			for _, n := range nodes {
				t.Logf("%v: %+v", n.Self(), n.Stats())
			}
			t.Fatalf("not within 10 s: %s", what)
		}
		_, _ = unix.Poll(fds, 100)
		for _, n := range nodes {
			n.serve()
		}
	}
}

// serve does what there is to do.
func (n *node) serve() {
	n.t.Helper()
	within := n.within
	if within == nil {
		within = func(f func() error) error { return f() }
	}
	if err := within(n.receive); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) receive() error {
	for i := range n.ports {
		_, err := n.Receive(i+1, func(from view.Member, link uint8, frame []byte) {
			n.got = append(n.got, got{from, link, string(frame)})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *node) send(e wire.Envelope) {
	n.t.Helper()
	if err := n.Send(e); err != nil {
		n.t.Fatal(err)
	}
	n.Flush()
}

// expect checks what has been handed over.
func (n *node) expect(want ...got) {
	n.t.Helper()
	if fmt.Sprint(n.got) != fmt.Sprint(want) {
		n.t.Errorf("%v got %v, want %v", n.Self(), n.got, want)
	}
	n.got = nil
}

// numbered is a frame of a size that says which it is.
func numbered(i, size int) []byte {
	return append(bytes.Repeat([]byte{byte(i)}, size-8), fmt.Sprintf("%08d", i)...)
}

// dropped sums what was dropped for a reason.
func (n *node) dropped(r wire.Reason) (sum uint64) {
	for _, l := range n.Stats() {
		sum += l.Dropped[r]
	}
	return sum
}

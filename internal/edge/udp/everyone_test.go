package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// several gives the configurations of members 1 to n on a number of loopback links.
func several(n, links int, keys *key.Ring) []Config {
	all := make([]Config, n)
	for i := range all {
		all[i] = Config{
			Self: view.Member{ID: view.ID(i + 1), Incarnation: view.Incarnation(100 * (i + 1))},
			Keys: keys, Insecure: keys == nil,
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
			all[i].Links = append(all[i].Links, Link{Local: at[i], Peers: peers})
		}
	}
	return all
}

func startAll(t testing.TB, all []Config) []*node {
	t.Helper()
	nodes := make([]*node, len(all))
	for i := range all {
		nodes[i] = start(t, all[i])
	}
	return nodes
}

// sendAll queues and flushes one frame for several.
func (n *node) sendAll(link uint8, frame string, members ...view.ID) {
	n.t.Helper()
	if err := n.Send(wire.Envelope{To: view.Everyone, Link: link, Members: members, Frame: []byte(frame)}); err != nil {
		n.t.Fatal(err)
	}
	n.Flush()
}

func TestEveryoneGetsOneDatagram(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []uint8
	}{{"sealed", []uint8{7}}, {"clear", nil}} {
		t.Run(c.name, func(t *testing.T) {
			var r *key.Ring
			if c.keys != nil {
				r = testRing(t, c.keys...)
			}
			n := startAll(t, several(4, 2, r))
			n[0].sendAll(wire.AllLinks, "all", 1, 2, 3) // itself is left out, member 4 is not meant
			n[0].send(2, 1, "one")
			n[0].sendAll(2, "over two", 2, 3)
			n[1].take(1, 2)
			n[1].take(2, 2)
			n[2].take(1, 1)
			n[2].take(2, 2)
			n[1].expect(got{first, 1, "all"}, got{first, 1, "one"}, got{first, 2, "over two"})
			n[2].expect(got{first, 1, "all"}, got{first, 2, "over two"})
			for _, m := range n[1:3] {
				m.dropped(map[wire.Reason]uint64{wire.Duplicate: 1})
			}
			if n[0].seal.Used() != 3 {
				t.Errorf("%d datagrams were sealed, want 3", n[0].seal.Used())
			}
			if got, err := n[3].Receive(1, nil); got != 0 || err != nil {
				t.Errorf("member 4, not meant, took %d datagrams (%v)", got, err)
			}
		})
	}
}

// TestEveryoneOverMoreThanOneMessageBatch queues for so many members that their messages
// do not fit one system call.
func TestEveryoneOverMoreThanOneMessageBatch(t *testing.T) {
	const members = 9
	n := startAll(t, several(members, 1, nil))
	var ids []view.ID
	for id := range members {
		ids = append(ids, view.ID(id+1))
	}
	const frames = 2 * messageMax / members
	for i := range frames {
		if err := n[0].Send(wire.Envelope{To: view.Everyone, Members: ids, Frame: fmt.Appendf(nil, "frame %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	n[0].Flush()
	for _, m := range n[1:] {
		m.take(1, frames)
		for i, g := range m.got {
			if g.frame != fmt.Sprintf("frame %d", i) {
				t.Fatalf("%v: the frame at position %d is %q", m.Self().ID, i, g.frame)
			}
		}
		m.dropped(nil)
	}
}

func TestEveryoneRefused(t *testing.T) {
	all := several(3, 2, nil)
	delete(all[0].Links[1].Peers, 3)
	a := start(t, all[0])
	for _, c := range []struct {
		name    string
		link    uint8
		members []view.ID
		want    string
	}{
		{"nobody", 0, nil, "nobody but m1"},
		{"only itself", 0, []view.ID{1}, "nobody but m1"},
		{"a stranger", 0, []view.ID{2, 9}, "m9 is not another configured member"},
		{"everyone within everyone", 0, []view.ID{view.Everyone}, "everyone is not another"},
		{"nobody on that link", 2, []view.ID{3}, "m3 is not on link 2"},
	} {
		err := a.Send(wire.Envelope{To: view.Everyone, Link: c.link, Members: c.members, Frame: []byte("f")})
		var op *OpError
		if !errors.As(err, &op) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if a.used != 0 || a.seal.Used() != 0 {
		t.Errorf("what was refused left %d bytes and %d counters", a.used, a.seal.Used())
	}
	// Who is not on the link is left out, as with one receiver.
	a.sendAll(2, "f", 2, 3)
	if s := a.Stats()[1]; s.Paths[0].Out.Datagrams != 1 || len(s.Paths) != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestGroup sends over IP multicast between namespaces: one datagram that all get, beside
// unicast, over the same link.
func TestGroup(t *testing.T) {
	for _, c := range []struct {
		name  string
		ipv6  bool
		group string
	}{{"IPv4", false, "239.192.7.4:7401"}, {"IPv6", true, "[ff12::7401]:7401"}, {"same port", false, "239.192.7.4:7400"}} {
		t.Run(c.name, func(t *testing.T) {
			n := newLAN(t, 3).nodes(c.ipv6, testRing(t, 1), netip.MustParseAddrPort(c.group))
			n[0].sendAll(wire.AllLinks, "all", 2, 3)
			n[0].send(2, 1, "one")
			n[0].sendAll(1, "not for 3", 2) // which gets it all the same
			n[1].take(1, 3)
			n[2].take(1, 2)
			have := map[string]int{}
			for _, g := range n[1].got {
				if g.from != first || g.link != 1 {
					t.Errorf("received %+v", g)
				}
				have[g.frame]++
			}
			if len(have) != 3 || have["all"] != 1 || have["one"] != 1 || have["not for 3"] != 1 {
				t.Errorf("member 2 received %v", have)
			}
			n[2].expect(got{first, 1, "all"}, got{first, 1, "not for 3"})
			for _, m := range n {
				m.dropped(nil) // nor does the sender hear itself
			}
			s := n[0].Stats()[0]
			if s.Group.Datagrams != 2 || s.GroupLost != 0 || s.Paths[0].Out.Datagrams != 1 || s.Paths[1].Out.Datagrams != 0 {
				t.Errorf("stats %+v", s)
			}
			if got, err := n[0].Receive(1, nil); got != 0 || err != nil {
				t.Errorf("the sender took %d datagrams (%v)", got, err)
			}
		})
	}
}

// TestGroupOnLoopback shows that members on one host hear one another over its loopback
// interface, where no other network is.
func TestGroupOnLoopback(t *testing.T) {
	all := several(2, 2, testRing(t, 1))
	for i := range all {
		all[i].Links[0].Group = netip.AddrPortFrom(netip.MustParseAddr("239.192.7.4"), 20000+all[0].Links[0].Local.Port()%10000)
	}
	n := startAll(t, all)
	n[0].sendAll(wire.AllLinks, "all", 2)
	n[1].take(2, 1)
	n[1].take(1, 1)
	n[1].expect(got{first, 2, "all"})
	n[1].dropped(map[wire.Reason]uint64{wire.Duplicate: 1})
}

func TestGroupRefused(t *testing.T) {
	for _, c := range []struct{ name, group, want string }{
		{"no multicast", "192.0.2.1:9", "no multicast address"},
		{"no port", "239.1.1.1:0", "has no port"},
		{"another family", "[ff12::1]:9", "both must be IPv4"},
	} {
		config, _ := configs(1, nil)
		config.Links[0].Group = netip.MustParseAddrPort(c.group)
		_, err := Open(config)
		var op *OpError
		if !errors.As(err, &op) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestEveryoneAllocatesNothing(t *testing.T) {
	n := startAll(t, several(3, 1, testRing(t, 1)))
	e := wire.Envelope{To: view.Everyone, Members: []view.ID{2, 3}, Frame: make([]byte, 1000)}
	step := func() {
		for range 10 {
			if err := n[0].Send(e); err != nil {
				t.Fatal(err)
			}
		}
		n[0].Flush()
		for _, m := range n[1:] {
			for taken := 0; taken < 10; {
				got, err := m.Receive(1, func(view.Member, uint8, []byte) {})
				if err != nil {
					t.Fatal(err)
				}
				taken += got
			}
		}
	}
	step()
	if have := testing.AllocsPerRun(50, step); have != 0 {
		t.Errorf("%v allocations for 10 datagrams to 2 members, want none", have)
	}
}

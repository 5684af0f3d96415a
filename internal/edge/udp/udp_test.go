package udp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

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

func TestFrameArrives(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []uint8
	}{{"sealed", []uint8{7}}, {"clear", nil}} {
		t.Run(c.name, func(t *testing.T) {
			a, b := sealedOrClear(t, 1, c.keys)
			a.send(2, wire.AllLinks, "one")
			a.send(2, 1, "two")
			b.take(1, 2)
			b.expect(got{first, 1, "one"}, got{first, 1, "two"})
			b.send(1, wire.AllLinks, "back")
			a.take(1, 1)
			a.expect(got{second, 1, "back"})
			a.dropped(nil)
			b.dropped(nil)
		})
	}
}

func sealedOrClear(t *testing.T, links int, ids []uint8) (*node, *node) {
	t.Helper()
	if ids == nil {
		return pair(t, links, nil)
	}
	return pair(t, links, testRing(t, ids...))
}

func TestCopiesOverOtherLinksAreDuplicates(t *testing.T) {
	a, b := pair(t, 3, testRing(t, 1))
	for _, frame := range []string{"x", "y"} {
		a.send(2, wire.AllLinks, frame)
	}
	b.take(2, 2)
	b.take(1, 2)
	b.take(3, 2)
	b.expect(got{first, 2, "x"}, got{first, 2, "y"})
	b.dropped(map[wire.Reason]uint64{wire.Duplicate: 4})
}

func TestOneLinkDead(t *testing.T) {
	ca, cb := configs(2, testRing(t, 1))
	// The kernel refuses to send from a loopback address to another network.
	ca.Links[0].Peers[2] = netip.MustParseAddrPort("192.0.2.1:9")
	a, b := start(t, ca), start(t, cb)
	for range 3 {
		a.send(2, wire.AllLinks, "f")
	}
	b.take(2, 3)
	b.expect(got{first, 2, "f"}, got{first, 2, "f"}, got{first, 2, "f"})
	dead, alive := a.Stats()[0], a.Stats()[1]
	if dead.Paths[0].Lost != 3 || dead.Paths[0].Out.Datagrams != 0 || dead.SendError == nil {
		t.Errorf("dead link: %+v", dead)
	}
	size := uint64(headerSize + 1 + tagSize)
	if alive.Paths[0].Lost != 0 || alive.Paths[0].Out != (link.Traffic{Datagrams: 3, Bytes: 3 * size}) || alive.SendError != nil {
		t.Errorf("live link: %+v", alive)
	}
	if in := b.Stats()[1].Paths[0]; in.Peer != 1 || in.In != (link.Traffic{Datagrams: 3, Bytes: 3 * size}) {
		t.Errorf("live link, received: %+v", in)
	}
}

// TestRefusedDatagramDoesNotStopOthers queues for a receiver that the kernel refuses
// between others.
func TestRefusedDatagramDoesNotStopOthers(t *testing.T) {
	ca, cb := configs(1, testRing(t, 1))
	ca.Links[0].Peers[3] = netip.MustParseAddrPort("192.0.2.1:9")
	a, b := start(t, ca), start(t, cb)
	for _, to := range []view.ID{3, 2, 3, 3, 2, 3} {
		if err := a.Send(wire.Envelope{To: to, Frame: []byte("f")}); err != nil {
			t.Fatal(err)
		}
	}
	a.Flush()
	b.take(1, 2)
	b.expect(got{first, 1, "f"}, got{first, 1, "f"})
	if s := a.Stats()[0]; s.Paths[0].Out.Datagrams != 2 || s.Paths[0].Lost != 0 || s.Paths[1].Lost != 4 {
		t.Errorf("stats %+v", s)
	}
}

func TestSourceIsNotTrustedNorNeeded(t *testing.T) {
	ca, cb := configs(1, testRing(t, 1))
	relay := tap(t, addressesOf.next())
	ca.Links[0].Peers[2] = relay.at // member 1 knows member 2 behind another address
	a, b := start(t, ca), start(t, cb)
	a.send(2, 1, "f")
	relay.write(cb.Links[0].Local, relay.read())
	b.take(1, 1)
	b.expect(got{first, 1, "f"})
}

func TestOverIPv6(t *testing.T) {
	ca, cb := configs(2, testRing(t, 1))
	for i := range ca.Links {
		at, bt := addressesOf.next6(), addressesOf.next6()
		ca.Links[i] = Link{Local: at, Interface: "lo", Peers: map[view.ID]netip.AddrPort{2: bt}}
		cb.Links[i] = Link{Local: bt, Peers: map[view.ID]netip.AddrPort{1: at}}
	}
	a, b := start(t, ca), start(t, cb)
	a.send(2, wire.AllLinks, "f")
	b.take(2, 1)
	b.take(1, 1)
	b.expect(got{first, 2, "f"})
	b.dropped(map[wire.Reason]uint64{wire.Duplicate: 1})
	tap(t, addressesOf.next6()).write(cb.Links[0].Local, []byte("x"))
	b.take(1, 1)
	if s := b.Stats()[0]; s.LastReason != wire.Short || s.LastSource.Addr() != netip.IPv6Loopback() {
		t.Errorf("the last drop was %q from %v, want short from ::1", s.LastReason, s.LastSource)
	}
}

func TestThousandAtOnce(t *testing.T) {
	a, b := pair(t, 2, testRing(t, 1))
	const frames, size = 1000, 600
	room, err := unix.GetsockoptInt(b.FDs()[0], unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		t.Fatal(err)
	}
	if need := frames * 2304; room < need { // what the kernel charges for a datagram of this size
		t.Skipf("the receive buffer has %d bytes and %d are needed; run as root, or with sysctl net.core.rmem_max=%d", room, need, need)
	}
	frame := bytes.Repeat([]byte("x"), size)
	for i := range frames {
		binary.BigEndian.PutUint32(frame, uint32(i))
		if err := a.Send(wire.Envelope{To: 2, Frame: frame}); err != nil {
			t.Fatal(err)
		}
	}
	a.Flush()
	b.take(1, frames)
	b.take(2, frames)
	for i, g := range b.got {
		if n := binary.BigEndian.Uint32([]byte(g.frame)); n != uint32(i) || len(g.frame) != size || g.link != 1 {
			t.Fatalf("the frame at position %d is number %d of %d bytes over link %d", i, n, len(g.frame), g.link)
		}
	}
	if len(b.got) != frames {
		t.Errorf("%d frames were handed over, want %d", len(b.got), frames)
	}
	b.dropped(map[wire.Reason]uint64{wire.Duplicate: frames})
}

func TestReceiveIsBounded(t *testing.T) {
	a, b := pair(t, 1, testRing(t, 1))
	for range receiveMax + 1 {
		a.send(2, 1, "f")
	}
	b.wait(1)
	n, err := b.Receive(1, func(view.Member, uint8, []byte) {})
	if n != receiveMax || err != nil {
		t.Errorf("one Receive took %d datagrams (%v), want %d", n, err, receiveMax)
	}
	b.wait(1) // still readable
	if n, err = b.Receive(1, func(view.Member, uint8, []byte) {}); n != 1 || err != nil {
		t.Errorf("the next took %d (%v), want 1", n, err)
	}
	if n, err = b.Receive(1, func(view.Member, uint8, []byte) {}); n != 0 || err != nil {
		t.Errorf("with nothing there, it took %d (%v), want 0", n, err)
	}
}

func TestOverrunIsCounted(t *testing.T) {
	ca, cb := configs(1, testRing(t, 1))
	cb.Links[0].Label, cb.ReceiveBuffer = "sync", 1
	a, b := start(t, ca), start(t, cb)
	for range 100 {
		a.send(2, 1, "f")
	}
	b.wait(1)
	n, err := b.Receive(1, func(view.Member, uint8, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	if s := b.Stats()[0]; s.Overrun != uint64(100-n) || n == 100 || s.Label != "sync" {
		t.Errorf("%d of 100 were received and %d counted as overrun on link %q", n, s.Overrun, s.Label)
	}
}

func TestRotationWhileTrafficFlows(t *testing.T) {
	older, newer := testRing(t, 1).At(0), testRing(t, 2).At(0)
	a, b := pair(t, 2, ring(t, older))
	sent := 0
	flow := func() {
		t.Helper()
		for range 300 {
			a.send(2, wire.AllLinks, "there")
			b.send(1, wire.AllLinks, "back")
			sent++
		}
		for link := range 2 {
			b.take(link+1, 300)
			a.take(link+1, 300)
		}
	}
	set := func(n *node, keys ...key.Key) {
		t.Helper()
		if err := n.SetKeys(ring(t, keys...)); err != nil {
			t.Fatal(err)
		}
		flow()
	}
	flow()
	set(a, older, newer) // 1: opens
	set(b, older, newer)
	set(a, newer, older) // 2: seals
	set(b, newer, older)
	set(a, newer) // 3: the old one is gone
	set(b, newer)
	if len(a.got) != sent || len(b.got) != sent {
		t.Errorf("of %d frames each way, %d and %d arrived", sent, len(b.got), len(a.got))
	}
	want := map[wire.Reason]uint64{wire.Duplicate: uint64(sent)}
	a.dropped(want)
	b.dropped(want)
	// And really gone: a member that still seals with it is not heard.
	if err := a.SetKeys(ring(t, older)); err != nil {
		t.Fatal(err)
	}
	a.send(2, 1, "late")
	b.take(1, 1)
	want[wire.UnknownKey] = 1
	b.dropped(want)
}

// TestKeyComesBack takes a key out and puts it back: no counter may come twice.
func TestKeyComesBack(t *testing.T) {
	one, two := testRing(t, 1), testRing(t, 2)
	ca, _ := configs(1, one)
	w := tap(t, ca.Links[0].Peers[2])
	a := start(t, ca)
	seen := map[string]bool{}
	for i := range 12 {
		if err := a.SetKeys([]*key.Ring{one, two}[i%2]); err != nil {
			t.Fatal(err)
		}
		a.send(2, 1, "f")
		d := w.read()
		pair := string(d[1:2]) + string(d[14:headerSize])
		if seen[pair] {
			t.Fatalf("key and counter %x were used twice", pair)
		}
		seen[pair] = true
	}
}

func TestSetKeysRefuses(t *testing.T) {
	sealed, _ := pair(t, 1, testRing(t, 1))
	if err := sealed.SetKeys(nil); err == nil {
		t.Error("the keys were taken away")
	}
	clear, _ := pair(t, 1, nil)
	if err := clear.SetKeys(testRing(t, 1)); err == nil {
		t.Error("keys were given to a transport without")
	}
	sealed.send(2, 1, "still works")
}

func TestSendRefuses(t *testing.T) {
	ca, _ := configs(2, testRing(t, 1))
	delete(ca.Links[1].Peers, 2)
	ca.Links[1].Peers[3] = addressesOf.next()
	a := start(t, ca)
	frame := make([]byte, wire.FrameMax+1)
	for name, e := range map[string]wire.Envelope{
		"nobody": {}, "itself": {To: 1}, "stranger": {To: 9}, "no such link": {To: 2, Link: 3},
		"not on that link": {To: 2, Link: 2}, "too long": {To: 2, Frame: frame},
	} {
		var op *OpError
		if err := a.Send(e); !errors.As(err, &op) || op.Op != "send" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a.used != 0 || a.seal.Used() != 0 {
		t.Errorf("what was refused left %d bytes and %d counters", a.used, a.seal.Used())
	}
	a.send(2, wire.AllLinks, "f")
	if s := a.Stats(); len(s[0].Paths) != 1 || len(s[1].Paths) != 1 || s[0].Paths[0].Out.Datagrams != 1 || s[1].Paths[0].Out.Datagrams != 0 {
		t.Errorf("over all links of a member on one: %+v", s)
	}
}

func TestClosed(t *testing.T) {
	a, _ := pair(t, 1, testRing(t, 1))
	a.Close()
	a.Close()
	a.send(2, 1, "f")
	if s := a.Stats()[0]; s.Paths[0].Lost != 1 || !errors.Is(s.SendError, unix.EBADF) {
		t.Errorf("a datagram after Close: %+v", s)
	}
	if _, err := a.Receive(1, nil); !errors.Is(err, unix.EBADF) {
		t.Errorf("Receive after Close: %v", err)
	}
	if _, err := a.Receive(2, nil); err == nil {
		t.Error("Receive on a link that is not there")
	}
}

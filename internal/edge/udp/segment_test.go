package udp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// numbered is a frame of a size that says which it is.
func numbered(i, size int) []byte {
	frame := bytes.Repeat([]byte{byte(i)}, size)
	binary.BigEndian.PutUint32(frame, uint32(i))
	return frame
}

// expectNumbered checks that exactly the frames of these sizes have been handed over, in
// their order.
func (n *node) expectNumbered(sizes []int) {
	n.t.Helper()
	if len(n.got) != len(sizes) {
		n.t.Fatalf("%v got %d frames, want %d", n.Self().ID, len(n.got), len(sizes))
	}
	for i, g := range n.got {
		if !bytes.Equal([]byte(g.frame), numbered(i, sizes[i])) {
			n.t.Fatalf("%v: the frame at position %d is number %d of %d bytes, want one of %d", n.Self().ID, i, binary.BigEndian.Uint32([]byte(g.frame)), len(g.frame), sizes[i])
		}
	}
	n.got = nil
}

// TestRunsOfAnySizes sends frames of equal and other sizes to one and to all, so that
// runs begin and end in every way.
func TestRunsOfAnySizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	n := startAll(t, several(3, 1, testRing(t, 1)))
	for round := range 50 {
		var two, three []int
		size := wire.FrameMax
		for range 120 {
			if rng.IntN(20) == 0 {
				size = 4 + rng.IntN(wire.FrameMax-3)
			}
			e := wire.Envelope{To: view.Everyone, Members: []view.ID{2, 3}}
			switch rng.IntN(30) {
			case 0:
				e = wire.Envelope{To: 2}
			case 1:
				e = wire.Envelope{To: 3}
			}
			e.Frame = numbered(len(two), size)
			if e.To == 3 {
				e.Frame = numbered(len(three), size)
			}
			if e.To != 3 {
				two = append(two, size)
			}
			if e.To != 2 {
				three = append(three, size)
			}
			if e.To == view.Everyone && len(two) != len(three) { // the numbers would differ
				e.To = 2
				three = three[:len(three)-1]
			}
			if err := n[0].Send(e); err != nil {
				t.Fatal(err)
			}
		}
		n[0].Flush()
		n[1].take(1, len(two))
		n[2].take(1, len(three))
		n[1].expectNumbered(two)
		n[2].expectNumbered(three)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if s := n[0].Stats()[0]; s.SegmentError != nil || s.SendError != nil || s.Paths[0].Lost != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestRunIsOneMessage counts the messages that bursts become.
func TestRunIsOneMessage(t *testing.T) {
	for _, c := range []struct {
		name            string
		frames, size    int
		datagrams, runs int
	}{
		{"as many as the kernel cuts", segmentsMax, 40, segmentsMax, 1},
		{"one more", segmentsMax + 1, 40, segmentsMax + 1, 2},
		{"as much as IP carries", superMax / seal.Max, wire.FrameMax, superMax / seal.Max, 1},
		{"and one more", superMax/seal.Max + 1, wire.FrameMax, superMax/seal.Max + 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, 1, testRing(t, 1))
			for range c.frames {
				if err := a.Send(wire.Envelope{To: 2, Frame: make([]byte, c.size)}); err != nil {
					t.Fatal(err)
				}
			}
			if have := a.links[0].out.queued; have != c.runs {
				t.Errorf("%d datagrams are %d messages, want %d", c.datagrams, have, c.runs)
			}
			a.Flush()
			b.take(1, c.datagrams)
			size := uint64(headerSize + c.size + tagSize)
			want := link.Traffic{Datagrams: uint64(c.datagrams), Bytes: uint64(c.datagrams) * size}
			if out, in := a.Stats()[0].Paths[0].Out, b.Stats()[0].Paths[0].In; out != want || in != want {
				t.Errorf("sent %+v, received %+v, want %+v", out, in, want)
			}
		})
	}
}

// TestReceiverWithoutGRO sees a run as the datagrams that it consists of.
func TestReceiverWithoutGRO(t *testing.T) {
	ca, _ := configs(1, nil)
	w := tap(t, ca.Links[0].Peers[2])
	a := start(t, ca)
	for i := range 10 {
		if err := a.Send(wire.Envelope{To: 2, Frame: numbered(i, 700)}); err != nil {
			t.Fatal(err)
		}
	}
	a.Flush()
	for i := range 10 {
		if d := w.read(); !bytes.Equal(d[headerSize:], numbered(i, 700)) {
			t.Fatalf("datagram %d has %d bytes", i, len(d))
		}
	}
}

// TestKernelRefusesSegments has the kernel refuse: the datagrams arrive all the same, and
// no run is tried again.
func TestKernelRefusesSegments(t *testing.T) {
	n := startAll(t, several(3, 1, testRing(t, 1)))
	// Without checksums the kernel does not cut: udp(7).
	if err := unix.SetsockoptInt(n[0].links[0].fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Fatal(err)
	}
	sizes := make([]int, 30)
	for i := range sizes {
		sizes[i] = 500
		if i%10 == 9 {
			sizes[i] = 40
		}
	}
	for range 2 {
		for i, size := range sizes {
			e := wire.Envelope{To: view.Everyone, Members: []view.ID{2, 3}, Frame: numbered(i, size)}
			if err := n[0].Send(e); err != nil {
				t.Fatal(err)
			}
		}
		n[0].Flush()
		for _, m := range n[1:] {
			m.take(1, len(sizes))
			m.expectNumbered(sizes)
		}
	}
	s := n[0].Stats()[0]
	if s.SegmentError == nil || s.SendError != nil || s.Paths[0].Lost != 0 || s.Paths[0].Out.Datagrams != 60 {
		t.Errorf("stats %+v", s)
	}
}

// TestReceiverThatIsRefusedKeepsSegments has the kernel refuse a receiver, with the same
// error as it refuses segments.
func TestReceiverThatIsRefusedKeepsSegments(t *testing.T) {
	n := startAll(t, several(3, 1, nil))
	n[0].peers[2].paths[0].Name.Family = unix.AF_INET
	(*unix.RawSockaddrInet4)(unsafe.Pointer(&n[0].peers[2].paths[0].Name)).Addr = [4]byte{255, 255, 255, 255}
	n[0].peers[2].paths[0].Name.Port = 0 // EINVAL
	for i := range 5 {
		if err := n[0].Send(wire.Envelope{To: view.Everyone, Members: []view.ID{2, 3}, Frame: numbered(i, 50)}); err != nil {
			t.Fatal(err)
		}
	}
	n[0].Flush()
	n[2].take(1, 5)
	n[2].expectNumbered([]int{50, 50, 50, 50, 50})
	s := n[0].Stats()[0]
	if s.SegmentError != nil || s.SendError == nil || s.Paths[0].Lost != 5 || s.Paths[1].Out.Datagrams != 5 {
		t.Errorf("stats %+v", s)
	}
}

// TestSmallMTU sends full datagrams over a network that must fragment them.
func TestSmallMTU(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("ipv6=%v", ipv6), func(t *testing.T) {
			l := newLAN(t, 2)
			handle, err := netlink.NewHandleAt(vnetns.NsHandle(l.hosts[0].FD()), unix.NETLINK_ROUTE)
			l.must(err)
			defer handle.Close()
			eth0, err := handle.LinkByName("eth0")
			l.must(err)
			l.must(handle.LinkSetMTU(eth0, 1300))
			n := l.nodes(ipv6, testRing(t, 1), netip.AddrPort{})
			sizes := make([]int, 20)
			for i := range sizes {
				sizes[i] = wire.FrameMax
				if err := n[0].Send(wire.Envelope{To: 2, Frame: numbered(i, sizes[i])}); err != nil {
					t.Fatal(err)
				}
			}
			n[0].Flush()
			n[1].take(1, len(sizes))
			n[1].expectNumbered(sizes)
			if s := n[0].Stats()[0]; s.SegmentError == nil || s.Paths[0].Lost != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// TestHostileRun sends good and bad datagrams as one message, cut by the kernel or not.
func TestHostileRun(t *testing.T) {
	r := testRing(t, 1)
	b, w, c := target(t, 1, r)
	var run []byte
	size := headerSize + 5 + tagSize
	for counter := range uint64(8) {
		d := forge(t, r.At(0), seal.Header{From: first, Counter: counter + 1}, 2, "frame")
		if counter%2 == 1 {
			d[len(d)-1] ^= 1
		}
		run = append(run, d...)
	}
	run = append(run, 1, 2, 3)
	raw, err := w.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	to := c.Links[0].Local
	var ctl control
	ctl.segment(size)
	err = raw.Control(func(fd uintptr) {
		name := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
		if err := unix.Sendmsg(int(fd), run, unsafe.Slice((*byte)(unsafe.Pointer(&ctl)), controlSize), name, 0); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b.take(1, 9)
	f := got{first, 1, "frame"}
	b.expect(f, f, f, f)
	b.dropped(map[wire.Reason]uint64{wire.ForgedSeal: 4, wire.Short: 1})
	b.hear(w, c, run)
	b.dropped(map[wire.Reason]uint64{wire.ForgedSeal: 4, wire.Short: 1, wire.Replayed: 1}) // one datagram, with the first one's header
}

// TestReceiveOfRunsIsBounded leaves more runs than one Receive takes.
func TestReceiveOfRunsIsBounded(t *testing.T) {
	a, b := pair(t, 1, nil)
	const most = receiveMax + batchMax*segmentsMax
	sent := 0
	for range 2 * most / segmentsMax {
		for range segmentsMax {
			if err := a.Send(wire.Envelope{To: 2, Frame: []byte("f")}); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		a.Flush()
	}
	taken := 0
	for taken < sent {
		n, err := b.Receive(1, func(view.Member, uint8, []byte) {})
		if err != nil || n == 0 || n > most {
			t.Fatalf("one Receive took %d of %d datagrams (%v), want 1 to %d", n, sent-taken, err, most)
		}
		taken += n
	}
}

package tcp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestFramesArriveInOrder(t *testing.T) {
	for name, r := range map[string]*key.Ring{"sealed": testRing(t), "clear": nil} {
		t.Run(name, func(t *testing.T) {
			n := startAll(t, configs(3, 1, r))
			const frames = 500
			for i := range frames {
				n[0].send(wire.Envelope{To: view.Everyone, Members: []view.ID{1, 2, 3}, Frame: numbered(i, 8+i)})
				n[2].send(wire.Envelope{To: 2, Link: 1, Frame: numbered(i, 1000)})
			}
			until(t, "all has arrived", func() bool { return len(n[1].got) == 2*frames && len(n[2].got) == frames }, n...)
			next := map[view.ID]int{}
			for _, g := range append(n[1].got, n[2].got...) {
				i := next[g.from.ID] % frames
				next[g.from.ID]++
				size := 8 + i
				if g.from.ID == 3 {
					size = 1000
				}
				if g.frame != string(numbered(i, size)) || g.link != 1 {
					t.Fatalf("frame %d of %v has %d bytes, or is another", i, g.from, len(g.frame))
				}
			}
			for _, m := range n {
				for r := range wire.Reason(wire.ReasonCount) {
					if m.dropped(r) != 0 {
						t.Errorf("%v dropped %d as %v", m.Self(), m.dropped(r), r)
					}
				}
			}
		})
	}
}

func TestCopiesOverOtherLinksAreDuplicates(t *testing.T) {
	n := startAll(t, configs(2, 2, testRing(t)))
	n[1].send(wire.Envelope{To: 1, Frame: []byte("x")})
	n[1].send(wire.Envelope{To: 1, Link: 2, Frame: []byte("y")})
	until(t, "all has arrived", func() bool { return len(n[0].got) == 2 && n[0].dropped(wire.Duplicate) == 1 }, n...)
	s := n[1].Stats()
	if s[0].Paths[0].Out.Datagrams != 1 || s[1].Paths[0].Out.Datagrams != 2 {
		t.Errorf("stats %+v", s)
	}
}

// TestRestart ends a member and starts it again: whoever connects, the streams come back
// by themselves, and the former life is not heard any more.
func TestRestart(t *testing.T) {
	for _, which := range []int{0, 1} {
		t.Run(fmt.Sprintf("member %d", which+1), func(t *testing.T) {
			all := configs(2, 2, testRing(t))
			n := startAll(t, all)
			n[which].Close()
			other := n[1-which]
			until(t, "the end is seen", func() bool { return !connected(other) }, other)
			other.send(wire.Envelope{To: n[which].Self().ID, Frame: []byte("lost")})
			if s := other.Stats()[0].Paths[0]; s.Lost != 1 || s.Connected {
				t.Errorf("while there is no stream: %+v", s)
			}
			all[which].Self.Incarnation += 1
			again := start(t, all[which])
			until(t, "the streams are back", func() bool { return connected(other, again) }, other, again)
			again.send(wire.Envelope{To: other.Self().ID, Link: 1, Frame: []byte("back")})
			until(t, "a frame has arrived", func() bool { return len(other.got) == 1 }, other, again)
			other.expect(got{again.Self(), 1, "back"})
		})
	}
}

// TestSlowReceiver sends more than the kernel and the queue hold to a member that does not
// read: what does not fit is lost, the rest arrives in order, and the others are heard.
func TestSlowReceiver(t *testing.T) {
	n := startAll(t, configs(3, 1, nil))
	frames := 0
	lost := func() uint64 { return n[0].Stats()[0].Paths[0].Lost }
	for ; lost() < 1000; frames++ {
		if frames > 50_000 {
			t.Fatal("the queue has no end")
		}
		n[0].send(wire.Envelope{To: view.Everyone, Members: []view.ID{2, 3}, Frame: numbered(frames, wire.FrameMax)})
		n[2].serve()
	}
	if size := cap(n[0].peers[2].ways[0].stream.queue); size > 2*queueMax {
		t.Errorf("the queue has grown to %d bytes", size)
	}
	until(t, "the fast member has all", func() bool { return len(n[2].got) == frames }, n[0], n[2])
	want := frames - int(lost())
	until(t, "the slow member has the rest", func() bool { return len(n[1].got) == want }, n...)
	last := ""
	for _, g := range n[1].got {
		if number := g.frame[wire.FrameMax-8:]; number <= last {
			t.Fatalf("frame %s came after %s", number, last)
		} else {
			last = number
		}
	}
	// And it is heard again.
	n[1].got = nil
	n[0].send(wire.Envelope{To: 2, Frame: []byte("after")})
	until(t, "a frame has arrived", func() bool { return len(n[1].got) == 1 }, n...)
}

func TestForeignClusterIsRefusedByName(t *testing.T) {
	all := configs(2, 1, testRing(t))
	all[0].Cluster = "other"
	n := []*node{start(t, all[0]), start(t, all[1])}
	until(t, "the refusal is told", func() bool { _, told := n[0].Refused(); return told }, n...)
	r, _ := n[0].Refused()
	if r.Reason != wire.ForeignCluster || r.From != second {
		t.Errorf("refused: %+v", r)
	}
	if n[1].dropped(wire.ForeignCluster) == 0 || connected(n[1]) {
		t.Errorf("stats %+v", n[1].Stats())
	}
}

// TestOtherKeyIsNotHeard has both sides find out.
func TestOtherKeyIsNotHeard(t *testing.T) {
	for name, c := range map[string]struct {
		keys   *key.Ring
		reason wire.Reason
	}{"another key": {testRing(t), wire.ForgedSeal}, "no key": {nil, wire.Unsealed}} {
		all := configs(2, 1, testRing(t))
		all[0].Keys, all[0].Insecure = c.keys, c.keys == nil
		n := []*node{start(t, all[0]), start(t, all[1])}
		until(t, "two tries were made", func() bool { return n[0].dropped(c.reason) == 2 && n[1].dropped(c.reason) == 2 }, n...)
		if connected(n[0]) || connected(n[1]) {
			t.Errorf("%s: a stream is up", name)
		}
		if s := n[0].Stats()[0]; s.LastSource != all[1].Links[0].Local || s.Paths[0].Dropped != 2 {
			t.Errorf("%s: stats %+v", name, s)
		}
	}
}

// TestKeysAreReplaced seals with another key, while streams are up.
func TestKeysAreReplaced(t *testing.T) {
	older, newer := testRing(t), testRing(t)
	k, err := key.New(9, "")
	if err != nil {
		t.Fatal(err)
	}
	both, err := key.NewRing(k, older.At(0))
	if err != nil {
		t.Fatal(err)
	}
	n := startAll(t, configs(2, 1, older))
	for _, m := range n {
		if err := m.SetKeys(both); err != nil {
			t.Fatal(err)
		}
	}
	n[0].send(wire.Envelope{To: 2, Frame: []byte("f")})
	until(t, "a frame has arrived", func() bool { return len(n[1].got) == 1 }, n...)
	if err := n[0].SetKeys(newer); err != nil {
		t.Fatal(err)
	}
	n[0].send(wire.Envelope{To: 2, Frame: []byte("f")})
	until(t, "the stream has ended", func() bool { return n[1].dropped(wire.ForgedSeal)+n[1].dropped(wire.UnknownKey) > 0 }, n...)
	if err := n[0].SetKeys(nil); err == nil {
		t.Error("the keys were taken away")
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no life":      func(c *Config) { c.Self.Incarnation = 0 },
		"no key":       func(c *Config) { c.Insecure = false },
		"no link":      func(c *Config) { c.Links = nil },
		"a group":      func(c *Config) { c.Links[0].Group = netip.MustParseAddrPort("239.1.1.1:9") },
		"a long name":  func(c *Config) { c.Cluster = strings.Repeat("x", clusterMax+1) },
		"no interface": func(c *Config) { c.Links[0].Interface = "eth77" },
		"not here":     func(c *Config) { c.Links[0].Local = netip.MustParseAddrPort("192.0.2.7:9") },
	} {
		c := configs(2, 1, nil)[0]
		change(&c)
		tr, err := Open(c)
		var op *OpError
		if !errors.As(err, &op) || op.Op != "open" || tr != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	all := configs(2, 1, nil)
	start(t, all[0])
	if _, err := Open(all[0]); !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(fmt.Sprint(err), "ss -ltnp") {
		t.Errorf("an address in use: %v", err)
	}
}

func TestSendRefuses(t *testing.T) {
	all := configs(3, 2, nil)
	delete(all[0].Links[1].Peers, 3)
	a := start(t, all[0])
	for name, e := range map[string]wire.Envelope{
		"nobody": {}, "itself": {To: 1}, "stranger": {To: 9}, "no such link": {To: 2, Link: 3},
		"not on that link": {To: 3, Link: 2}, "too long": {To: 2, Frame: make([]byte, wire.FrameMax+1)},
		"everyone is nobody": {To: view.Everyone}, "everyone is itself": {To: view.Everyone, Members: []view.ID{1}},
		"a stranger in everyone": {To: view.Everyone, Members: []view.ID{2, 9}},
		"everyone on no link":    {To: view.Everyone, Link: 2, Members: []view.ID{3}},
	} {
		var op *OpError
		if err := a.Send(e); !errors.As(err, &op) || op.Op != "send" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClosed(t *testing.T) {
	n := startAll(t, configs(2, 1, nil))
	n[0].Close()
	n[0].Close()
	n[0].send(wire.Envelope{To: 2, Frame: []byte("f")})
	if s := n[0].Stats()[0]; len(s.Paths) != 1 || s.Paths[0].Lost != 1 {
		t.Errorf("a frame after Close: %+v", s)
	}
	if _, err := n[0].Receive(1, nil); !errors.Is(err, unix.EBADF) {
		t.Errorf("Receive after Close: %v", err)
	}
	if _, err := n[0].Receive(2, nil); err == nil {
		t.Error("Receive on a link that is not there")
	}
}

func TestNothingIsAllocated(t *testing.T) {
	n := startAll(t, configs(3, 1, testRing(t)))
	e := wire.Envelope{To: view.Everyone, Members: []view.ID{2, 3}, Frame: make([]byte, 1000)}
	received := 0
	count := func(view.Member, uint8, []byte) { received++ }
	step := func() {
		want := received + 20
		for range 10 {
			_ = n[0].Send(e)
		}
		n[0].Flush()
		for received < want {
			for _, m := range n[1:] {
				_, _ = m.Receive(1, count)
			}
		}
	}
	step()
	if have := testing.AllocsPerRun(50, step); have != 0 {
		t.Errorf("%v allocations for 10 frames to 2 members, want none", have)
	}
}

// BenchmarkBurst is 64 frames sealed, sent, received and opened by one thread.
func BenchmarkBurst(b *testing.B) {
	for _, sealed := range []bool{false, true} {
		for _, size := range []int{64, wire.FrameMax} {
			b.Run(fmt.Sprintf("sealed=%v/size=%d", sealed, size), func(b *testing.B) {
				var r *key.Ring
				if sealed {
					r = testRing(b)
				}
				n := startAll(b, configs(2, 1, r))
				received := 0
				fn := func(view.Member, uint8, []byte) { received++ }
				frame := make([]byte, size)
				b.ReportAllocs()
				b.ResetTimer()
				for sent := 0; sent < b.N; {
					for range 64 {
						_ = n[0].Send(wire.Envelope{To: 2, Frame: frame})
						sent++
					}
					n[0].Flush()
					for received < sent {
						_, _ = n[1].Receive(1, fn)
					}
				}
				b.ReportMetric(float64(received)/b.Elapsed().Seconds(), "opened/s")
			})
		}
	}
}

// TestToldOnce waits as the Go runtime's poller does: it is told when a descriptor
// becomes readable, and not as long as it is. So Receive is called until it has nothing
// more to do, and nothing may be left then.
func TestToldOnce(t *testing.T) {
	n := startAll(t, configs(2, 2, testRing(t)))
	outer, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(outer)
	for i, fd := range n[1].FDs() {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET&0xffffffff, Fd: int32(i)}
		if err := unix.EpollCtl(outer, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			t.Fatal(err)
		}
	}
	received, sent := 0, 0
	for round := range 300 {
		for range 1 + round*7%400 {
			if err := n[0].Send(wire.Envelope{To: 2, Frame: make([]byte, 40+round)}); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		n[0].Flush()
		for received < sent {
			var events [4]unix.EpollEvent
			ready, err := unix.EpollWait(outer, events[:], 5000)
			if err == unix.EINTR {
				continue
			}
			if ready <= 0 {
				t.Fatalf("in round %d, with %d of %d frames, nothing more was told (%v)", round, received, sent, err)
			}
			for _, e := range events[:ready] {
				for left := 1; left > 0; {
					left, err = n[1].Receive(int(e.Fd)+1, func(view.Member, uint8, []byte) { received++ })
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			n[0].serve() // goes on sending what had no room
		}
	}
}

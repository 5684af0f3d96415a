package tcp

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// speaker is a plain connection to a transport, over which anything may be said.
type speaker struct {
	t    testing.TB
	conn net.Conn
	seal *seal.Sealer
}

// speak connects from an address in the name of a member.
func speak(t testing.TB, from netip.Addr, to netip.AddrPort, self view.Member, keys *key.Ring) *speaker {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 5 * time.Second}
	conn, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s, err := seal.New(self, keys, keys == nil)
	if err != nil {
		t.Fatal(err)
	}
	return &speaker{t, conn, s}
}

// unit makes an envelope with its length.
func (s *speaker) unit(scope seal.Scope, to view.ID, frame string) []byte {
	e := s.seal.Append(nil, scope, wire.AllLinks, to, []byte(frame))
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(e))), e...)
}

func (s *speaker) hello(to view.ID) []byte {
	return s.unit(seal.Hello, to, string(appendHello(nil, "edge")))
}

func (s *speaker) write(b []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// isClosed waits for the other to close the connection, serving it.
func (s *speaker) isClosed(what string, n *node) {
	s.t.Helper()
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, s.conn)
		close(over)
	}()
	until(s.t, what, func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	}, n)
}

// target is member 2, to which the others connect, and where it listens.
func target(t *testing.T, keys *key.Ring) (*node, netip.AddrPort, netip.Addr) {
	t.Helper()
	all := configs(2, 1, keys)
	return start(t, all[1]), all[1].Links[0].Local, all[0].Links[0].Local.Addr()
}

func TestHostileStreams(t *testing.T) {
	r := testRing(t)
	other := testRing(t)
	long := strings.Repeat("x", wire.FrameMax)
	for _, c := range []struct {
		name string
		self view.Member
		keys *key.Ring
		say  func(s *speaker) []byte
		want wire.Reason
	}{
		{"no length", first, r, func(*speaker) []byte { return []byte{0, 0, 1, 2} }, wire.Short},
		{"a length too short", first, r, func(*speaker) []byte { return []byte{0, 1, 1} }, wire.Short},
		{"a length too long", first, r, func(*speaker) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }, wire.Long},
		{"clear text", first, nil, func(s *speaker) []byte { return s.hello(2) }, wire.Unsealed},
		{"another key", first, other, func(s *speaker) []byte { return s.hello(2) }, wire.ForgedSeal},
		{"a stranger", view.Member{ID: 9, Incarnation: 1}, r, func(s *speaker) []byte { return s.hello(2) }, wire.UnknownSender},
		{"itself", second, r, func(s *speaker) []byte { return s.hello(2) }, wire.UnknownSender},
		{"for another", first, r, func(s *speaker) []byte { return s.hello(3) }, wire.ForgedSeal},
		{"no hello", first, r, func(s *speaker) []byte { return s.unit(seal.Member, 2, "f") }, wire.Malformed},
		{"an empty hello", first, r, func(s *speaker) []byte { return s.unit(seal.Hello, 2, "") }, wire.Malformed},
		{"a hello that goes on", first, r, func(s *speaker) []byte { return s.unit(seal.Hello, 2, "\x01\x04edgex") }, wire.Malformed},
		{"a hello cut short", first, r, func(s *speaker) []byte { return s.unit(seal.Hello, 2, "\x01\x05edge") }, wire.Malformed},
		{"a later version", first, r, func(s *speaker) []byte { return s.unit(seal.Hello, 2, "\x02") }, wire.WrongVersion},
		{"another cluster", first, r, func(s *speaker) []byte { return s.unit(seal.Hello, 2, "\x01\x05other") }, wire.ForeignCluster},
		{"two hellos", first, r, func(s *speaker) []byte { return append(s.hello(2), s.hello(2)...) }, wire.Malformed},
		{"a notice later", first, r, func(s *speaker) []byte { return append(s.hello(2), s.unit(seal.Notice, 2, "x")...) }, wire.Malformed},
		{"a broken notice", first, r, func(s *speaker) []byte { return s.unit(seal.Notice, 2, "x") }, wire.Malformed},
		{"a frame too long", first, r, func(s *speaker) []byte { return append(s.hello(2), s.unit(seal.Member, 2, long+"x")...) }, wire.Long},
		{"another's frame", first, r, func(s *speaker) []byte {
			b := s.hello(2)
			s.seal, _ = seal.New(view.Member{ID: 3, Incarnation: 1}, r, false)
			return append(b, s.unit(seal.Member, 2, "f")...)
		}, wire.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, at, from := target(t, r)
			s := speak(t, from, at, c.self, c.keys)
			s.write(c.say(s))
			s.isClosed("the stream is ended", n)
			if n.dropped(c.want) != 1 {
				t.Errorf("dropped %v, want one %q", n.Stats()[0].Dropped, c.want)
			}
			n.expect()
			// The member goes on to be heard.
			s = speak(t, from, at, view.Member{ID: 1, Incarnation: 101}, r)
			s.write(append(s.hello(2), s.unit(seal.Everyone, 0, "after")...))
			until(t, "a frame has arrived", func() bool { return len(n.got) == 1 }, n)
		})
	}
}

// TestRepeatsAreDropped says again what was recorded, on the same stream and another one.
func TestRepeatsAreDropped(t *testing.T) {
	r := testRing(t)
	n, at, from := target(t, r)
	s := speak(t, from, at, first, r)
	hello, frame := s.hello(2), s.unit(seal.Member, 2, "f")
	s.write(append(append(hello, frame...), frame...))
	until(t, "the repeat was dropped", func() bool { return n.dropped(wire.Replayed) == 1 }, n)
	n.expect(got{first, 1, "f"})
	again := speak(t, from, at, first, r)
	again.write(append(hello, frame...))
	again.isClosed("a recorded stream is ended", n)
	s.write(s.unit(seal.Member, 2, "still up"))
	until(t, "a frame has arrived", func() bool { return len(n.got) == 1 }, n)
}

// TestByteByByte brings a stream in the smallest pieces.
func TestByteByByte(t *testing.T) {
	n, at, from := target(t, nil)
	s := speak(t, from, at, first, nil)
	for _, b := range append(s.hello(2), s.unit(seal.Member, 2, "frame")...) {
		s.write([]byte{b})
		n.serve()
	}
	until(t, "a frame has arrived", func() bool { return len(n.got) == 1 }, n)
	n.expect(got{first, 1, "frame"})
}

// TestStrangersDoNotKeepMembersOut opens more streams than are allowed.
func TestStrangersDoNotKeepMembersOut(t *testing.T) {
	n, at, from := target(t, nil)
	var strangers []*speaker
	for range 3 * strangerMax {
		strangers = append(strangers, speak(t, netip.MustParseAddr("127.0.0.1"), at, first, nil))
		n.serve()
	}
	if have := len(n.ports[0].strangers); have > strangerMax {
		t.Errorf("%d strangers are connected, at most %d are allowed", have, strangerMax)
	}
	member := speak(t, from, at, first, nil)
	for range 3 * strangerMax {
		strangers = append(strangers, speak(t, netip.MustParseAddr("127.0.0.1"), at, first, nil))
		n.serve()
	}
	member.write(append(member.hello(2), member.unit(seal.Member, 2, "f")...))
	until(t, "a frame has arrived", func() bool { return len(n.got) == 1 }, n)
	// Who says nothing is not waited for.
	n.clock = func() time.Time { return time.Now().Add(helloMax) }
	n.ports[0].changed = true
	strangers[len(strangers)-1].isClosed("a silent stranger is gone", n)
	if have := len(n.ports[0].strangers); have != 0 || !n.Stats()[0].Paths[0].Connected {
		t.Errorf("%d strangers are left; the member: %+v", have, n.Stats()[0].Paths[0])
	}
}

// TestNoDescriptorsAreLeft has a stream wait that cannot be accepted: that costs no time, and
// it is accepted when it can be.
func TestNoDescriptorsAreLeft(t *testing.T) {
	n, at, from := target(t, nil)
	s := speak(t, from, at, first, nil)
	s.write(append(s.hello(2), s.unit(seal.Member, 2, "f")...))
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	free, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0) // the lowest that is free
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(free)
	set := func(l unix.Rlimit) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
			t.Fatal(err)
		}
	}
	set(unix.Rlimit{Cur: uint64(free), Max: limit.Max})
	defer set(limit)
	until(t, "it was seen that there are none", func() bool { return n.Stats()[0].ReceiveError == unix.EMFILE }, n)
	if did, err := n.Receive(1, nil); did > 1 || err != nil {
		t.Errorf("%d things are done though nothing can be (%v)", did, err)
	}
	set(limit)
	until(t, "a frame has arrived", func() bool { return len(n.got) == 1 }, n)
}

// TestStrangersAreToldNothing has a hello that nobody can open come from an address of no
// member, and from that of another one.
func TestStrangersAreToldNothing(t *testing.T) {
	all := configs(3, 1, testRing(t))
	n := start(t, all[2])
	for _, from := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), all[1].Links[0].Local.Addr()} {
		s := speak(t, from, all[2].Links[0].Local, first, testRing(t))
		s.write(s.hello(3))
		said := make(chan int, 1)
		go func() {
			b, _ := io.ReadAll(s.conn)
			said <- len(b)
		}()
		told := -1
		until(t, "the stream is ended", func() bool {
			select {
			case told = <-said:
			default:
			}
			return told >= 0
		}, n)
		if told > 0 {
			t.Errorf("who is at %v was told %d bytes", from, told)
		}
	}
}

func FuzzStream(f *testing.F) {
	k, err := key.Parse("fuzz", []byte("5 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"))
	if err != nil {
		f.Fatal(err)
	}
	for _, keys := range []*key.Ring{k, nil} {
		s, err := seal.New(first, keys, keys == nil)
		if err != nil {
			f.Fatal(err)
		}
		say := &speaker{t: f, seal: s}
		f.Add(append(say.hello(2), say.unit(seal.Member, 2, "frame")...), 7)
	}
	f.Add([]byte{0, 0}, 1)
	config := configs(2, 1, nil)[1]
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		// Without sockets: what is fuzzed is all that is done with the bytes.
		for _, keys := range []*key.Ring{k, nil} {
			sealer, err := seal.New(config.Self, keys, keys == nil)
			if err != nil {
				t.Fatal(err)
			}
			m := &peer{Peer: seal.NewPeer(1), id: 1}
			m.ways[0].Size = 16
			tr := &Transport{seal: sealer, cluster: "edge", peers: map[view.ID]*peer{1: m}, unit: make([]byte, 0, unitMax), inbox: make([]byte, unitMax+readMax)}
			p := &port{epoll: -1, listener: -1, timer: -1, streams: map[int32]*stream{}}
			tr.ports = []*port{p}
			s := &stream{fd: -1, port: p, stage: greeting}
			frames := 0
			for rest := b; len(rest) > 0 && s.stage != ended; {
				n := min(max(piece%2000, 1), len(rest))
				held := copy(tr.inbox, s.rest[:s.held])
				n = copy(tr.inbox[held:held+n], rest)
				rest = rest[n:]
				tr.cut(s, tr.inbox[:held+n], time.Time{}, func(from view.Member, _ uint8, frame []byte) {
					frames++
					if from.ID != 1 || len(frame) > wire.FrameMax {
						t.Fatalf("a frame of %d bytes of %v was handed over", len(frame), from)
					}
				})
			}
			if frames*(lengthSize+seal.HeaderSize) > len(b) {
				t.Fatalf("%d frames were in %d bytes", frames, len(b))
			}
		}
	})
}

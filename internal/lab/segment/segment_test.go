package segment_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/segment"
)

const (
	// patience bounds every wait that is expected to succeed; silence is how long nothing
	// must arrive for a test to believe that nothing will.
	patience = 5 * time.Second
	silence  = 50 * time.Millisecond
)

func open(t *testing.T, names ...string) *segment.Segment {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, and CI must skip nothing")
		}
		t.Skip("needs root: run sudo -E go test ./internal/lab/segment")
	}
	s, err := segment.Open(names...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// listen opens a UDP socket on a machine, at port 9.
func listen(t *testing.T, m *segment.Machine) net.PacketConn {
	t.Helper()
	var c net.PacketConn
	err := m.Do(func() (err error) {
		c, err = net.ListenPacket("udp4", m.Address()+":9")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// crosses counts of some datagrams how many arrive.
func crosses(t *testing.T, from, to net.PacketConn, datagrams int) int {
	t.Helper()
	for range datagrams {
		if _, err := from.WriteTo([]byte("hello"), to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	got, room := 0, make([]byte, 16)
	wait := patience
	for got < datagrams {
		to.SetReadDeadline(time.Now().Add(wait))
		if _, _, err := to.ReadFrom(room); err != nil {
			break
		}
		got++
		wait = silence
	}
	return got
}

// silent says whether nothing comes through.
func silent(t *testing.T, from, to net.PacketConn) bool {
	t.Helper()
	if _, err := from.WriteTo([]byte("hello"), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	to.SetReadDeadline(time.Now().Add(silence))
	_, _, err := to.ReadFrom(make([]byte, 16))
	return err != nil
}

func TestFaultsAreWhatTheySayAndMendEndsThem(t *testing.T) {
	s := open(t, "a", "b", "c")
	a, b, c := listen(t, s.Machine("a")), listen(t, s.Machine("b")), listen(t, s.Machine("c"))
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if crosses(t, a, b, 1) != 1 || crosses(t, b, c, 1) != 1 {
		t.Fatal("nothing comes through a segment without faults")
	}
	check(s.Cut("a", "b", false))
	if !silent(t, a, b) {
		t.Error("b hears a, and the way is cut")
	}
	if crosses(t, b, a, 1) != 1 {
		t.Error("a does not hear b, and only the other way is cut")
	}
	check(s.Split([]string{"a", "b"}, []string{"c"}))
	if crosses(t, a, b, 1) != 1 {
		t.Error("b does not hear a, and they are in one part")
	}
	if !silent(t, a, c) || !silent(t, c, b) {
		t.Error("the parts hear each other")
	}
	check(s.Mend())
	if crosses(t, a, c, 1) != 1 {
		t.Error("c does not hear a, and all is mended")
	}
	check(s.Lose(50))
	const sent = 200
	if got := crosses(t, a, b, sent); got < sent/4 || got > 3*sent/4 {
		t.Errorf("of %d datagrams %d came through; half should", sent, got)
	}
	if err := s.Lose(101); err == nil {
		t.Error("more than all can be lost")
	}
}

func TestAMulticastGroupReachesTheOthers(t *testing.T) {
	s := open(t, "a", "b", "c")
	everyone := &net.UDPAddr{IP: net.IPv4(233, 252, 0, 1), Port: 7000} // documentation's group, RFC 6676
	var heard []*net.UDPConn
	for _, name := range []string{"b", "c"} {
		err := s.Machine(name).Do(func() error {
			inside, err := net.InterfaceByName("net0")
			if err != nil {
				return err
			}
			c, err := net.ListenMulticastUDP("udp4", inside, everyone)
			heard = append(heard, c)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	defer func() { heard[0].Close(); heard[1].Close() }()
	if _, err := listen(t, s.Machine("a")).WriteTo([]byte("hello"), everyone); err != nil {
		t.Fatal(err)
	}
	for _, c := range heard {
		c.SetReadDeadline(time.Now().Add(patience))
		got := make([]byte, 16)
		if size, _, err := c.ReadFromUDP(got); err != nil || string(got[:size]) != "hello" {
			t.Errorf("%q, %v", got[:size], err)
		}
	}
}

func TestAMachineThatIsNotThereIsAMistake(t *testing.T) {
	s := open(t, "a")
	defer func() {
		if recover() == nil {
			t.Error("there is a machine x")
		}
	}()
	s.Machine("x")
}

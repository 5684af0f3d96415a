package address

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// until reads a Watch until an event comes, and gives all that came.
func (w *Watch) until(t *testing.T, last string) []string {
	t.Helper()
	var events []string
	for range 100 {
		if err := w.wait(); err != nil {
			t.Fatalf("waiting for %q after %v: %v", last, events, err)
		}
		err := w.Read(func(name string, up bool) {
			events = append(events, fmt.Sprintf("%s %v", name, up))
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(events) > 0 && events[len(events)-1] == last {
			return events
		}
	}
	t.Fatalf("a hundred notifications, and never %q: %v", last, events)
	return nil
}

func TestWatch(t *testing.T) {
	l := newLAN(t, 1)
	l.ready()
	h := l.hosts[0]
	w := h.watch("lo", "eth0")
	expect := func(events []string, want ...string) {
		t.Helper()
		if fmt.Sprint(events) != fmt.Sprint(want) {
			t.Errorf("events %v, want %v", events, want)
		}
	}
	expect(w.Down())

	h.must(h.handle.LinkSetDown(h.link("eth0"))) // the administrator
	expect(w.until(t, "eth0 false"), "eth0 false")
	expect(w.Down(), "eth0")
	h.must(h.handle.LinkSetUp(h.link("eth0")))
	expect(w.until(t, "eth0 true"), "eth0 true")

	l.client.must(l.client.handle.LinkSetDown(l.client.link("port1"))) // the cable
	expect(w.until(t, "eth0 false"), "eth0 false")
	l.client.must(l.client.handle.LinkSetUp(l.client.link("port1")))
	expect(w.until(t, "eth0 true"), "eth0 true")
	expect(w.Down())

	h.must(h.handle.LinkSetName(h.link("eth0"), "wan0"))
	expect(w.until(t, "eth0 false"), "eth0 false")
	h.must(h.handle.LinkSetName(h.link("wan0"), "eth0"))
	expect(w.until(t, "eth0 true"), "eth0 true")

	h.must(h.handle.LinkDel(h.link("eth0")))
	expect(w.until(t, "eth0 false"), "eth0 false")
	h.must(h.handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth1"}))
	h.up("eth1")
	h.up("eth0")
	expect(w.until(t, "eth0 true"), "eth0 true")
}

// TestWatchAfterLoss lets the kernel drop the notification that matters, with older
// ones still queued that say the opposite.
func TestWatchAfterLoss(t *testing.T) {
	l := newLAN(t, 1)
	l.ready()
	h := l.hosts[0]
	w := h.watch("eth0", "lo")
	h.must(unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1)) // the kernel's least
	h.must(h.handle.LinkSetMTU(h.link("eth0"), 1400))                    // says: eth0 is up
	for range 20 {
		h.must(h.handle.LinkSetDown(h.link("lo")))
		h.must(h.handle.LinkSetUp(h.link("lo")))
	}
	h.must(h.handle.LinkSetDown(h.link("eth0")))
	const drops = 8 // SK_MEMINFO_DROPS
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(w.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || info[drops] == 0 {
		t.Fatalf("%d notifications were dropped (%v), so the test shows nothing", info[drops], errno)
	}
	w.until(t, "eth0 false")
	if down := fmt.Sprint(w.Down()); down != "[eth0]" {
		t.Errorf("down are %v, want [eth0]", down)
	}
	h.must(h.handle.LinkSetDown(h.link("lo"))) // and notifications come again
	w.until(t, "lo false")
}

func TestOpenWatchRefuses(t *testing.T) {
	h := newLAN(t, 1).hosts[0]
	h.do(func() error {
		_, err := OpenWatch([]string{"eth0", "eth7", "eth8"})
		for _, want := range []string{`interface "eth7" does not exist on this host; interfaces: lo`, "eth8"} {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("the error does not say %q: %v", want, err)
			}
		}
		var op *OpError
		if !errors.As(err, &op) || op.Op != "watch" {
			t.Errorf("the error is %T", err)
		}
		if _, err := OpenWatch(make([]string, watchMax+1)); err == nil {
			t.Error("too many interfaces were taken")
		}
		return nil
	})
	w := h.watch("eth0")
	w.Close()
	w.Close()
	if err := w.Read(nil); !errors.Is(err, unix.EBADF) {
		t.Errorf("Read after Close: %v", err)
	}
}

// notification makes a link notification as the kernel does.
func notification(kind uint16, index int32, flags uint32, name string) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+4:], uint32(index))
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+8:], flags)
	for _, a := range []struct {
		kind  uint16
		value string
	}{{unix.IFLA_MTU, "\x00\x00\x05\xdc"}, {unix.IFLA_IFNAME, name + "\x00"}} {
		b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(a.value)))
		b = binary.NativeEndian.AppendUint16(b, a.kind)
		b = append(b, a.value...)
		b = append(b, make([]byte, align(len(b))-len(b))...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

func TestNotifications(t *testing.T) {
	const up = unix.IFF_UP | unix.IFF_RUNNING
	w := Watch{query: -1, watched: []watched{{name: "eth0", index: 5, up: true}, {name: "eth1", index: 6}}}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"no change", notification(unix.RTM_NEWLINK, 5, up, "eth0"), "[]"},
		{"another interface", notification(unix.RTM_NEWLINK, 9, 0, "eth9"), "[]"},
		{"another message", notification(unix.RTM_NEWADDR, 5, 0, "eth0"), "[]"},
		{"two in one datagram", append(notification(unix.RTM_NEWLINK, 5, unix.IFF_UP, "eth0"), notification(unix.RTM_NEWLINK, 6, up, "eth1")...), "[eth0 false eth1 true]"},
		{"carrier without the administrator", notification(unix.RTM_NEWLINK, 6, unix.IFF_RUNNING, "eth1"), "[eth1 false]"},
		{"another gets the name", notification(unix.RTM_NEWLINK, 7, up, "eth1"), "[eth1 true]"},
		{"the former one is removed", notification(unix.RTM_DELLINK, 6, up, "eth1"), "[]"},
		{"this one is removed", notification(unix.RTM_DELLINK, 7, up, "eth1"), "[eth1 false]"},
	} {
		var events []string
		if !w.parse(c.b, func(name string, up bool) { events = append(events, fmt.Sprintf("%s %v", name, up)) }) {
			t.Errorf("%s: not understood", c.name)
		}
		if have := fmt.Sprint(events); have != c.want {
			t.Errorf("%s: events %v, want %v", c.name, have, c.want)
		}
	}
}

func FuzzNotification(f *testing.F) {
	const up = unix.IFF_UP | unix.IFF_RUNNING
	f.Add(notification(unix.RTM_NEWLINK, 5, up, "eth0"))
	f.Add(append(notification(unix.RTM_DELLINK, 5, 0, "eth0"), notification(unix.RTM_NEWLINK, 8, up, "eth0")...))
	f.Add(notification(unix.RTM_NEWLINK, 5, up, "eth0")[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		w := Watch{query: -1, watched: []watched{{name: "eth0", index: 5}, {name: "eth1", index: 6, up: true}}}
		state := map[string]bool{"eth1": true}
		w.parse(b, func(name string, up bool) {
			if name != "eth0" && name != "eth1" || state[name] == up {
				t.Fatalf("event %s %v, and it was %v", name, up, state[name])
			}
			state[name] = up
		})
	})
}

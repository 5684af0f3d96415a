package link

import (
	"net/netip"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestRouteThereAndBack(t *testing.T) {
	for _, text := range []string{"192.0.2.1:7400", "[2001:db8::1]:7400", "239.1.2.3:1"} {
		at := netip.MustParseAddrPort(text)
		r, err := NewRoute(at, 7)
		if err != nil {
			t.Fatal(err)
		}
		if back := Address(&r.Name); back != at {
			t.Errorf("%v came back as %v", at, back)
		}
	}
	r, err := NewRoute(netip.MustParseAddrPort("[ff12::1]:9"), 7)
	if err != nil || r.Name.Scope_id != 7 {
		t.Errorf("a link-local group is on interface %d (%v), want 7", r.Name.Scope_id, err)
	}
	if _, err := NewRoute(netip.MustParseAddrPort("[fe80::1]:9"), 0); err == nil {
		t.Error("a link-local address without an interface has a route")
	}
}

func TestInterfaceOf(t *testing.T) {
	loopback, err := InterfaceOf(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if same, err := InterfaceOf(netip.MustParseAddr("127.1.2.3")); err != nil || same != loopback {
		t.Errorf("127.1.2.3 is on interface %d (%v), want %d", same, err, loopback)
	}
	if at, err := InterfaceOf(netip.MustParseAddr("192.0.2.77")); err == nil {
		t.Errorf("an address of nobody is on interface %d", at)
	}
}

func TestZone(t *testing.T) {
	l := Link{Local: netip.MustParseAddrPort("127.0.0.1:9"), Interface: "lo"}
	if zone, err := l.Zone(); err != nil || zone == 0 {
		t.Errorf("lo is interface %d (%v)", zone, err)
	}
	l.Interface = ""
	if zone, err := l.Zone(); err != nil || zone != 0 {
		t.Errorf("no interface is %d (%v)", zone, err)
	}
}

func TestCheckNamesTheLink(t *testing.T) {
	good := Link{Label: "a", Local: netip.MustParseAddrPort("192.0.2.1:9"), Peers: map[view.ID]netip.AddrPort{2: netip.MustParseAddrPort("192.0.2.2:9")}}
	if err := Check(1, []Link{good}); err != nil {
		t.Error(err)
	}
	bad := good
	bad.Label, bad.Peers = "b", nil
	if err := Check(1, []Link{good, bad}); err == nil {
		t.Error("a link to nobody is good")
	}
}

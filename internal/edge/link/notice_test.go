package link

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestNoticeThereAndBack(t *testing.T) {
	for _, text := range []string{"192.0.2.1:7400", "[2001:db8::1]:7400", ""} {
		var at netip.AddrPort
		if text != "" {
			at = netip.MustParseAddrPort(text)
		}
		for _, reason := range []wire.Reason{wire.Twin, wire.ForeignCluster} {
			b := AppendNotice(nil, reason, 77, at)
			why, refused, other, ok := ParseNotice(b)
			if !ok || why != reason || refused != 77 || other != at {
				t.Errorf("%v at %v came back as %v of %d at %v (%v)", reason, at, why, refused, other, ok)
			}
			if _, _, _, ok := ParseNotice(b[:len(b)-1]); ok {
				t.Error("a notice cut short is good")
			}
			if _, _, _, ok := ParseNotice(append(b, 0)); ok {
				t.Error("a notice that goes on is good")
			}
		}
	}
}

func FuzzParseNotice(f *testing.F) {
	f.Add(AppendNotice(nil, wire.Twin, 77, netip.MustParseAddrPort("192.0.2.1:7400")))
	f.Add(AppendNotice(nil, wire.ForeignCluster, 1, netip.AddrPort{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if reason, refused, other, ok := ParseNotice(b); ok && !bytes.Equal(AppendNotice(nil, reason, refused, other), b) {
			t.Fatalf("a notice has two encodings: %x", b)
		}
	})
}

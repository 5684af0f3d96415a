package link

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestReachNamesWhatIsWrong(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.9:9")
	r := NewReach(1, []Link{
		{Peers: map[view.ID]netip.AddrPort{2: at, 3: at}},
		{Label: "back", Peers: map[view.ID]netip.AddrPort{2: at}},
	})
	for _, c := range []struct {
		wire.Envelope
		want string // "": it can be sent
	}{
		{wire.Envelope{To: 2, Link: wire.AllLinks}, ""},
		{wire.Envelope{To: 3, Link: 1}, ""},
		{wire.Envelope{To: 3, Link: 2}, `m3 is not on link 2 ("back")`},
		{wire.Envelope{To: 3, Link: 3}, "there is no link 3; there are 2"},
		{wire.Envelope{To: 4}, "m4 is not another configured member"},
		{wire.Envelope{To: 1}, "m1 is not another configured member"},
		{wire.Envelope{To: view.Everyone, Members: []view.ID{1, 2, 3}, Link: 2}, ""},
		{wire.Envelope{To: view.Everyone, Members: []view.ID{1, 3}, Link: 2}, `m3 is not on link 2 ("back")`},
		{wire.Envelope{To: view.Everyone, Members: []view.ID{2, 9}}, "m9 is not another configured member"},
		{wire.Envelope{To: view.Everyone, Members: []view.ID{1}}, "names nobody but m1 itself"},
		{wire.Envelope{To: view.Everyone}, "names nobody but m1 itself"},
	} {
		err := r.Check(&c.Envelope)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.Envelope, err, c.want)
		}
	}
}

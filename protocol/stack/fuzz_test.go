package stack

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive gives a node frames that its authenticated peer might send in the worst
// case: nothing may panic, and what is dropped must be counted.
func FuzzReceive(f *testing.F) {
	now := time.Unix(1000, 0)
	cfg := Config{
		Self: view.Member{ID: 1, Incarnation: 5}, Cluster: "test", Fingerprint: 7, Links: 2,
		Members:   []Member{{1, "a", 150}, {2, "b", 100}},
		Heartbeat: 10 * time.Millisecond, SuspectAfter: 50 * time.Millisecond, Inject: Continuously,
	}
	peer := cfg
	peer.Self = view.Member{ID: 2, Incarnation: 6}
	other, err := New(peer, Recovered{}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		f.Fatal(err)
	}
	var out Output
	other.Start(now, &out)
	other.Tick(now.Add(time.Second), &out)
	out.Send(func(e wire.Envelope) { f.Add(append([]byte(nil), e.Frame...)) })
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		s, err := New(cfg, Recovered{}, rand.New(rand.NewPCG(2, 2)))
		if err != nil {
			t.Fatal(err)
		}
		var out Output
		s.Start(now, &out)
		out.Reset()
		if len(frame) >= wire.HeaderSize { // a checksum that fits, so that more than the checksum is tried
			frame = append([]byte(nil), frame...)
			wire.Finish(frame)
		}
		s.Receive(now, peer.Self, 1, frame, &out)
		if _, _, why := wire.Open(frame); why != wire.OK && s.drops[why] != 1 {
			t.Errorf("dropped as %v and not counted", why)
		}
		s.Tick(now.Add(20*time.Millisecond), &out)
	})
}

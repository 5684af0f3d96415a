package detect

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive: whatever arrives, whenever, nothing panics; what is malformed is counted and
// changes no opinion; a peer that goes on sending is trusted in the end.
func FuzzReceive(f *testing.F) {
	for _, s := range []message{{counter: 1}, {counter: 7, hears: 3, heard: 5}, {counter: 9, hears: 1, heard: 4}, {counter: 1 << 63}} {
		f.Add(s.append(nil), uint8(1), uint64(1), int64(time.Second))
		f.Add(s.append(nil), uint8(2), uint64(2), int64(-time.Hour))
	}
	f.Add([]byte{}, uint8(0), uint64(0), int64(0))
	f.Fuzz(func(t *testing.T, payload []byte, link uint8, life uint64, jump int64) {
		m, err := New(Config{
			Self: view.Member{ID: 1, Incarnation: 5}, Peers: []view.ID{2, 3}, Links: 2,
			Heartbeat: testHeartbeat, SuspectAfter: testSuspect,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1e9, 0)
		var out Output
		m.Start(now, &out)
		from := view.Member{ID: 2, Incarnation: view.Incarnation(life)}
		now = now.Add(time.Duration(jump))
		out.Reset()
		m.Receive(now, from, link, payload, &out)
		if _, ok := parse(payload, 2); !ok && (m.Dropped(wire.Malformed) != 1 || len(out.Changes) != 0) {
			t.Errorf("a malformed heartbeat: %d dropped, changes %v", m.Dropped(wire.Malformed), out.Changes)
		}
		good := view.Member{ID: 3, Incarnation: 8}
		for i := range 30 {
			out.Reset()
			said := message{counter: uint64(i + 1)}
			m.Receive(now, good, 1, said.append(nil), &out)
			m.Receive(now, from, link, payload, &out)
			m.Tick(now, &out)
			for _, e := range out.Send {
				h, p, why := wire.Open(e.Frame)
				if _, ok := parse(p, 2); why != wire.OK || h.Channel != wire.Detect || !ok {
					t.Fatalf("the machine says %x", e.Frame)
				}
			}
			if !m.Deadline().After(now) {
				t.Fatalf("Tick at %v leaves the deadline at %v", now, m.Deadline())
			}
			now = m.Deadline()
		}
		if !m.Trusts(good) {
			t.Error("who sends regularly is not trusted")
		}
	})
}

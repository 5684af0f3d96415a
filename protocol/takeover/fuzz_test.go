package takeover

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive: whatever arrives, nothing panics; what is malformed changes nothing but
// a counter; and what the machine then says itself is well formed.
func FuzzReceive(f *testing.F) {
	for _, s := range []message{
		{role: Waiting, sequence: 30},
		{role: Active, flags: flagHealthy | flagSynced, priority: 100, hears: 3, active: 2, sequence: 30, heard: 7, epoch: 4, raised: 4, highest: 4},
		{role: Draining, flags: flagHealthy, priority: 100, hears: 3, active: 2, successor: 1, sequence: 30, heard: 7, epoch: 4, raised: 4, highest: 5, offered: 5},
		{role: Standby, flags: flagHealthy | flagGranted, priority: 100, hears: 1, successor: 1, sequence: 30, heard: 7, raised: 5, highest: 5, offered: 5},
		{role: Standby, flags: flagHealthy | flagSynced | flagAsks, priority: 200, hears: 3, active: 1, sequence: 30, heard: 7, epoch: 3, raised: 9, highest: 11},
		{role: Stopped, flags: flagGoodbye, sequence: 30, hears: 1, heard: 7},
	} {
		f.Add(s.append(nil), uint8(1), uint64(1))
		f.Add(s.append(nil), uint8(2), uint64(2))
	}
	f.Add([]byte{}, uint8(0), uint64(0))
	f.Fuzz(func(t *testing.T, payload []byte, link uint8, life uint64) {
		m, now, heartbeat := running(t)
		from := view.Member{ID: 2, Incarnation: view.Incarnation(life)}
		was := *m
		was.peers = append([]peer(nil), m.peers...)
		var out Output
		m.Receive(now, from, link, payload, &out)
		if _, ok := parse(payload, m.cfg.Links); !ok && life != 0 {
			was.dropped[wire.Malformed]++
			same(t, &was, m)
		}
		for range 30 {
			for _, c := range out.Deliver {
				if c.Verb == Raise && c.Epoch != m.epoch && m.holding {
					t.Errorf("raise in epoch %d; the machine is in %d", c.Epoch, m.epoch)
				}
			}
			checkOutput(t, m, &out)
			out.Reset()
			now = later(m.Deadline(), now.Add(time.Millisecond))
			m.Tick(now, &out)
			m.Committed(now, m.epoch, &out)
			m.Raised(now, m.epoch, &out)
			m.Lowered(now, m.lowering, &out)
			m.Receive(now, view.Member{ID: 2, Incarnation: 1}, 1, heartbeat(40+uint64(now.UnixMilli())), &out)
		}
	})
}

func checkOutput(t *testing.T, m *Machine, out *Output) {
	if m.highest > epochMax-100 {
		return // no room left for epochs of its own, see epochMax
	}
	for _, e := range out.Send {
		h, payload, why := wire.Open(e.Frame)
		if s, ok := parse(payload, m.cfg.Links); why != wire.OK || h.Channel != wire.Takeover || !ok {
			t.Errorf("the machine says %+v", s)
		}
	}
}

package checkpointed

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive: whatever comes, nothing panics; what is malformed changes nothing but a counter; and what the
// machine says then is well formed.
func FuzzReceive(f *testing.F) {
	for _, a := range []alive{
		{role: Standby, heard: 1, sequence: 1 << 20},
		{role: Standby, flags: flagUnable, heard: 1, sequence: 1 << 20, highest: 9},
		{role: Claiming, heard: 1, sequence: 1 << 20, highest: 6},
		{role: Primary, heard: 1, sequence: 1 << 20, epoch: 9, highest: 9, index: 4},
		{role: Stopped, sequence: 1 << 20},
	} {
		f.Add(a.append(nil), uint64(1), true)
		f.Add(a.append(nil), uint64(2), false)
	}
	f.Fuzz(func(t *testing.T, payload []byte, life uint64, first bool) {
		c := newCluster(t, 1)
		for _, n := range c.nodes {
			c.start(n)
		}
		c.Run(50 * time.Millisecond)
		c.Clients[0].Ask(service.Add, 1, 1)
		c.Run(20 * time.Millisecond)
		n := c.nodes[1]
		if first {
			n = c.nodes[0]
		}
		before := n.m.State()
		var out Output
		from := view.Member{ID: 3 - n.ID, Incarnation: view.Incarnation(life)}
		n.m.Receive(c.Now, from, payload, &out)
		_, ok := parse(payload)
		if after := n.m.State(); !ok && after != before {
			t.Errorf("bytes without sense make %+v of %+v", after, before)
		}
		for range 20 {
			for _, e := range out.Send {
				_, b, why := wire.Open(e.Frame)
				if _, ok := parse(b); why != wire.OK || n.m.highest < epochMax-100 && !ok {
					t.Fatalf("the machine says %x", b)
				}
			}
			out.Reset()
			c.Now = n.m.Deadline()
			n.m.Tick(c.Now, &out)
			n.m.Receive(c.Now, from, payload, &out)
		}
	})
}

// FuzzLoad: whatever is in the store, nothing panics: what cannot be executed is told.
func FuzzLoad(f *testing.F) {
	c := newCluster(f, 1)
	for _, n := range c.nodes {
		c.start(n)
	}
	c.Run(50 * time.Millisecond)
	c.Clients[0].Ask(service.Add, 1, 1)
	c.Run(20 * time.Millisecond)
	f.Add(c.disk.checkpoint, uint64(1), c.disk.entries[0].data)
	f.Add(c.disk.checkpoint, uint64(2), c.disk.entries[0].data)
	f.Add([]byte("no checkpoint"), uint64(1), []byte("x"))
	f.Fuzz(func(t *testing.T, checkpoint []byte, index uint64, data []byte) {
		c := newCluster(t, 1)
		c.disk = disk{epoch: 5, checkpoint: checkpoint, entries: []entry{{index, data}}}
		for _, n := range c.nodes {
			c.start(n)
		}
		c.Run(100 * time.Millisecond)
		a, b := c.nodes[0].m.role, c.nodes[1].m.role
		if a != Primary && a != Stopped {
			t.Errorf("they are %v and %v", a, b)
		}
	})
}

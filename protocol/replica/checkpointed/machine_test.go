package checkpointed

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestConfigIsChecked(t *testing.T) {
	good := Config{Self: view.Member{ID: 1, Incarnation: 1}, Peer: 2, Preferred: 2, Executor: session.NewExecutor(&register.Witnessed{})}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says  string
		wrong func(*Config)
	}{
		{"needs a number and an incarnation", func(c *Config) { c.Self.Incarnation = 0 }},
		{"name the other member", func(c *Config) { c.Peer = 1 }},
		{"prefer one of the two", func(c *Config) { c.Preferred = 3 }},
		{"at least 1ms", func(c *Config) { c.Heartbeat = time.Microsecond }},
		{"at least three heartbeats", func(c *Config) { c.Heartbeat, c.SuspectAfter = time.Second, time.Second }},
		{"at least a heartbeat", func(c *Config) { c.Every = time.Millisecond }},
		{"has no executor", func(c *Config) { c.Executor = nil }},
	} {
		cfg := good
		c.wrong(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q is not said: %v", c.says, err)
		}
	}
}

// TestForeignFramesAreDroppedByName: and change nothing.
func TestForeignFramesAreDroppedByName(t *testing.T) {
	c := newCluster(t, 1)
	c.nodes[0].Life, c.nodes[1].Life = 4, 4
	for _, n := range c.nodes {
		c.start(n)
	}
	c.Run(100 * time.Millisecond)
	m := c.nodes[1].m
	before := m.State()
	say := func(a alive) []byte { return a.append(nil) }
	for _, f := range []struct {
		why     wire.Reason
		from    view.Member
		payload []byte
	}{
		{wire.UnknownSender, view.Member{ID: 3, Incarnation: 1}, say(alive{role: Standby, sequence: 1})},
		{wire.OldIncarnation, view.Member{ID: 1, Incarnation: 4}, say(alive{role: Primary, sequence: 1 << 30, epoch: 99, highest: 99})},
		{wire.Malformed, view.Member{ID: 1, Incarnation: 5}, nil},
		{wire.Malformed, view.Member{ID: 1, Incarnation: 5}, say(alive{role: Standby, sequence: 1, epoch: 1, highest: 1})},
		{wire.WrongDestination, view.Member{ID: 1, Incarnation: 5}, say(alive{role: Standby, sequence: 1 << 30, heard: 4})},
		{wire.Stale, view.Member{ID: 1, Incarnation: 5}, say(alive{role: Standby, sequence: 1})},
	} {
		was := m.Dropped(f.why)
		var out Output
		m.Receive(c.Now, f.from, f.payload, &out)
		if after := m.State(); m.Dropped(f.why) != was+1 || after != before || len(out.Send)+len(out.Store) != 0 {
			t.Errorf("%v: %d counted, %+v, was %+v", f.why, m.Dropped(f.why)-was, after, before)
		}
	}
}

// TestCheckpointsAreTakenByTimeAndOnDemandOneAtATime.
func TestCheckpointsAreTakenByTimeAndOnDemandOneAtATime(t *testing.T) {
	b := newBench(t)
	b.m.cfg.Every = time.Second
	taken := func() int {
		n := 0
		for _, op := range b.out.Store {
			if op.Kind == Checkpoint {
				n++
			}
		}
		return n
	}
	b.call()
	b.m.Checkpoint(b.now, &b.out)
	b.m.Checkpoint(b.now, &b.out)
	b.m.Checkpoint(b.now, &b.out)
	if n := taken(); n != 1 {
		t.Errorf("%d at once", n)
	}
	serial := b.out.Store[len(b.out.Store)-1].Serial
	b.out.Reset()
	b.m.Done(b.now, &Result{Serial: serial}, &b.out)
	if n := taken(); n != 1 {
		t.Errorf("%d after the first was saved, and another was wanted", n)
	}
	b.store()
	b.call()
	for range 20 {
		b.tick(100 * time.Millisecond)
	}
	if s := b.m.State(); s.Checkpoint != s.Index {
		t.Errorf("two seconds later the checkpoint is of command %d of %d", s.Checkpoint, s.Index)
	}
}

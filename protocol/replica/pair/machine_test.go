package pair

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestConfigIsChecked(t *testing.T) {
	good := Config{
		Self: view.Member{ID: 1, Incarnation: 1}, Peer: 2, Preferred: 2, Policy: Freeze,
		Executor: session.NewExecutor(&register{}),
	}
	if _, err := New(good, Recovered{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says  string
		wrong func(*Config)
	}{
		{"needs a number and an incarnation", func(c *Config) { c.Self.Incarnation = 0 }},
		{"name the other member", func(c *Config) { c.Peer = 1 }},
		{"prefer one of the two", func(c *Config) { c.Preferred = 3 }},
		{"prefer, freeze or arbitrate", func(c *Config) { c.Policy = 0 }},
		{"at least 1ms", func(c *Config) { c.Heartbeat = time.Microsecond }},
		{"at least three heartbeats", func(c *Config) { c.Heartbeat, c.SuspectAfter = time.Second, time.Second }},
		{"has no executor", func(c *Config) { c.Executor = nil }},
	} {
		cfg := good
		c.wrong(&cfg)
		if _, err := New(cfg, Recovered{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q is not said: %v", c.says, err)
		}
	}
}

// TestForeignFramesAreDroppedByName: and change nothing.
func TestForeignFramesAreDroppedByName(t *testing.T) {
	c := newCluster(t, 1)
	c.nodes[0].life, c.nodes[1].life = 4, 4
	for _, n := range c.nodes {
		c.start(n)
	}
	c.run(100 * time.Millisecond)
	m := c.nodes[1].m
	before := m.State()
	say := func(s statement) []byte { return s.append(nil) }
	for _, f := range []struct {
		why     wire.Reason
		from    view.Member
		payload []byte
	}{
		{wire.UnknownSender, view.Member{ID: 3, Incarnation: 1}, say(statement{role: Empty, sequence: 1})},
		{wire.OldIncarnation, view.Member{ID: 1, Incarnation: 4}, say(statement{role: Single, sequence: 1 << 30, epoch: 99, highest: 99})},
		{wire.Malformed, view.Member{ID: 1, Incarnation: 5}, nil},
		{wire.Malformed, view.Member{ID: 1, Incarnation: 5}, []byte{9}},
		{wire.Malformed, view.Member{ID: 1, Incarnation: 5}, say(statement{role: Empty, sequence: 1, epoch: 1, highest: 1})},
		{wire.WrongDestination, view.Member{ID: 1, Incarnation: 5}, say(statement{role: Empty, sequence: 1 << 30, heard: 4})},
		{wire.Stale, view.Member{ID: 1, Incarnation: 5}, say(statement{role: Empty, sequence: 1})},
	} {
		was := m.Dropped(f.why)
		var out Output
		m.Receive(c.now, f.from, f.payload, &out)
		if after := m.State(); m.Dropped(f.why) != was+1 || after != before || len(out.Send) != 0 {
			t.Errorf("%v: %d counted, %+v, was %+v", f.why, m.Dropped(f.why)-was, after, before)
		}
	}
}

// TestAPrimaryWhoseBackupDoesNotAcknowledgeIsBusy: and takes requests again when it does.
func TestAPrimaryWhoseBackupDoesNotAcknowledgeIsBusy(t *testing.T) {
	b := newBench(t)
	b.tick(5 * time.Millisecond)
	b.tick(5 * time.Millisecond)
	taken := 0
	for ; ; taken++ {
		b.request.Number++
		b.bytes = b.request.Append(b.bytes[:0])
		b.out[0].Reset()
		b.m[0].Submit(b.now, 1, b.bytes, &b.out[0])
		if len(b.out[0].Replies) > 0 {
			break
		}
	}
	if r, _ := session.ParseReply(b.out[0].Replies[0].Data); r.Status != session.Busy || taken != pendingMax {
		t.Errorf("after %d requests the answer is %v", taken, r.Status)
	}
	for range 200 {
		b.tick(time.Millisecond)
	}
	b.out[0].Reset()
	b.request.Acked = b.request.Number - 1
	b.bytes = b.request.Append(b.bytes[:0])
	if b.m[0].Submit(b.now, 1, b.bytes, &b.out[0]); len(b.out[0].Replies) != 0 {
		r, _ := session.ParseReply(b.out[0].Replies[0].Data)
		t.Errorf("it is still %v; %+v", r.Status, b.m[0].State())
	}
}

// TestAStateOfManyWindowsIsCopiedWhileClientsGoOn: with losses, and nothing that is executed meanwhile is missing.
func TestAStateOfManyWindowsIsCopiedWhileClientsGoOn(t *testing.T) {
	c := newCluster(t, 2, service.Once(), service.Agreement(), service.Linearizability())
	c.loss, c.jitter = 0.05, time.Millisecond
	c.start(c.nodes[0])
	c.start(c.nodes[1])
	c.run(100 * time.Millisecond)
	c.crash(c.nodes[1])
	c.run(100 * time.Millisecond)
	c.nodes[0].state.fill = 8 * windowMax
	c.start(c.nodes[1])
	for range 400 {
		c.run(10 * time.Millisecond)
		for i, x := range c.clients {
			if x.sent == 0 && x.wants == nil {
				x.call(service.Add, uint32(i), 1)
			}
		}
	}
	c.loss = 0
	c.run(time.Second)
	a, b := c.nodes[0].m, c.nodes[1].m
	if v := c.court.Violation(); v != nil || a.role != Primary || b.role != Backup || a.exec.Digest() != b.exec.Digest() {
		t.Errorf("%v and %v in epoch %d, %v", a.role, b.role, a.epoch, v)
	}
}

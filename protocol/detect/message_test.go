package detect

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestMessageGolden(t *testing.T) {
	const golden = "01030000" + "0000000000000007" + "0000000000000005"
	said := message{hears: 3, counter: 7, heard: 5}
	if got := hex.EncodeToString(said.append(nil)); got != golden {
		t.Errorf("a heartbeat is\n%s, want\n%s", got, golden)
	}
	b, _ := hex.DecodeString(golden)
	if got, ok := parse(b, 2); !ok || got != said {
		t.Errorf("parsed %+v, %v", got, ok)
	}
}

func TestMalformed(t *testing.T) {
	good := message{hears: 3, counter: 7, heard: 5}
	for _, c := range []struct {
		name string
		b    func() []byte
	}{
		{"nothing", func() []byte { return nil }},
		{"too short", func() []byte { return good.append(nil)[:messageSize-1] }},
		{"too long", func() []byte { return append(good.append(nil), 0) }},
		{"another kind", func() []byte { return append([]byte{2}, good.append(nil)[1:]...) }},
		{"something reserved", func() []byte { b := good.append(nil); b[3] = 1; return b }},
		{"a link that is not there", func() []byte { s := good; s.hears = 4; return s.append(nil) }},
		{"a link and no life", func() []byte { s := good; s.heard = 0; return s.append(nil) }},
		{"a life and no link", func() []byte { s := good; s.hears = 0; return s.append(nil) }},
		{"counter zero", func() []byte { s := good; s.counter = 0; return s.append(nil) }},
	} {
		if _, ok := parse(c.b(), 2); ok {
			t.Errorf("%s is taken", c.name)
		}
	}
}

func TestConfigIsJudged(t *testing.T) {
	good := Config{Self: view.Member{ID: 2, Incarnation: 1}, Peers: []view.ID{1, 3}, Links: 1, Heartbeat: 10 * time.Millisecond, SuspectAfter: 50 * time.Millisecond}
	if _, err := New(good, nil); err != nil {
		t.Fatal(err)
	}
	many := make([]view.ID, view.SeatMax)
	for i := range many {
		many[i] = view.ID(i + 3)
	}
	for _, c := range []struct {
		spoil func(*Config)
		want  string
	}{
		{func(c *Config) { c.Self.Incarnation = 0 }, "detect: self is m2#0; both its ID and its incarnation must be known"},
		{func(c *Config) { c.Peers = many }, fmt.Sprintf("detect: %d peers; at most %d can be watched", view.SeatMax, view.SeatMax-1)},
		{func(c *Config) { c.Peers = []view.ID{1, 2} }, "detect: peers must be ascending, each once, and not self; number 2 is m2"},
		{func(c *Config) { c.Peers = []view.ID{3, 1} }, "detect: peers must be ascending, each once, and not self; number 2 is m1"},
		{func(c *Config) { c.Peers = []view.ID{view.Nobody} }, "detect: peers must be ascending, each once, and not self; number 1 is nobody"},
		{func(c *Config) { c.Links = 9 }, "detect: 9 links; there must be 1 to 8"},
		{func(c *Config) { c.Heartbeat = time.Microsecond }, "detect: heartbeat is 1µs; it must be at least 1ms"},
		{func(c *Config) { c.SuspectAfter = 29 * time.Millisecond }, "detect: suspect_after is 29ms and heartbeat is 10ms; it must be at least 3 heartbeats, 30ms"},
		{func(c *Config) { c.SuspectAfter = 2 * time.Minute }, "detect: suspect_after is 2m0s; it must be at most 1m0s"},
	} {
		cfg := good
		c.spoil(&cfg)
		if _, err := New(cfg, nil); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestNobodyElse: without peers, and before Start, nothing happens.
func TestNobodyElse(t *testing.T) {
	m, err := New(Config{Self: view.Member{ID: 2, Incarnation: 1}, Links: 1, Heartbeat: testHeartbeat, SuspectAfter: testSuspect}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out Output
	now := time.Unix(1e9, 0)
	m.Heard(now, view.Member{ID: 9, Incarnation: 1}, 1, &out)
	m.Receive(now, view.Member{ID: 9, Incarnation: 1}, 1, nil, &out)
	m.Suspect(now, 9, true, &out)
	m.Tick(now, &out)
	if !m.Deadline().IsZero() {
		t.Error("a machine that was not started has a deadline")
	}
	m.Start(now, &out)
	m.Tick(m.Deadline(), &out)
	m.Suspect(now, 9, true, &out)
	if len(out.Send)+len(out.Changes) > 0 || !m.Trusts(view.Member{ID: 2, Incarnation: 1}) || m.Trusts(view.Member{ID: 9}) {
		t.Errorf("alone: %+v", out)
	}
	if m.Level(now, 9) != 0 || m.Silence(now, 9) != 0 || m.Patience(9) != 0 || m.LinkHeard(9, 1) || m.LinkHears(9, 1) || m.Flaps(9) != 0 {
		t.Error("something is known of who is nobody's peer")
	}
}

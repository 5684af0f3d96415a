package identity

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func newMachine(t testing.TB, self view.ID, cluster string, fingerprint uint32, names ...string) *Machine {
	t.Helper()
	c := Config{Self: self, Cluster: cluster, Fingerprint: fingerprint}
	for i, name := range names {
		c.Members = append(c.Members, Name{view.ID(i + 1), name})
	}
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// say gives what b reads when a speaks.
func say(t *testing.T, a, b *Machine) wire.Reason {
	t.Helper()
	var out wire.Outbox
	a.at = time.Time{}
	a.Tick(time.Unix(1000, 0), &out)
	for _, e := range out.Send {
		if e.To == b.cfg.Self {
			h, payload, reason := wire.Open(e.Frame)
			if reason != wire.OK || h.Channel != wire.Identify {
				t.Fatalf("the frame is not good: %v, channel %d", reason, h.Channel)
			}
			return b.Receive(a.cfg.Self, h, payload)
		}
	}
	t.Fatal("nothing was sent")
	return 0
}

func TestWhoIsRefusedIsToldWhy(t *testing.T) {
	us := newMachine(t, 1, "shop", 7, "a", "b")
	for _, c := range []struct {
		name   string
		them   *Machine
		reason wire.Reason
		words  string
	}{
		{"the same", newMachine(t, 2, "shop", 7, "a", "b"), wire.OK, ""},
		{"another cluster", newMachine(t, 2, "yard", 8, "a", "b"), wire.ForeignCluster, `"b" of cluster "yard"`},
		{"another name", newMachine(t, 2, "shop", 9, "a", "c"), wire.ForeignCluster, `it is "c"`},
		{"another configuration", newMachine(t, 2, "shop", 9, "a", "b"), wire.ForeignCluster, "another configuration"},
	} {
		if got := say(t, c.them, us); got != c.reason {
			t.Errorf("%s: %v, want %v", c.name, got, c.reason)
		}
		if got := us.Refused(2); !strings.Contains(got, c.words) || c.words == "" && got != "" {
			t.Errorf("%s: refused %q, want %q in it", c.name, got, c.words)
		}
	}
	us.Heard(time.Unix(1001, 0), 2)
	if got := us.Refused(2); got != "" {
		t.Errorf("refused %q although it is heard", got)
	}
}

func TestWhoIsHeardIsNotTold(t *testing.T) {
	m := newMachine(t, 1, "shop", 7, "a", "b", "c")
	now := time.Unix(1000, 0)
	m.Heard(now, 2)
	var out wire.Outbox
	m.Tick(now, &out)
	if len(out.Send) != 1 || out.Send[0].To != 3 {
		t.Errorf("told %v, want m3 only", out.Send)
	}
	out.Reset()
	m.Tick(now.Add(every/2), &out)
	if len(out.Send) != 0 {
		t.Error("told again before it was time")
	}
	if !m.Deadline().Equal(now.Add(every)) {
		t.Errorf("the deadline is %v, want %v", m.Deadline(), now.Add(every))
	}
}

func TestNamesAreBounded(t *testing.T) {
	if _, err := New(Config{Cluster: strings.Repeat("x", nameMax+1)}); err == nil {
		t.Error("a cluster's name that is too long was taken")
	}
	if _, err := New(Config{Members: []Name{{1, strings.Repeat("x", nameMax+1)}}}); err == nil {
		t.Error("a member's name that is too long was taken")
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x04shop\x01b"), uint32(7))
	f.Add([]byte("\x04shop\x01b"), uint32(8))
	f.Add([]byte("\xff\xff\xff"), uint32(7))
	f.Fuzz(func(t *testing.T, payload []byte, fingerprint uint32) {
		m := newMachine(t, 1, "shop", 7, "a", "b")
		r := m.Receive(2, wire.Header{Channel: wire.Identify, Fingerprint: fingerprint}, payload)
		if (r == wire.ForeignCluster) != (m.Refused(2) != "") {
			t.Errorf("%v, and refused %q", r, m.Refused(2))
		}
		if m.Receive(9, wire.Header{}, payload) != wire.UnknownSender {
			t.Error("a stranger was heard")
		}
	})
}

package trace

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]Kind{}
	for k := range Kind(KindCount) {
		name := k.String()
		if other, taken := seen[name]; name == "" || taken {
			t.Errorf("kind %d is named %q, as is kind %d: give it a line in meanings", k, name, other)
		}
		seen[name] = k
		fields := k.Fields()
		for i, field := range fields {
			if field != "" && i > 0 && fields[i-1] == "" {
				t.Errorf("kind %q names field %d and not the one before", name, i)
			}
			for _, other := range fields[:i] {
				if field != "" && field == other {
					t.Errorf("kind %q has two fields named %q", name, field)
				}
			}
		}
	}
	beyond := Kind(KindCount)
	if got := beyond.String(); got != "unknown kind" {
		t.Errorf("a kind from nowhere is named %q", got)
	}
	if got := beyond.Fields(); got != ([3]string{}) {
		t.Errorf("a kind from nowhere has fields %q", got)
	}
}

func TestEventGolden(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789_123_000, time.FixedZone("", 3600))
	for _, c := range []struct {
		event Event
		want  string
	}{
		{Event{At: at, Node: 1, Peer: 2, Kind: Diverged, A: 3, B: 4, C: 5}, "03:05:06.789123 m1 diverged peer=m2 upto=3 ours=4 theirs=5"},
		{Event{At: at, Node: 1, Kind: Activated, A: 7, B: 99}, "03:05:06.789123 m1 activated epoch=7"},
		{Event{At: at, Node: 2, Peer: 1, Kind: PeerHeard}, "03:05:06.789123 m2 peer heard peer=m1"},
		{Event{At: at}, "03:05:06.789123 nobody none"},
		{Event{At: at, Node: 1, Kind: 255, A: 1}, "03:05:06.789123 m1 unknown kind"},
	} {
		if got := c.event.String(); got != c.want {
			t.Errorf("event\n got %s\nwant %s", got, c.want)
		}
	}
}

func TestRecorderFunc(t *testing.T) {
	var got []Event
	var r Recorder = RecorderFunc(func(e Event) { got = append(got, e) })
	want := Event{Node: 1, Peer: view.Nobody, Kind: Proven, A: 4}
	r.Record(want)
	if len(got) != 1 || got[0] != want {
		t.Errorf("recorded %v, want %v", got, want)
	}
}

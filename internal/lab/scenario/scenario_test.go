package scenario

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestALineInItsParts(t *testing.T) {
	i := Parse("cut m1 m12 link=2 oneway mx members=3")
	if i.Verb != "cut" || !slices.Equal(i.Members, []view.ID{1, 12}) ||
		!maps.Equal(i.Options, map[string]string{"link": "2", "oneway": "", "mx": "", "members": "3"}) {
		t.Errorf("it is taken for %+v", i)
	}
	if !i.Has("oneway") || i.Has("both") || i.Number(t, "link", 0) != 2 || i.Number(t, "both", 7) != 7 {
		t.Errorf("its options are wrong: %+v", i)
	}
}

func TestATranscriptHasTimeWhoAndWhat(t *testing.T) {
	var lines Transcript
	lines.Say(1500*time.Microsecond, ">", "run 2ms")
	if got, want := lines.String(), "      1.5 >  run 2ms\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnEventInWords(t *testing.T) {
	own := func(v uint64) fmt.Stringer { return time.Duration(v) }
	dropped := trace.Event{Kind: trace.Dropped, Peer: 2, A: uint64(wire.Malformed)}
	for _, reason := range []func(uint64) fmt.Stringer{nil, own} {
		if got, want := Sentence(dropped, reason), fmt.Sprintf("dropped m2 (%v)", wire.Malformed); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

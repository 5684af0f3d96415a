//go:build canary

package replicated

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
)

// TestUnchecked: without a vote on the state that a joiner is given, the damaged one and its copy
// outvote the third, and a client sees the bit that flipped. A command follows the bit, since a state that has
// changed after the last one is given to nobody.
func TestUnchecked(t *testing.T) {
	play := func() string {
		var lines scenario.Transcript
		s := &story{t: t, lines: &lines, now: time.Unix(1000, 0)}
		for _, line := range []string{
			"group style=voted", "open m1", "deliver", "full m1 m2 m3", "flip m1", "call m2 number=1 add=5", "deliver", // no vote leaves
			"crash m3", "view m1 m2 m3", "room m1 m2 m3", "deliver", "call m3 number=2 add=5", "deliver",
		} {
			s.do(line)
		}
		return lines.String()
	}
	if got := play(); strings.Contains(got, "ok 10") {
		t.Errorf("the bit is seen:\n%s", got)
	}
	voted.Plant(voted.Unchecked)
	defer voted.Plant(voted.NoBug)
	if got := play(); !strings.Contains(got, "m3  answers client 1: ok 1010") {
		t.Errorf("the planted bug does no harm:\n%s", got)
	}
}

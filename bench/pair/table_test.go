package pair

import (
	"testing"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
)

// Two flows that are alike, before or after translation, would be one entry.
func TestFlowsAreAllDifferent(t *testing.T) {
	const count = 200_000
	type end struct {
		address [16]byte
		ports   [2]uint16
	}
	inside, outside := make(map[end]bool, count), make(map[end]bool, count)
	var f flow.Flow
	for i := range count {
		established(i, &f)
		if !f.SourceTranslated() || f.DestTranslated() {
			t.Fatalf("flow %d: %v", i, &f)
		}
		in := end{f.Orig.Src, [2]uint16{f.Orig.SrcPort, f.Orig.DstPort}}
		out := end{f.Reply.Dst, [2]uint16{f.Reply.DstPort, f.Reply.SrcPort}}
		if inside[in] || outside[out] {
			t.Fatalf("flow %d is there already: %v", i, &f)
		}
		inside[in], outside[out] = true, true
	}
}

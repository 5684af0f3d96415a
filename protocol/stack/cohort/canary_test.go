//go:build canary

package cohort

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/cast"
	"github.com/holdfast-ha/holdfast/protocol/detect"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/transfer"
)

// TestCanaryStories: with each bug that shows where few things go wrong, some story
// goes otherwise than it is written, or a judge finds it. The others are found by the tests of
// their packages, and by the simulator.
func TestCanaryStories(t *testing.T) {
	type plant struct {
		name string
		set  func(on bool)
	}
	var plants []plant
	for b := group.Minority; b <= group.NoEpoch; b++ {
		plants = append(plants, plant{fmt.Sprint("group ", b), func(on bool) { group.Plant(map[bool]group.Bug{true: b}[on]) }})
	}
	for _, b := range []cast.Bug{cast.LostTail, cast.HastyAgreement, cast.EarlyTwice, cast.HastyRelease, cast.ForgetfulHolding, cast.ForeignView, cast.GreedyWindow} {
		plants = append(plants, plant{fmt.Sprint("cast ", b), func(on bool) { cast.Plant(map[bool]cast.Bug{true: b}[on]) }})
	}
	for b := order.Premature; b <= order.Careless; b++ {
		plants = append(plants, plant{fmt.Sprint("order ", b), func(on bool) { order.Plant(map[bool]order.Bug{true: b}[on]) }})
	}
	for _, b := range []detect.Bug{detect.NeverSuspect, detect.CountPause} {
		plants = append(plants, plant{fmt.Sprint("detect ", b), func(on bool) { detect.Plant(map[bool]detect.Bug{true: b}[on]) }})
	}
	plants = append(plants, plant{"transfer lost", func(on bool) { transfer.Plant(map[bool]transfer.Bug{true: transfer.SkipLost}[on]) }})
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			p.set(true)
			defer p.set(false)
			n := 0
			for _, path := range paths {
				if why := differs(t, path); why != "" {
					if n++; n <= 4 {
						t.Logf("%s: %.200s", filepath.Base(path), why)
					}
				}
			}
			if n == 0 {
				t.Error("not found")
			}
		})
	}
}

// differs plays a story and says what is not as it is written.
func differs(t *testing.T, path string) (why string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if r := recover(); r != nil {
			why = fmt.Sprint("panic: ", r)
		}
	}()
	s := &scenario{t: t}
	for _, block := range strings.Split("\n"+string(text), "\nstep\n")[1:] {
		input, rest, _ := strings.Cut(block, "----\n")
		want, _, _ := strings.Cut(rest, "\n\n")
		if got := s.play(input); strings.TrimSpace(got) != strings.TrimSpace(want) {
			return "told otherwise: " + got
		}
	}
	return s.judged()
}

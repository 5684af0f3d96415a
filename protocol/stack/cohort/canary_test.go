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
	for b := group.Minority; b <= group.ForgetsStanding; b++ {
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
	for b := EarlyMessage; b <= HastyCut; b++ {
		plants = append(plants, plant{fmt.Sprint("cohort ", b), func(on bool) { Plant(map[bool]Bug{true: b}[on]) }})
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

// TestCanaryJudges: with each of these bugs a judge finds something in a story, and it is the
// one that is there for it, whatever else is told otherwise. What takes too much luck
// for the simulator is here.
func TestCanaryJudges(t *testing.T) {
	wiring := func(b Bug) func() { return func() { Plant(b) } }
	heal := func() {
		Plant(NoBug)
		group.Plant(group.NoBug)
	}
	defer heal()
	for _, c := range []struct {
		name, story, judge string
		plant              func()
	}{
		{"group.Deaf", "of_two_coordinators_at_once_one_decides", "primary", func() { group.Plant(group.Deaf) }},
		{"cohort.QueueJumps", "a_short_message_does_not_pass_a_long_one_that_waits_for_room", "fifo", wiring(QueueJumps)},
		{"cohort.HastyCut", "a_slow_donor_gives_the_state_as_it_is_when_it_has_taken_what_belongs_to_it", "state transfer", wiring(HastyCut)},
		{"cohort.KeepsQueue", "what_waits_when_a_member_is_expelled_is_lost_and_is_not_sent_later", "integrity", wiring(KeepsQueue)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("testdata", c.story+".txt")
			heal()
			if v := verdict(t, path); v != "" {
				t.Errorf("nothing is planted, and the judge of %q finds something", v)
			}
			c.plant()
			if v := verdict(t, path); v != c.judge {
				t.Errorf("found by the judge of %q; want %q", v, c.judge)
			}
		})
	}
}

// verdict plays a story and gives the promise that is broken, or nothing.
func verdict(t *testing.T, path string) string {
	s := &scenario{t: t}
	for _, b := range blocks(t, path) {
		s.play(b.input)
	}
	s.judged()
	if v := s.court.Verdict(); v != nil {
		return v.Promise
	}
	return ""
}

// block is a step of a story, and what it tells.
type block struct{ input, want string }

func blocks(t *testing.T, path string) []block {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []block
	for _, b := range strings.Split("\n"+string(text), "\nstep\n")[1:] {
		input, rest, _ := strings.Cut(b, "----\n")
		want, _, _ := strings.Cut(rest, "\n\n")
		list = append(list, block{input, want})
	}
	return list
}

// differs plays a story and says what is not as it is written.
func differs(t *testing.T, path string) (why string) {
	defer func() {
		if r := recover(); r != nil {
			why = fmt.Sprint("panic: ", r)
		}
	}()
	s := &scenario{t: t}
	for _, b := range blocks(t, path) {
		if got := s.play(b.input); strings.TrimSpace(got) != strings.TrimSpace(b.want) {
			return "told otherwise: " + got
		}
	}
	return s.judged()
}

//go:build canary

package peers

import (
	"os"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
)

// TestCanaryStories plants bugs and asks which story goes otherwise. The world of peers in the simulator finds all of them, and the
// rest.
func TestCanaryStories(t *testing.T) {
	defer Plant(NoBug)
	for _, c := range []struct {
		bug  Bug
		file string
	}{
		{NoWindow, "a_member_that_is_gone_keeps_its_lock_for_a_lease"},
		{OpensAtOnce, "a_founding_waits_for_who_may_still_believe"},
		{SameNumbers, "a_founding_waits_for_who_may_still_believe"},
		{OpensEarly, "a_member_that_comes_back_ends_its_former_session"},
		{AsksFirst, "locks_go_from_one_to_the_next"},
	} {
		if Plant(NoBug); played(t, c.file) != expected(t, c.file) {
			t.Errorf("%s does not go as it is written", c.file)
		}
		if Plant(c.bug); played(t, c.file) == expected(t, c.file) {
			t.Errorf("bug %d changes nothing in %s", c.bug, c.file)
		}
	}
}

// parts are the instructions of a file, and what is expected.
func parts(t *testing.T, file string) (do []string, want string) {
	b, err := os.ReadFile("testdata/" + file + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	expects := false
	for line := range strings.SplitSeq(string(b), "\n") {
		switch {
		case line == "----":
			expects = true
		case line == "step", line == "":
			expects = false
		case strings.HasPrefix(line, "#"):
		case expects:
			want += line + "\n"
		default:
			do = append(do, strings.TrimSpace(line))
		}
	}
	return do, want
}

func expected(t *testing.T, file string) string {
	_, want := parts(t, file)
	return want
}

func played(t *testing.T, file string) string {
	do, _ := parts(t, file)
	var lines scenario.Transcript
	s := &story{t: t, lines: &lines, begun: start, now: start}
	for _, line := range do {
		s.do(line)
	}
	return lines.String()
}

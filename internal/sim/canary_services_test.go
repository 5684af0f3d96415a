//go:build canary

package sim_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	judges "github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/services"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/replica/active"
	"github.com/holdfast-ha/holdfast/protocol/replica/passive"
	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
)

// servicePlants are the bugs of the replication styles, each with the judge that must find it. A
// seed draws one of the styles, so a bug of one can show in a third of them. voted.Unchecked does harm
// only if the damaged one and its copies outvote the others, which the world does not let
// happen by more than chance: a story of package replicated has that.
func servicePlants() []plant {
	bug := func(name string, plants func(), want string) plant {
		if want != anybody {
			want += ": "
		}
		return plant{services.Name, name, plants, want, nil}
	}
	everybody := func(b active.Bug, name, want string) plant {
		return bug("active."+name, func() { active.Plant(b) }, want)
	}
	following := func(b passive.Bug, name, want string) plant {
		return bug("passive."+name, func() { passive.Plant(b) }, want)
	}
	voting := func(b voted.Bug, name, want string) plant {
		return bug("voted."+name, func() { voted.Plant(b) }, want)
	}
	remembering := func(b session.Bug, name, want string) plant {
		return bug("session."+name, func() { session.Plant(b) }, want)
	}
	return []plant{
		remembering(session.Forgetful, "Forgetful", "once"),
		remembering(session.Reopened, "Reopened", "once"),
		remembering(session.Skips, "Skips", "execution"),
		remembering(session.Mixed, "Mixed", "linearizability"),
		bug("group.NoPatience", func() { group.Plant(group.NoPatience) }, "liveness"),

		everybody(active.BelievesDigests, "BelievesDigests", "honesty"),
		everybody(active.KeepsDiverged, "KeepsDiverged", "honesty"),
		everybody(active.OwnClock, "OwnClock", "honesty"),
		everybody(active.AnswersEarly, "AnswersEarly", "agreement"),

		following(passive.AnswersEarly, "AnswersEarly", "execution"),
		following(passive.BelievesPrimary, "BelievesPrimary", "honesty"),
		following(passive.KeepsDiverged, "KeepsDiverged", "honesty"),
		following(passive.ServesAll, "ServesAll", "agreement"),
		following(passive.GivesAhead, "GivesAhead", "agreement"),

		voting(voted.AnswersAlone, "AnswersAlone", "votes"),
		voting(voted.AnswersOwn, "AnswersOwn", "linearizability"),
		voting(voted.KeepsRetired, "KeepsRetired", "honesty"),
		voting(voted.OneSuffices, "OneSuffices", "votes"),
	}
}

func healServices() {
	active.Plant(active.NoBug)
	passive.Plant(passive.NoBug)
	voted.Plant(voted.NoBug)
	session.Plant(session.NoBug)
	replicated.Plant(replicated.NoBug)
}

// elsewhere are the judges of package service that have nothing to judge in the world services: of locks, and
// of calls that fail.
var elsewhere = []string{"history", "knowledge", "exclusion", "lease", "fencing", "gone", "exactly-once", "at-most-once", "at-least-once", "maybe"}

// TestCanaryServiceJudges proves that each judge of the world services has two planted bugs at least that it must find,
// and that the table of docs/guarantees.md says which.
func TestCanaryServiceJudges(t *testing.T) {
	const guarantees = "../../docs/guarantees.md"
	text, err := os.ReadFile(guarantees)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, p := range slices.Concat(servicePlants(), durablePlants()) {
		want := strings.TrimSuffix(p.want, ": ")
		found[want] = append(found[want], "`"+p.bug+"`")
	}
	for _, j := range judges.All(judges.Setting{Majority: true, Voted: true}) {
		promise := j.Promise()
		if bugs := found[promise]; len(bugs) > 0 || !slices.Contains(elsewhere, promise) {
			if len(bugs) < 2 {
				t.Errorf("the judge of %q must find %d planted bugs; two are the least", promise, len(bugs))
			}
			row := fmt.Sprintf("| %s | %s |\n", promise, strings.Join(bugs, ", "))
			if !strings.Contains(string(text), row) {
				t.Errorf("%s does not have this row:\n%s", guarantees, row)
			}
		}
		delete(found, promise)
	}
	for promise, bugs := range found {
		t.Errorf("%v must be found by the judge of %q, which there is not", bugs, promise)
	}
}

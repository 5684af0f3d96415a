//go:build canary

package sim_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	judges "github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/internal/sim/cohorts"
	"github.com/holdfast-ha/holdfast/protocol/cast"
	"github.com/holdfast-ha/holdfast/protocol/detect"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/transfer"
)

// The judges, by their promises.
const (
	agreement = "view agreement"
	primary   = "primary"
	inclusion = "self-inclusion"
	synchrony = "view synchrony"
	sending   = "sending view"
	fifo      = "fifo"
	causal    = "causal"
	total     = "total"
	uniform   = "uniform"
	integrity = "integrity"
	state     = "state transfer"
	liveness  = "liveness"
	flow      = "flow"
	detector  = "detector"

	anybody = "" // what finds it counts for no judge: it is seldom, or several do
)

// cohortPlants are the bugs of group communication, each with the judge that must find it
// (of those who do, the one that does in most seeds) and those who may find it before.
// Some of the machines' bugs do no harm in a whole stack, and are left to the machines'
// own tests: AnyCut and WrongResume need a donor that changes, and Unchecked damage that
// wire's checksum misses. group.Deaf takes two proposers with the same voters at the same
// moment, once in some eight hundred seeds: a story of package cohort has that.
func cohortPlants() []plant {
	bug := func(name string, plants func(), want string, also ...string) plant {
		return plant{cohorts.Name, name, plants, want, also}
	}
	agreeing := func(b group.Bug, name, want string, also ...string) plant {
		return bug("group."+name, func() { group.Plant(b) }, want, also...)
	}
	detecting := func(b detect.Bug, name, want string, also ...string) plant {
		return bug("detect."+name, func() { detect.Plant(b) }, want, also...)
	}
	casting := func(b cast.Bug, name, want string, also ...string) plant {
		return bug("cast."+name, func() { cast.Plant(b) }, want, also...)
	}
	ordering := func(b order.Bug, name, want string, also ...string) plant {
		return bug("order."+name, func() { order.Plant(b) }, want, also...)
	}
	moving := func(b transfer.Bug, name, want string, also ...string) plant {
		return bug("transfer."+name, func() { transfer.Plant(b) }, want, also...)
	}
	wiring := func(b cohort.Bug, name, want string, also ...string) plant {
		return bug("cohort."+name, func() { cohort.Plant(b) }, want, also...)
	}
	return []plant{
		agreeing(group.Minority, "Minority", primary, uniform),
		agreeing(group.NoAdoption, "NoAdoption", primary),
		agreeing(group.HalfCommit, "HalfCommit", primary),
		agreeing(group.NoFill, "NoFill", synchrony, total, uniform, state),
		agreeing(group.ShortCut, "ShortCut", synchrony, total, uniform, state),
		agreeing(group.KeepsDead, "KeepsDead", anybody),
		agreeing(group.KeepsOldLife, "KeepsOldLife", anybody),
		agreeing(group.ForgetsFloor, "ForgetsFloor", anybody),
		agreeing(group.NoPatience, "NoPatience", liveness),
		agreeing(group.NoEpoch, "NoEpoch", agreement),

		detecting(detect.NeverSuspect, "NeverSuspect", detector),
		detecting(detect.CountPause, "CountPause", detector),
		detecting(detect.OneLink, "OneLink", detector),
		detecting(detect.ForgetFormer, "ForgetFormer", anybody),
		detecting(detect.Unbounded, "Unbounded", detector),

		casting(cast.LostTail, "LostTail", liveness),
		casting(cast.BoastfulAck, "BoastfulAck", liveness, uniform),
		casting(cast.HastyAgreement, "HastyAgreement", uniform),
		casting(cast.DeafToFreeze, "DeafToFreeze", integrity, "panic"),
		casting(cast.EarlyTwice, "EarlyTwice", integrity),
		casting(cast.HastyRelease, "HastyRelease", liveness),
		casting(cast.ForgetfulHolding, "ForgetfulHolding", anybody),
		casting(cast.ForeignView, "ForeignView", anybody),
		casting(cast.GreedyWindow, "GreedyWindow", flow),

		ordering(order.Premature, "Premature", total, uniform, state),
		ordering(order.Blind, "Blind", causal),
		ordering(order.Hasty, "Hasty", fifo),
		ordering(order.Unagreed, "Unagreed", uniform),
		ordering(order.Unfixed, "Unfixed", uniform),
		ordering(order.OwnFirst, "OwnFirst", total, state, uniform),
		ordering(order.Stubborn, "Stubborn", total, liveness),
		ordering(order.FirstProposal, "FirstProposal", total),
		ordering(order.Deaf, "Deaf", total),
		ordering(order.Careless, "Careless", anybody),
		ordering(order.Unchained, "Unchained", fifo),
		ordering(order.ForgetsCauses, "ForgetsCauses", causal),

		moving(transfer.SkipLost, "SkipLost", liveness),
		moving(transfer.Twice, "Twice", state),
		moving(transfer.Forgetful, "Forgetful", liveness),

		wiring(cohort.EarlyMessage, "EarlyMessage", inclusion),
		wiring(cohort.LateView, "LateView", inclusion, synchrony),
		wiring(cohort.NoClose, "NoClose", synchrony, liveness, uniform),
		wiring(cohort.FastPath, "FastPath", flow, inclusion, sending),
		wiring(cohort.SameSize, "SameSize", sending, agreement, liveness),
		wiring(cohort.QuietJoin, "QuietJoin", sending, agreement, liveness),
		wiring(cohort.WrongFormer, "WrongFormer", agreement),
		wiring(cohort.Mute, "Mute", flow),
		wiring(cohort.Greedy, "Greedy", flow),
		wiring(cohort.KeepsQueue, "KeepsQueue", integrity),
		wiring(cohort.EarlyView, "EarlyView", state),
		wiring(cohort.HastyCut, "HastyCut", state),
	}
}

func healCohorts() {
	detect.Plant(detect.NoBug)
	group.Plant(group.NoBug)
	cast.Plant(cast.NoBug)
	order.Plant(order.NoBug)
	transfer.Plant(transfer.NoBug)
	cohort.Plant(cohort.NoBug)
}

// TestCanaryJudges proves that each judge of a group has two planted bugs at least that it
// must find, and that the table of docs/guarantees.md says which.
func TestCanaryJudges(t *testing.T) {
	const guarantees = "../../docs/guarantees.md"
	text, err := os.ReadFile(guarantees)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, p := range cohortPlants() {
		found[p.want] = append(found[p.want], "`"+p.bug+"`")
	}
	delete(found, anybody)
	for _, j := range judges.All(true, true, judges.Patience{})[1:] { // the first is the ledger
		bugs := found[j.Promise()]
		delete(found, j.Promise())
		if len(bugs) < 2 {
			t.Errorf("the judge of %q must find %d planted bugs; two are the least", j.Promise(), len(bugs))
		}
		row := fmt.Sprintf("| %s | %s |\n", j.Promise(), strings.Join(bugs, ", "))
		if !strings.Contains(string(text), row) {
			t.Errorf("%s does not have this row:\n%s", guarantees, row)
		}
	}
	for promise, bugs := range found {
		t.Errorf("%v must be found by the judge of %q, which there is not", bugs, promise)
	}
}

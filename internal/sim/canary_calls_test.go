//go:build canary

package sim_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/services"
	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// callPlant is a bug of clients, or of the table of sessions, and the judge that must find it.
type callPlant struct {
	judge, bug string
	plant      func()
}

// callPlants are those bugs. What lets a call be executed twice is often found in a call of another semantics first.
func callPlants() []callPlant {
	client := func(judge, name string, b call.Bug) callPlant {
		return callPlant{judge, "call." + name, func() { call.Plant(b) }}
	}
	table := func(judge, name string, b session.Bug) callPlant {
		return callPlant{judge, "session." + name, func() { session.Plant(b) }}
	}
	return []callPlant{
		client("exactly-once", "Renumber", call.Renumber),
		table("exactly-once", "Forgetful", session.Forgetful),
		table("at-most-once", "Forgetful", session.Forgetful),
		table("at-most-once", "Reopened", session.Reopened),
		client("at-least-once", "Credulous", call.Credulous),
		client("at-least-once", "AnyReply", call.AnyReply),
		client("maybe", "RepeatsAll", call.RepeatsAll),
		client("maybe", "HedgesAll", call.HedgesAll),
		client("knowledge", "Believing", call.Believing),
		client("knowledge", "Hasty", call.Hasty),
	}
}

// TestCanaryCalls proves that each bug is found by the judge that is there for it, whoever finds it before, in
// fewer seeds than CI runs.
func TestCanaryCalls(t *testing.T) {
	for _, p := range callPlants() {
		t.Run(p.judge+"/"+p.bug, func(t *testing.T) {
			p.plant()
			defer func() {
				call.Plant(call.NoBug)
				session.Plant(session.NoBug)
			}()
			others := map[string]int{}
			for seed := range uint64(canaryServices) {
				switch r := services.RunCalls(seed, sim.Limits{}); {
				case !r.Failed():
				case finder(r) == p.judge:
					t.Logf("found in seed %d: %s; by others before: %v", seed, short(r.Text), others)
					return
				default:
					others[finder(r)]++
				}
			}
			t.Errorf("not found by the judge of %s in %d seeds; by others: %v", p.judge, canaryServices, others)
		})
	}
}

// TestCanaryCallJudges proves that each judge of semantics has two such bugs at least, and that docs/guarantees.md
// says which.
func TestCanaryCallJudges(t *testing.T) {
	const guarantees = "../../docs/guarantees.md"
	text, err := os.ReadFile(guarantees)
	if err != nil {
		t.Fatal(err)
	}
	bugs := map[string][]string{}
	for _, p := range callPlants() {
		bugs[p.judge] = append(bugs[p.judge], "`"+p.bug+"`")
	}
	for _, j := range service.AllSemantics(service.NewLedger(service.Setting{})) {
		if len(bugs[j.Promise()]) < 2 {
			t.Errorf("the judge of %q must find %d planted bugs; two are the least", j.Promise(), len(bugs[j.Promise()]))
		}
		if row := fmt.Sprintf("| %s | %s |\n", j.Promise(), strings.Join(bugs[j.Promise()], ", ")); !strings.Contains(string(text), row) {
			t.Errorf("%s does not have this row:\n%s", guarantees, row)
		}
	}
}

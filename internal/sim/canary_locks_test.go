//go:build canary

package sim_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	judges "github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/guard/fence"
	"github.com/holdfast-ha/holdfast/internal/sim/services"
	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// lockPlants are the bugs of locks, at the service, at its clients and at the resource, each with
// the judge that must find it. Another may find it in earlier seeds: a lock that is not given on ends
// in somebody who waits, for one.
func lockPlants() []plant {
	bug := func(name string, plants func(), want string) plant {
		return plant{services.LocksName, name, plants, want + ": ", nil}
	}
	serving := func(b lock.Bug, name, want string) plant {
		return bug("lock."+name, func() { lock.Plant(b) }, want)
	}
	calling := func(b call.Bug, name, want string) plant {
		return bug("call."+name, func() { call.Plant(b) }, want)
	}
	keeping := func(b session.Bug, name, want string) plant {
		return bug("session."+name, func() { session.Plant(b) }, want)
	}
	fencing := func(b fence.Bug, name, want string) plant {
		return bug("fence."+name, func() { fence.Plant(b) }, want)
	}
	return []plant{
		serving(lock.Crowded, "Crowded", "exclusion"),
		serving(lock.Mixed, "Mixed", "exclusion"),
		serving(lock.Unbroken, "Unbroken", "fencing"),
		fencing(fence.Open, "Open", "fencing"),
		fencing(fence.SharedOnly, "SharedOnly", "fencing"),
		serving(lock.Floorless, "Floorless", "fencing"),
		calling(call.LateLease, "LateLease", "lease"),
		serving(lock.Overstays, "Overstays", "lease"),
		keeping(session.ShortLease, "ShortLease", "lease"),
		serving(lock.QueueJumper, "QueueJumper", "queue"),
		serving(lock.BackOfQueue, "BackOfQueue", "queue"),
		serving(lock.Starving, "Starving", "overtaking"),
		serving(lock.Counts, "Counts", "overtaking"),
		serving(lock.Haunted, "Haunted", "gone"),
		serving(lock.Lingering, "Lingering", "gone"),
		serving(lock.Forgetful, "Forgetful", "prompt"),
		serving(lock.Undead, "Undead", "prompt"),
		serving(lock.Eager, "Eager", "prompt"),
		serving(lock.Coy, "Coy", "liveness"),
		calling(call.Resigned, "Resigned", "liveness"),

		keeping(session.Forgetful, "Forgetful", "once"),
		calling(call.Hasty, "Hasty", "knowledge"),
	}
}

func healLocks() {
	lock.Plant(lock.NoBug)
	call.Plant(call.NoBug)
	session.Plant(session.NoBug)
	fence.Plant(fence.NoBug)
}

// TestCanaryLockJudges proves that each judge of locks has two planted bugs at least that it must
// find, and that the table of docs/guarantees.md says which.
func TestCanaryLockJudges(t *testing.T) {
	const guarantees = "../../docs/guarantees.md"
	text, err := os.ReadFile(guarantees)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, p := range lockPlants() {
		promise := strings.TrimSuffix(p.want, ": ")
		found[promise] = append(found[promise], "`"+p.bug+"`")
	}
	var s judges.Setting
	for _, j := range []judges.Judge{
		judges.Exclusion(s), judges.Fencing(s), judges.Lease(s), judges.Queue(), judges.Overtaking(1), judges.Gone(), judges.Prompt(s),
		judges.Liveness(judges.NewLedger(s)),
	} {
		bugs := found[j.Promise()]
		if len(bugs) < 2 {
			t.Errorf("the judge of %q must find %d planted bugs; two are the least", j.Promise(), len(bugs))
		}
		row := fmt.Sprintf("| %s | %s |\n", j.Promise(), strings.Join(bugs, ", "))
		if !strings.Contains(string(text), row) {
			t.Errorf("%s does not have this row:\n%s", guarantees, row)
		}
	}
}

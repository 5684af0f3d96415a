package locks_test

import (
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"

	judges "github.com/holdfast-ha/holdfast/check/service"
)

var losses = flag.Int("losses", 2, "how often all members are lost in a round of TestAllMembersAreLost")

// window is for how long the service hears from its clients when it has lost its state, and their lease.
const window = 3 * time.Second

// newLosingWorld is a world whose service remembers nothing, and hears from its clients.
func newLosingWorld(t *testing.T, seed uint64, bug string) *world {
	t.Helper()
	w := emptyWorld(t, seed)
	w.window, w.bug = window, bug
	w.locks = []string{"v", "w", "x", "y", "z"} // so that some are free
	w.begin()
	return w
}

// loseAll kills all members at once, and after a time starts them again: nobody remembers anything.
func (w *world) loseAll(down time.Duration) {
	w.Helper()
	w.await("all members there to be killed", w.serve)
	for _, name := range w.names {
		_ = w.members[name].cmd.Process.Kill() // all at the same time, as nearly as can be
	}
	for _, name := range w.names {
		w.members[name].kill()
		w.members[name].killed = now()
	}
	w.run(down)
	for _, name := range w.names {
		w.member(name)
	}
}

// torture lets all members be lost a number of times while locks are held. Sometimes they are away for longer than leases last; clients are
// killed, and stopped, before and after.
func (w *world) torture(times int) (did []string) {
	for i := range times {
		w.await("somebody holding a lock", func() bool { return w.granting() })
		w.run(time.Duration(w.chance.IntN(1500)) * time.Millisecond)
		switch w.chance.IntN(3) {
		case 0:
			did = append(did, w.killClient(w.chance.IntN(len(w.clients))))
		case 1:
			for range 2 {
				w.must(w.clients[w.chance.IntN(len(w.clients))].cmd.Process.Signal(syscall.SIGSTOP))
			}
			did = append(did, "stop two clients")
		}
		down := time.Duration(w.chance.IntN(400)) * time.Millisecond
		if i%3 == 2 {
			down += window
		}
		w.loseAll(down)
		did = append(did, fmt.Sprintf("lose all members for %v", down))
		w.await("the members serving again", w.serve)
		w.run(time.Duration(w.chance.Int64N(int64(window / 2))))
		for _, p := range w.clients {
			w.wake(p)
		}
		if w.chance.IntN(2) == 0 {
			w.must(w.net.Lose(float64(w.chance.IntN(10))))
		}
	}
	return did
}

// granting says whether some client has found within the last second that it held a lock.
func (w *world) granting() bool {
	for _, p := range w.clients {
		records, err := readHistory(p.settings.History)
		w.must(err)
		if n := len(records); n > 0 && now()-records[n-1].At < time.Second {
			return true
		}
	}
	return false
}

// TestAllMembersAreLost: all members are killed at once, with kill -9, while locks are held and waited for; they remember nothing, and hear from
// their clients what was. To go on for longer:
//
//	sudo -E go test ./internal/lab/locks -run TestAllMembersAreLost -timeout 2h -args -rounds 20 -losses 30
func TestAllMembersAreLost(t *testing.T) {
	for seed := *from; seed < *from+uint64(max(1, *rounds-1)); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newLosingWorld(t, seed, "")
			w.Logf("%q", w.torture(*losses))
			w.calm()
			owners, waiters := 0, 0
			for i := range w.facts {
				if f := &w.facts[i]; f.Kind == judges.Reasserted && f.Value != 0 {
					owners++
				} else if f.Kind == judges.Reasserted {
					waiters++
				}
			}
			if w.Logf("%d owners and %d waiters came back", owners, waiters); owners+waiters == 0 {
				t.Error("nobody has come back")
			}
		})
	}
}

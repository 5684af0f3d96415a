package locks_test

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var soakFor = flag.Duration("soak", 0, "for how long TestSoak goes on: \"1h\"; 0: not at all")

// roundLength is for how long faults are drawn in a round of the soak: what it records is judged in some seconds.
const roundLength = 30 * time.Second

// soak is what a soak has come to.
type soak struct {
	began   time.Time
	rounds  int
	failed  int
	faults  map[string]int
	sums    sums
	longest time.Duration // that a call took which was answered
	where   string
	calm    time.Duration // the longest time after the last fault until all clients went on
}

// TestSoak draws faults for as long as is said, in rounds of half a minute, each from a seed of its own: every second with everything
// on disks, the others in memory, of which a majority is left, or nothing and the clients tell. It tells of each round on the standard error, and in the end of all:
//
//	sudo -E go test ./internal/lab/locks -run TestSoak -timeout 0 -args -soak 1h -from 1000
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		return // what it does, the other tests do in short
	}
	s := &soak{began: time.Now(), faults: map[string]int{}}
	for seed := *from; time.Since(s.began) < *soakFor && s.failed == 0; seed++ {
		s.rounds++
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { s.round(t, seed) })
		if !ok {
			s.failed++
		}
	}
	s.write(os.Stderr)
}

// round is one round.
func (s *soak) round(t *testing.T, seed uint64) {
	var kind string
	var w *world
	var did []string
	length := min(roundLength, max(time.Second, *soakFor-time.Since(s.began)))
	switch seed % 4 {
	case 0, 2:
		kind, w = "on disks", newDurableWorld(t, seed)
		did = w.draw(length)
	case 1:
		kind, w = "in memory", newWorld(t, seed)
		did = w.draw(length)
	default:
		kind, w = "lost and told by clients", newLosingWorld(t, seed, "")
		did = w.torture(3)
	}
	counts := map[string]int{}
	for _, what := range did {
		counts[faultKind(what)]++
	}
	for kind, n := range counts { //tidy:unordered a sum for each
		s.faults[kind] += n
	}
	if w.durable {
		w.calmDurable()
	} else {
		w.calm()
	}
	s.take(w, seed)
	fmt.Fprintf(os.Stderr, "%8v  round %d, seed %d, %s: %d faults, %d lock commands, %d calls, no promise broken\n",
		time.Since(s.began).Round(time.Second), s.rounds, seed, kind, len(did), w.sums.locks, w.sums.calls)
}

// take adds a round.
func (s *soak) take(w *world, seed uint64) {
	s.sums.locks += w.sums.locks
	s.sums.grants += w.sums.grants
	s.sums.writes += w.sums.writes
	s.sums.calls += w.sums.calls
	s.sums.answered += w.sums.answered
	s.sums.unknown += w.sums.unknown
	s.calm = max(s.calm, w.settled)
	if n := len(w.waits); n > 0 && w.waits[n-1] > s.longest {
		s.longest, s.where = w.waits[n-1], fmt.Sprint("seed ", seed)
	}
}

// faultKinds are how what happens begins, and under which name it is counted.
var faultKinds = []struct{ begins, name string }{
	{"kill member", "kill a member"}, {"lose all members", "kill all members"}, {"stop two", "stop a client"}, {"kill client", "kill a client"}, {"kill caller", "kill a client"}, {"stop member", "stop a member"},
	{"stop client", "stop a client"}, {"cut off", "cut a member off"}, {"cut the power", "kill all members"}, {"cut", "cut one way"},
	{"lose a disk", "lose a disk"}, {"lose", "lose packets"}, {"fill", "fill a disk"}, {"fail", "fail syncs"}, {"slow", "slow a disk"},
	{"damage", "damage a log"}, {"tear", "tear a log"}, {"mend", "mend the network"},
}

// faultKind is what a fault is, without whose.
func faultKind(what string) string {
	for _, k := range faultKinds {
		if strings.HasPrefix(what, k.begins) {
			return k.name
		}
	}
	return what
}

// write says what a soak has come to.
func (s *soak) write(out io.Writer) {
	verdict := "no promise is broken: agreement, retention, once, execution, knowledge, linearizability, exclusion, lease, fencing, queue, liveness"
	if s.failed > 0 {
		verdict = "A PROMISE IS BROKEN, or a process has done what it should not: see above"
	}
	fmt.Fprintf(out, "\n%d rounds in %v: %s\n", s.rounds, time.Since(s.began).Round(time.Second), verdict)
	fmt.Fprintf(out, "locks:   %d commands, %d grants, %d writes to guarded files\n", s.sums.locks, s.sums.grants, s.sums.writes)
	fmt.Fprintf(out, "service: %d calls, %d answered, %d whose client crashed or gave up; on disks\n", s.sums.calls, s.sums.answered, s.sums.unknown)
	fmt.Fprintf(out, "pauses:  the longest that an answer took is %v (%s), with members down for up to 2s; all clients went on %v after the last fault at the latest\n",
		s.longest.Round(time.Millisecond), s.where, s.calm.Round(time.Millisecond))
	total, parts := 0, []string{}
	for _, kind := range slices.Sorted(maps.Keys(s.faults)) {
		total += s.faults[kind]
		parts = append(parts, fmt.Sprintf("%s %d", kind, s.faults[kind]))
	}
	fmt.Fprintf(out, "faults:  %d: %s\n", total, strings.Join(parts, ", "))
}

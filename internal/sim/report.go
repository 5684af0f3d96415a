package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/trace"
)

// Class is how a run ended.
type Class uint8

// The classes.
const (
	Passed   Class = iota
	Crash          // a machine panicked
	Safety         // a promise was broken
	Liveness       // what was promised did not come about in time
)

// String names the class.
func (c Class) String() string {
	switch c {
	case Passed:
		return "passed"
	case Crash:
		return "crash"
	case Safety:
		return "safety"
	case Liveness:
		return "liveness"
	}
	return "unknown class"
}

// ExitCode is what a program returns for the class. A panic that nobody catches gives 2
// as well.
func (c Class) ExitCode() int { return [...]int{0, 2, 3, 4}[c] }

// Limits bounds one run; zero means as drawn from the seed.
type Limits struct {
	Steps uint64 // steps of machines in the first phase
	Raw   bool   // let a panic of a machine through: its stack is what is wanted
}

// Report is what became of one run.
type Report struct {
	World   string
	Seed    uint64
	Options string // as drawn
	Class   Class
	Text    string // what went wrong
	Last    []string
	Limits  Limits

	Hash    uint64
	Steps   uint64        // of machines
	Virtual time.Duration // time that passed in the world
	Calm    time.Duration // how long it took to converge
	Faults  uint64        // what the world did to the nodes and the network in the first phase
	Repairs uint64        // what did not converge by itself and may not; see package pair
	Network simnet.Counts
	Kinds   [trace.KindCount]uint64 // trace events
	Bounds  [8]uint64               // trace.Overflow, by bound
}

// Panicked notes that a machine panicked with p. The run is over.
func (r *Report) Panicked(p any) {
	r.Class, r.Text = Crash, fmt.Sprintf("a machine panicked: %v", p)
}

// Close fills in what the log knows.
func (r *Report) Close(l *Log) {
	r.Hash, r.Last, r.Kinds, r.Bounds = l.Hash(), l.Last(), l.kinds, l.bounds
}

// Failed says whether anything was wrong.
func (r *Report) Failed() bool { return r.Class != Passed }

// String gives what a person needs who has to find the mistake, and the command that
// shows it again.
func (r *Report) String() string {
	if !r.Failed() {
		return fmt.Sprintf("%s seed %d passed: %d steps, %v virtual, hash %016x", r.World, r.Seed, r.Steps, r.Virtual, r.Hash)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "===== %s: %s\n", strings.ToUpper(r.Class.String()), r.Text)
	fmt.Fprintf(&b, "===== world %s, seed %d, after %d steps and %v of virtual time\n", r.World, r.Seed, r.Steps, r.Virtual)
	fmt.Fprintf(&b, "===== options\n%s\n", r.Options)
	fmt.Fprintf(&b, "===== the last %d events\n", len(r.Last))
	for _, line := range r.Last {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "===== replay\n%s\n", r.Command())
	return b.String()
}

// Command is the command line that replays the run.
func (r *Report) Command() string {
	s := fmt.Sprintf("go test ./internal/sim -count=1 -v -run '^TestSeeds$/^%s$' -args -world=%s -seeds=1 -from=%d", r.World, r.World, r.Seed)
	if r.Limits.Steps != 0 {
		s += fmt.Sprintf(" -steps=%d", r.Limits.Steps)
	}
	if r.Class == Crash {
		s += " -raw"
	}
	return s
}

// Total sums up reports.
type Total struct {
	Seeds, Steps    uint64
	Virtual         time.Duration
	CalmMost        time.Duration // the longest that a run took to converge
	Repairs, Faults uint64
	Kinds           [trace.KindCount]uint64
	Bounds          [8]uint64
}

// Add takes a report in.
func (t *Total) Add(r *Report) {
	t.Join(&Total{
		Seeds: 1, Steps: r.Steps, Virtual: r.Virtual, CalmMost: r.Calm,
		Repairs: r.Repairs, Faults: r.Faults, Kinds: r.Kinds, Bounds: r.Bounds,
	})
}

// Join takes other sums in.
func (t *Total) Join(o *Total) {
	t.Seeds += o.Seeds
	t.Steps += o.Steps
	t.Virtual += o.Virtual
	t.Repairs += o.Repairs
	t.Faults += o.Faults
	t.CalmMost = max(t.CalmMost, o.CalmMost)
	for i, n := range o.Kinds {
		t.Kinds[i] += n
	}
	for i, n := range o.Bounds {
		t.Bounds[i] += n
	}
}

// String gives the sums on one line.
func (t *Total) String() string {
	s := fmt.Sprintf("%d schedules, %.1f virtual hours, %d steps; the slowest convergence took %v",
		t.Seeds, t.Virtual.Hours(), t.Steps, t.CalmMost.Round(time.Millisecond))
	if t.Faults > 0 {
		s += fmt.Sprintf("; %d faults of nodes and network, beside those of single datagrams", t.Faults)
	}
	if t.Repairs > 0 {
		s += fmt.Sprintf("; %d needed a second reading", t.Repairs)
	}
	return s
}

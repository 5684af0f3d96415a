package traffic

import (
	"slices"
	"time"
)

// Report is what the clients saw from a mark on.
type Report struct {
	Length   time.Duration // of the phase
	Slow     Flows
	Fast     Flows
	Probes   Probes
	Requests RequestsSeen
}

// Flows is what long transfers of one kind saw.
type Flows struct {
	Before int // going on at the mark
	WentOn int // of these, got what was sent after the fault
	Lost   int // of these, the others

	// Of those that went on. Silence is the longest time in which nothing came, never
	// less than the interval of the chunks; Delay is the longest time that a chunk was
	// under way, which is exact for slow flows too.
	Silence, Delay Spread

	Reasons []string // of losses, the first few
}

// Spread is the greatest and the median of the flows' longest times.
type Spread struct{ Max, Median time.Duration }

// Probes is what the probes saw.
type Probes struct {
	Sent      int           // up to the latest that was answered
	Lost      int           // of these
	LostInRow int           // the longest run of them
	Silence   time.Duration // the longest time without any answer
}

// RequestsSeen is what short requests saw.
type RequestsSeen struct {
	OK      int           // those that had all their bytes, at the first try or the second
	Retried int           // those that failed once
	Failed  int           // those that failed twice
	Slowest time.Duration // of those that were well, both tries together

	MidFlight []MidFlight // those that were under way at the mark, and are known to have ended
	Reasons   []string    // of failures, the first few
}

// MidFlight is one request that was under way at a mark.
type MidFlight struct {
	Age     time.Duration // at the mark
	Stage   Stage         // at the mark
	Retried bool
	OK      bool
}

// Stage says how far a request has come.
type Stage uint8

// The stages.
const (
	Connecting Stage = iota // the connection is not made
	Waiting                 // the request is sent
	Reading                 // some of the answer is there
)

// String gives the stage in a word.
func (s Stage) String() string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return "unknown"
}

var stageNames = []string{"connecting", "waiting", "reading"}

// Before is how many long transfers were going on at the mark.
func (r Report) Before() int { return r.Slow.Before + r.Fast.Before }

// WentOn is how many of these went on.
func (r Report) WentOn() int { return r.Slow.WentOn + r.Fast.WentOn }

// Lost is how many did not.
func (r Report) Lost() int { return r.Slow.Lost + r.Fast.Lost }

// spread orders times, in nanoseconds, in place.
func spread(times []int64) Spread {
	if len(times) == 0 {
		return Spread{}
	}
	slices.Sort(times)
	return Spread{Max: time.Duration(times[len(times)-1]), Median: time.Duration(times[len(times)/2])}
}

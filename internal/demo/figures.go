package demo

import (
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/lab/traffic"
)

// Schema is the version of [Figures] in JSON. Fields may be added within a version;
// what a field means does not change.
const Schema = 1

// Figures is what a demonstration measured.
type Figures struct {
	Schema  int                  `json:"schema"` // always [Schema]
	OK      bool                 `json:"ok"`     // no established flow was lost
	Lost    int                  `json:"lost"`   // established flows, in both faults together
	Flows   int                  `json:"flows"`  // long transfers that were opened
	Inject  string               `json:"inject"`
	RTOMin  control.Milliseconds `json:"rto_min_ms"` // TCP's least retransmission time, of client and server
	TookMS  control.Milliseconds `json:"took_ms"`    // all of it
	Version string               `json:"version"`    // of the nodes' program

	Calm     Phase `json:"calm"` // nothing happened: what the machine itself does
	PowerCut Phase `json:"power_cut"`
	Switch   Phase `json:"switch"`

	Errors []string `json:"errors"` // what the nodes logged as errors; nothing is expected here
}

// Phase is what the clients saw in one phase.
type Phase struct {
	From string `json:"from,omitempty"` // the active node before the fault
	To   string `json:"to,omitempty"`   // and after

	FlowsBefore int      `json:"flows_before"` // established, see the package
	FlowsWentOn int      `json:"flows_went_on"`
	FlowsLost   int      `json:"flows_lost"`
	LostReasons []string `json:"lost_reasons,omitempty"` // of the first few

	ProbeSilenceMS control.Milliseconds `json:"probe_silence_ms"` // longest time without an answer to a UDP probe
	ProbesSent     int                  `json:"probes_sent"`      // one each millisecond
	ProbesLost     int                  `json:"probes_lost"`
	ProbesInRow    int                  `json:"probes_lost_in_row"` // the longest run of lost ones; a probe that this machine was too busy to send is not among them

	TCPSilenceMS     control.Milliseconds `json:"tcp_silence_ms"`      // longest time in which a transfer of a chunk each 5 ms got nothing
	TCPDelayMS       control.Milliseconds `json:"tcp_delay_ms"`        // longest time a byte of any transfer was under way
	TCPDelayMedianMS control.Milliseconds `json:"tcp_delay_median_ms"` // that of half of the transfers

	Requests Requests `json:"requests"`

	PausedMS control.Milliseconds `json:"paused_ms"` // the longest time in which this machine did not run the demonstration itself

	TakeoverMS control.Milliseconds `json:"takeover_ms,omitempty"` // from the fault until the other node held the addresses
	SwitchMS   control.Milliseconds `json:"switch_ms,omitempty"`   // what `holdfast switch` says it took; 0 for a power cut
	ProvenMS   control.Milliseconds `json:"proven_ms,omitempty"`   // from the return of the other node until its copy was proven again

	EveryMS control.Milliseconds `json:"every_ms,omitempty"` // the width of a column of the following
	Answers []float64            `json:"answers,omitempty"`  // probes answered, share of those sent, from 80 ms before the fault on
	Heard   []float64            `json:"heard,omitempty"`    // share of the flows that had got something sent after the fault
}

// Requests is what became of short requests.
type Requests struct {
	OK        int                  `json:"ok"`         // all their bytes came, at the first try or the second
	Again     int                  `json:"again"`      // of these and the failed, those that had to begin again
	Failed    int                  `json:"failed"`     // twice
	SlowestMS control.Milliseconds `json:"slowest_ms"` // of those that were well

	// Those that were under way at the moment of the fault: begun, and not ended. They
	// are younger than an established flow, and what replication had not told yet is
	// lost with a node.
	Caught       int `json:"caught"`
	CaughtAgain  int `json:"caught_again"`
	CaughtFailed int `json:"caught_failed"`
}

// phaseOf turns a report into figures.
func phaseOf(r traffic.Report) Phase {
	p := Phase{
		FlowsBefore: r.Before(), FlowsWentOn: r.WentOn(), FlowsLost: r.Lost(),
		LostReasons:    slices.Concat(r.Fast.Reasons, r.Slow.Reasons),
		ProbeSilenceMS: control.MillisecondsOf(r.Probes.Silence), ProbesSent: r.Probes.Sent, ProbesLost: r.Probes.Lost, ProbesInRow: min(max(r.Probes.LostInRow, 0), r.Probes.Lost),
		TCPSilenceMS:     control.MillisecondsOf(r.Fast.Silence.Max),
		TCPDelayMS:       control.MillisecondsOf(max(r.Fast.Delay.Max, r.Slow.Delay.Max)),
		TCPDelayMedianMS: control.MillisecondsOf(r.Slow.Delay.Median),
		Requests: Requests{
			OK: r.Requests.OK, Again: r.Requests.Retried, Failed: r.Requests.Failed,
			SlowestMS: control.MillisecondsOf(r.Requests.Slowest), Caught: len(r.Requests.MidFlight),
		},
	}
	for _, m := range r.Requests.MidFlight {
		switch {
		case !m.OK:
			p.Requests.CaughtFailed++
		case m.Retried:
			p.Requests.CaughtAgain++
		}
	}
	return p
}

// conclude fills in what follows from the phases.
func (f *Figures) conclude() {
	f.Schema = Schema
	f.Lost = f.PowerCut.FlowsLost + f.Switch.FlowsLost
	f.OK = f.Lost == 0 && f.PowerCut.FlowsBefore > 0 && f.Switch.FlowsBefore > 0
}

// columns are the numbers of a picture: the share of something in each column.
type columns []float64

// answers gives, for columns of the width from the time on, which share of the probes
// that were sent then was answered. Samples are linear in between.
func answers(samples []sample, from, width time.Duration, count int) columns {
	all := make(columns, count)
	sent := float64(width) / float64(probeEvery)
	for i := range all {
		a := interpolate(samples, from+time.Duration(i)*width)
		b := interpolate(samples, from+time.Duration(i+1)*width)
		all[i] = min(max((b-a)/sent, 0), 1)
	}
	return all
}

// interpolate gives the number of answered probes at a time.
func interpolate(samples []sample, at time.Duration) float64 {
	if len(samples) == 0 {
		return 0
	}
	i, _ := slices.BinarySearchFunc(samples, at, func(s sample, at time.Duration) int { return int(s.at - at) })
	switch {
	case i == 0:
		return float64(samples[0].answered)
	case i == len(samples):
		return float64(samples[i-1].answered)
	}
	a, b := samples[i-1], samples[i]
	share := float64(at-a.at) / float64(b.at-a.at)
	return float64(a.answered) + share*float64(b.answered-a.answered)
}

// heard gives, for the same columns, the share of flows that had heard something new at
// the column's end; before the fault all have.
func heard(samples []sample, fault, from, width time.Duration, count, flows int) columns {
	all := make(columns, count)
	for i := range all {
		end := from + time.Duration(i+1)*width
		if end <= fault {
			all[i] = 1
			continue
		}
		for _, s := range samples {
			if s.at > fault && s.at <= end && flows > 0 {
				all[i] = min(float64(s.heard)/float64(flows), 1)
			}
		}
	}
	return all
}

package demo

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-ha/holdfast/internal/lab/traffic"
)

const ms = time.Millisecond

func TestPhaseOf(t *testing.T) {
	p := phaseOf(traffic.Report{
		Slow: traffic.Flows{
			Before: 90, WentOn: 88, Lost: 2, Reasons: []string{"flow 5"},
			Silence: traffic.Spread{Max: 400 * ms, Median: 200 * ms}, Delay: traffic.Spread{Max: 61 * ms, Median: 2 * ms},
		},
		Fast: traffic.Flows{
			Before: 10, WentOn: 9, Lost: 1, Reasons: []string{"flow 1"},
			Silence: traffic.Spread{Max: 55 * ms, Median: 50 * ms}, Delay: traffic.Spread{Max: 58 * ms, Median: 3 * ms},
		},
		Probes: traffic.Probes{Sent: 1500, Lost: 46, LostInRow: 46, Silence: 48500 * time.Microsecond},
		Requests: traffic.RequestsSeen{
			OK: 148, Retried: 2, Failed: 1, Slowest: 1029 * ms,
			MidFlight: []traffic.MidFlight{{OK: true}, {OK: true, Retried: true}, {Retried: true}},
		},
	})
	want := Phase{
		FlowsBefore: 100, FlowsWentOn: 97, FlowsLost: 3, LostReasons: []string{"flow 1", "flow 5"},
		ProbeSilenceMS: 48.5, ProbesSent: 1500, ProbesLost: 46, ProbesInRow: 46, TCPSilenceMS: 55, TCPDelayMS: 61, TCPDelayMedianMS: 2,
		Requests: Requests{OK: 148, Again: 2, Failed: 1, SlowestMS: 1029, Caught: 3, CaughtAgain: 1, CaughtFailed: 1},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

func TestConclude(t *testing.T) {
	whole := Phase{FlowsBefore: 10, FlowsWentOn: 10}
	part := Phase{FlowsBefore: 10, FlowsWentOn: 9, FlowsLost: 1}
	for _, c := range []struct {
		name         string
		cut, planned Phase
		ok           bool
		lost         int
	}{
		{"nothing was lost", whole, whole, true, 0},
		{"one by the cut", part, whole, false, 1},
		{"one by each", part, part, false, 2},
		{"the switch was not played", whole, Phase{}, false, 0},
		{"nothing was played", Phase{}, Phase{}, false, 0},
	} {
		f := Figures{PowerCut: c.cut, Switch: c.planned}
		f.conclude()
		if f.OK != c.ok || f.Lost != c.lost || f.Schema != Schema {
			t.Errorf("%s: ok %v, lost %d", c.name, f.OK, f.Lost)
		}
	}
}

// A gap in the answers is a gap in the columns, wherever the samples were taken.
func TestAnswers(t *testing.T) {
	var samples []sample
	for at := time.Duration(0); at <= 200*ms; at += 5 * ms {
		answered := int(at / ms)
		if at > 100*ms { // no answer for 40 ms, then one each ms again
			answered = 100 + max(0, int((at-140*ms)/ms))
		}
		samples = append(samples, sample{at: at, answered: answered})
	}
	got := answers(samples, 60*ms, 10*ms, 12)
	want := columns{1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	// Outside of the samples nothing is known, and nothing is invented.
	if got := answers(samples, 300*ms, 10*ms, 2); !slices.Equal(got, columns{0, 0}) {
		t.Errorf("after the end: %v", got)
	}
	if got := answers(nil, 0, 10*ms, 1); !slices.Equal(got, columns{0}) {
		t.Errorf("without samples: %v", got)
	}
}

func TestHeard(t *testing.T) {
	samples := []sample{{at: 90 * ms, heard: 10}, {at: 105 * ms, heard: 0}, {at: 125 * ms, heard: 5}, {at: 145 * ms, heard: 10}}
	got := heard(samples, 100*ms, 80*ms, 10*ms, 7, 10)
	want := columns{1, 1, 0, 0, 0.5, 0.5, 1}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestConfigIsCompleted(t *testing.T) {
	c := Config{}
	if err := c.complete(); err != nil || c.Flows != flowsDefault || c.Inject != "continuous" {
		t.Errorf("%+v, %v", c, err)
	}
	for flows, fast := range map[int]int{10: 2, 50: 10, 1000: 20, 10_000: 20} {
		c := Config{Flows: flows}
		if err := c.complete(); err != nil {
			t.Error(err)
		}
		if l := c.load(); l.FastFlows != fast || l.Flows+l.FastFlows != flows {
			t.Errorf("of %d flows %d are fast and %d slow", flows, l.FastFlows, l.Flows)
		}
	}
}

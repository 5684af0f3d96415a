package main

import (
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/group"
)

// pretended is a report of one load, with a detector of 100 ms.
func pretended() *groupReport {
	l := load{1, 64}
	flow := func(name, setting string, messages ...float64) *groupResult {
		return &groupResult{
			Program: name, Setting: setting, program: &group.Program{Name: name, Setting: setting, Uses: group.View},
			Flows: []*flowResult{{load: l, Messages: messages, Bytes: messages, CPU: messages}},
		}
	}
	g := &groupReport{Results: []*groupResult{
		flow(ours, "total order", 100, 300, 200), flow(ours, "total order, uniform", 150),
		flow("Corosync", "knet", 40), flow("Corosync", "udpu", 80), flow("raft", "defaults", 30), flow("NATS", "none"),
	}}
	g.Results[0].Detection, g.Results[0].View = 100, figure.Sample{230}
	g.Results[0].Delays = []*delay{{Size: 64, P50: figure.Sample{90}}, {Size: 64, Follower: true, P50: figure.Sample{110}}}
	g.Results[3].Delays = []*delay{{Size: 64, P50: figure.Sample{100}}}
	return g
}

func TestGroupIsComparedWithTheBestPeer(t *testing.T) {
	g := pretended()
	g.compare()
	if x := g.Ratios[0]; x.Ratio != 2.5 || x.Best != "Corosync" || x.Uniform != 0.75 {
		t.Errorf("the ratio is %+v, want 200 over 80 and 150 over 200", x)
	}
	if x := g.Ratios[1]; x.Ratio != 0 || x.Best != "" || ratioText(x.Ratio) != "–" {
		t.Errorf("a load that was not measured has the ratio %+v", x)
	}
	g.judge()
	want := map[string]bool{"at least 2 times": true, "uniform at least": true, "one message of 64 B": false, "view change within 2": false}
	if len(g.Targets) != len(want) {
		t.Errorf("there are %d targets: %+v", len(g.Targets), g.Targets)
	}
	for _, target := range g.Targets {
		for part, met := range want {
			if strings.Contains(target.What, part) && target.Met != met {
				t.Errorf("%s: %v", target.What, target.Met)
			}
		}
	}
	for _, text := range []string{g.throughputTable(), g.costTable(), g.settingsTable(), g.latencyTable(), g.viewTable()} {
		if !strings.Contains(text, "Corosync") {
			t.Errorf("Corosync is not in\n%s", text)
		}
	}
}

func TestLaterRoundsLeaveOutWhatIsFarBehind(t *testing.T) {
	g := pretended()
	g.prune()
	var again []string
	for _, r := range g.Results {
		if !r.idle() {
			again = append(again, r.Program+" "+r.Setting)
		}
	}
	if got, want := strings.Join(again, "; "), "Holdfast total order; Holdfast total order, uniform; Corosync udpu"; got != want {
		t.Errorf("measured again: %s; want %s", got, want)
	}
}

func TestGroupPlots(t *testing.T) {
	folder := t.TempDir()
	g := pretended()
	g.compare()
	if err := g.plot(folder); err != nil {
		t.Fatal(err)
	}
}

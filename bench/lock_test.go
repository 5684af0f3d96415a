package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/locks"
)

// pretendedLocks is a report of the first load only.
func pretendedLocks() *lockReport {
	flow := func(name, setting string, d locks.Durability, rate, p50 float64) *lockResult {
		one := func(v float64) figure.Sample { return figure.Sample{v} }
		return &lockResult{
			Program: name, Setting: setting, Durability: d, program: &locks.Program{Name: name, Setting: setting, Spread: name != ours},
			Flows: []*lockFlow{{Load: lockLoads()[0], Rate: one(rate), P50: one(p50), P99: one(p50), Members: one(1), Clients: one(1)}},
		}
	}
	g := &lockReport{Results: []*lockResult{
		flow(ours, "in memory", locks.Memory, 900, 1), flow(ours, "journal", locks.Log, 300, 3),
		flow("etcd 1", "log on the disk", locks.Log, 100, 9), flow("etcd 2", "log on the disk", locks.Log, 50, 18),
		flow("etcd 1", "no fsync", locks.Memory, 100, 9),
	}}
	g.Results[0].Pauses = []*lockPause{
		{Place: locks.Leader, Detection: 500, Pause: figure.Sample{600, 1051}},
		{Place: locks.Follower, Detection: 500, Pause: figure.Sample{600, 1049}},
	}
	g.Results[2].Pauses = []*lockPause{{Place: locks.Leader, Detection: 500, Pause: figure.Sample{800}}}
	return g
}

func TestLocksAreComparedWithTheLikeOfThem(t *testing.T) {
	g := pretendedLocks()
	g.compare()
	type key struct{ ours, theirs locks.Durability }
	want := map[key]float64{{locks.Memory, locks.Memory}: 9, {locks.Memory, locks.Log}: 9, {locks.Log, locks.Log}: 3}
	for _, x := range g.Ratios {
		if x.Rate != want[key{x.Ours, x.Theirs}] || !strings.HasPrefix(x.Peer, "etcd 1") {
			t.Errorf("the ratio is %+v", x)
		}
	}
	if len(g.Ratios) != len(want) {
		t.Errorf("there are %d ratios: %+v", len(g.Ratios), g.Ratios)
	}
	g.judge()
	verdicts := map[string]bool{"memory: enter": false, "log: enter": true, "at the leader": false, "at the follower": true}
	if len(g.Targets) != len(verdicts)+1 { // memory is compared with both durabilities
		t.Errorf("there are %d targets: %+v", len(g.Targets), g.Targets)
	}
	for _, target := range g.Targets {
		for part, met := range verdicts {
			if strings.Contains(target.What, part) && target.Met != met {
				t.Errorf("%s: %v", target.What, target.Met)
			}
		}
	}
}

func TestLockTables(t *testing.T) {
	g := pretendedLocks()
	var text strings.Builder
	s := &session{text: &text, progress: io.Discard}
	s.lockText(g)
	for _, want := range []string{"etcd 2, log on the disk", "16 contenders, one lock", "all members", "9.00x", "journal", "MISSED"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

func TestLockPlot(t *testing.T) {
	folder := t.TempDir()
	g := pretendedLocks()
	if err := g.plot(folder); err != nil {
		t.Fatalf("with one number of contenders: %v", err)
	}
	for _, r := range g.Results {
		r.Flows = append(r.Flows, &lockFlow{Load: lockLoads()[1], Rate: figure.Sample{500, 700}})
	}
	if err := g.plot(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "lock.svg")); err != nil {
		t.Error(err)
	}
}

func TestPeersOfAVerb(t *testing.T) {
	s := &session{text: io.Discard, progress: io.Discard}
	if _, _, err := s.parse([]string{"lock", "--peers", "etcd,corosync", "--etcd", "/a/etcd,/b/etcd"}); err != nil {
		t.Fatal(err)
	}
	if got := s.peersOf(locks.Names()); !slices.Equal(got, []string{"etcd"}) {
		t.Errorf("lock measures %v", got)
	}
	if !slices.Equal(s.etcd, []string{"/a/etcd", "/b/etcd"}) {
		t.Errorf("the servers are %v", s.etcd)
	}
	if err := locks.Require([]string{"etcd"}, []string{"/no/such/etcd"}); err == nil || !strings.Contains(err.Error(), "/no/such/etcd") {
		t.Errorf("an etcd that is not there: %v", err)
	}
	if err := locks.Require([]string{"holdfast"}, []string{"/no/such/etcd"}); err != nil {
		t.Errorf("without etcd: %v", err)
	}
}

package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestReportSaysWhatAPersonNeeds(t *testing.T) {
	log := sim.NewLog()
	for i := range 100 {
		log.Event(time.Duration(i)*time.Millisecond, trace.Event{Node: 1, Kind: trace.Resent, A: uint64(i)})
	}
	for range 5 {
		log.Event(time.Second, trace.Event{Node: 1, Kind: trace.Overflow, A: 3})
	}
	log.Did(2*time.Second, "crashes", view.Member{ID: 2, Incarnation: 7}, view.Member{})
	r := sim.Report{
		World: "proxies", Seed: 42, Options: "nodes=2", Class: sim.Safety, Text: "proof: broken",
		Limits: sim.Limits{Steps: 9},
	}
	r.Close(log)
	text := r.String()
	for _, want := range []string{
		"SAFETY: proof: broken", "seed 42", "nodes=2", "the last 40 events",
		"resent objects=99", "the last of 5 in a row", "-- crashes m2#7",
		"go test ./internal/sim -count=1 -v -run '^TestSeeds$/^proxies$' -args -world=proxies -seeds=1 -from=42 -steps=9\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "objects=61\n") {
		t.Error("the report has more than the last 40 events")
	}
	r.Panicked("index out of range")
	if !strings.HasSuffix(strings.TrimSpace(r.String()), "-raw") {
		t.Error("the replay of a panic does not let it through")
	}
}

func TestExitCodesTellClassesApart(t *testing.T) {
	seen := map[int]sim.Class{}
	for c := sim.Passed; c <= sim.Liveness; c++ {
		if other, same := seen[c.ExitCode()]; same {
			t.Errorf("%v and %v have the exit code %d", c, other, c.ExitCode())
		}
		seen[c.ExitCode()] = c
	}
	if sim.Passed.ExitCode() != 0 {
		t.Error("a run that passed has an exit code of its own")
	}
}

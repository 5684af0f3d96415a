package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/locks"
)

// The targets.
const (
	memoryRatio   = 10.0 // enter and leave a second, over etcd's, both in memory
	logRatio      = 2.0  // the same with the log on the disk
	pauseTimes    = 2    // of the detection time that is configured, and
	pauseAddition = 50 * time.Millisecond
)

// lockRatio is what became of one load: ours with one durability over the best of the peers
// with each.
type lockRatio struct {
	locks.Load
	Ours   locks.Durability `json:"durability"`
	Theirs locks.Durability `json:"peer_durability"`
	Peer   string           `json:"peer"`
	Rate   float64          `json:"per_second_ratio"`  // ours over theirs
	Delay  float64          `json:"median_time_ratio"` // theirs over ours
}

// flow is what a setting did under a load, nil where that was not measured.
func (r *lockResult) flow(l locks.Load) *lockFlow {
	for _, f := range r.Flows {
		if f.Load == l && len(f.Rate) > 0 {
			return f
		}
	}
	return nil
}

// ours is our program with a durability under a load, nil where not measured.
func (g *lockReport) ours(d locks.Durability, l locks.Load) *lockFlow {
	for _, r := range g.Results {
		if r.Program == ours && r.Durability == d {
			return r.flow(l)
		}
	}
	return nil
}

// peer is the fastest of the others with a durability under a load; nil for none.
func (g *lockReport) peer(d locks.Durability, l locks.Load) (most *lockFlow, name string) {
	for _, r := range g.Results {
		f := r.flow(l)
		if r.Program != ours && r.Durability == d && f != nil && (most == nil || f.Rate.Median() > most.Rate.Median()) {
			most, name = f, r.Program+", "+r.Setting
		}
	}
	return most, name
}

// compare computes the ratios: like with like, and ours in memory with theirs on the disk, which
// is what people have who use etcd as it comes.
func (g *lockReport) compare() {
	for _, pair := range []struct{ ours, theirs locks.Durability }{{locks.Memory, locks.Memory}, {locks.Memory, locks.Log}, {locks.Log, locks.Log}} {
		for _, l := range lockLoads() {
			own := g.ours(pair.ours, l)
			most, name := g.peer(pair.theirs, l)
			if own != nil && most != nil {
				g.Ratios = append(g.Ratios, lockRatio{l, pair.ours, pair.theirs, name,
					figure.Ratio(own.Rate, most.Rate), figure.Ratio(most.P50, own.P50)})
			}
		}
	}
}

// lockText prints the tables and the verdicts.
func (s *session) lockText(g *lockReport) {
	g.compare()
	s.print("\nlock: three members; enter and leave, one after the other, by contenders with a session each\n"+
		"(median, least–greatest of %d rounds; clients at the member that puts commands in order, unless it says otherwise)\n\n", s.rounds)
	s.print("enter and leave, a second\n\n%s\n", g.table(func(f *lockFlow) string { return f.Rate.String() }))
	s.print("time of one enter and leave, ms (p50 / p99)\n\n%s\n", g.table(func(f *lockFlow) string {
		return figure.Short(f.P50.Median()) + " / " + figure.Short(f.P99.Median())
	}))
	s.print("processor time of one enter and leave, µs (members + clients)\n\n%s\n", g.table(func(f *lockFlow) string {
		return figure.Short(f.Members.Median()) + " + " + figure.Short(f.Clients.Median())
	}))
	s.print("Holdfast over the fastest peer\n\n%s\n", g.ratioTable())
	s.print("takeover: longest time in which a client completed nothing, when the leader was killed (SIGKILL), ms\n\n%s\n", g.pauseTable())
	for _, r := range g.Results {
		for _, f := range r.Failed {
			s.print("failed: %s: %s: %s\n", r.Program, r.Setting, f)
		}
	}
	g.judge()
	for _, t := range g.Targets {
		s.print("target: %s: %s\n", t.What, figure.Verdict(t.Met))
	}
}

func (g *lockReport) table(cell func(*lockFlow) string) string {
	t := figure.Table{Head: []string{"load"}}
	for _, r := range g.Results {
		t.Head = append(t.Head, r.Program+", "+r.Setting)
	}
	for _, l := range lockLoads() {
		row := []string{l.String()}
		for _, r := range g.Results {
			if f := r.flow(l); f != nil {
				row = append(row, cell(f))
			} else {
				row = append(row, "–")
			}
		}
		t.Add(row...)
	}
	return t.String()
}

func (g *lockReport) ratioTable() string {
	t := figure.Table{Head: []string{"load", "Holdfast: durability", "peer", "a second", "median time"}}
	for _, x := range g.Ratios {
		t.Add(x.Load.String(), string(x.Ours), x.Peer, figure.Times(x.Rate), figure.Times(x.Delay))
	}
	return t.String()
}

func (g *lockReport) pauseTable() string {
	t := figure.Table{Head: []string{"program: setting", "client at", "detection, ms", "pause, ms"}}
	for _, r := range g.Results {
		for _, p := range r.Pauses {
			at := string(p.Place)
			if r.program.Spread {
				at = "all members"
			}
			t.Add(r.Program+": "+r.Setting, at, figure.Short(p.Detection), p.Pause.String())
		}
	}
	return t.String()
}

// judge compares with the targets what was measured of ours: one contender and many, in the best
// place for each program. In memory there are two verdicts: against peers as they come, with
// their log on the disk, and against peers that keep nothing either.
func (g *lockReport) judge() {
	for _, x := range g.Ratios {
		if x.Place != locks.Leader || x.Contenders == lockFew {
			continue
		}
		least := memoryRatio
		if x.Ours == locks.Log {
			least = logRatio
		}
		what := fmt.Sprintf("%s, durability %s: enter and leave a second at least %g times %s", x.Load, x.Ours, least, x.Peer)
		g.Targets = append(g.Targets, target{fmt.Sprintf("%s: %s", what, figure.Times(x.Rate)), x.Rate >= least})
	}
	for _, r := range g.Results {
		for _, p := range r.Pauses {
			if r.Program != ours || len(p.Pause) == 0 {
				continue
			}
			most := pauseTimes*p.Detection + float64(pauseAddition.Milliseconds())
			g.Targets = append(g.Targets, target{fmt.Sprintf("takeover, client at the %s: pause within %d times the detection time and %v, %s ms: %s ms at the most of the rounds",
				p.Place, pauseTimes, pauseAddition, figure.Short(most), figure.Short(p.Pause.Most())), p.Pause.Most() <= most})
		}
	}
}

// plot draws enter and leave a second over the number of contenders, a lock each.
func (g *lockReport) plot(folder string) error {
	var curves []figure.Curve
	for _, r := range g.Results {
		c := figure.Curve{Name: r.Program + ", " + r.Setting}
		for _, l := range lockLoads() {
			if f := r.flow(l); f != nil && !l.Same && l.Place == locks.Leader {
				c.X, c.Samples = append(c.X, float64(l.Contenders)), append(c.Samples, f.Rate)
			}
		}
		if len(c.X) > 1 {
			curves = append(curves, c)
		}
	}
	if len(curves) == 0 {
		return nil
	}
	return figure.Plot{
		Title: "Enter and leave, three members, a lock for each contender", X: "contenders", Y: "a second", Curves: curves,
	}.Write(filepath.Join(folder, "lock.svg"))
}

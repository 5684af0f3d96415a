package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/group"
)

// ours is the name of our program in the reports; uniform marks its setting that is
// compared with the other.
const (
	ours    = "Holdfast"
	uniform = "uniform"
)

// loadRatio is what became of one load: our messages a second over those of the best peer.
type loadRatio struct {
	load
	Ratio   float64 `json:"ratio,omitempty"`
	Best    string  `json:"best_peer"`
	Uniform float64 `json:"uniform_over_plain,omitempty"`
}

// target is one promise, and whether it was kept.
type target struct {
	What string `json:"what"`
	Met  bool   `json:"met"`
}

// best is the setting of a program that delivers most under a load; nil for none. Of ours
// it is that of plain total order.
func (g *groupReport) best(program string, l load) (best *flowResult) {
	for _, r := range g.Results {
		if r.Program != program || program == ours && strings.Contains(r.Setting, uniform) {
			continue
		}
		if f := r.flow(l); f != nil && (best == nil || f.Messages.Median() > best.Messages.Median()) {
			best = f
		}
	}
	return best
}

// flow is what a setting did under a load, nil where that was not measured.
func (r *groupResult) flow(l load) *flowResult {
	for _, f := range r.Flows {
		if f.load == l && len(f.Messages) > 0 {
			return f
		}
	}
	return nil
}

// uniformFlow is what our uniform order did under a load, nil where not measured.
func (g *groupReport) uniformFlow(l load) *flowResult {
	for _, r := range g.Results {
		if r.Program == ours && strings.Contains(r.Setting, uniform) {
			return r.flow(l)
		}
	}
	return nil
}

// programs are the names in the order of measuring.
func (g *groupReport) programs() (names []string) {
	for _, r := range g.Results {
		if !slices.Contains(names, r.Program) {
			names = append(names, r.Program)
		}
	}
	return names
}

// versions says what was measured.
func (g *groupReport) versions() string {
	var all []string
	for _, r := range g.Results {
		if v := r.Program + " " + r.program.Version; !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return strings.Join(all, "; ")
}

func allLoads() (loads []load) {
	for _, senders := range groupSenders() {
		for _, size := range groupSizes() {
			loads = append(loads, load{senders, size})
		}
	}
	return loads
}

// compare computes the ratios.
func (g *groupReport) compare() {
	for _, l := range allLoads() {
		x := loadRatio{load: l}
		own, u := g.best(ours, l), g.uniformFlow(l)
		most, name := g.bestPeer(l)
		x.Best = name
		x.Ratio = over(own, most)
		x.Uniform = over(u, own)
		g.Ratios = append(g.Ratios, x)
	}
}

// over is the ratio of two medians, 0 where one is missing.
func over(over, under *flowResult) float64 {
	if over == nil || under == nil || under.Messages.Median() == 0 {
		return 0
	}
	return figure.Ratio(over.Messages, under.Messages)
}

// bestPeer is what delivers most under a load and is not ours; nil for none.
func (g *groupReport) bestPeer(l load) (most *flowResult, best string) {
	for _, name := range g.programs() {
		f := g.best(name, l)
		if name != ours && f != nil && (most == nil || f.Messages.Median() > most.Messages.Median()) {
			most, best = f, name
		}
	}
	return most, best
}

// ratioText gives "2.10x", and nothing for what was not measured.
func ratioText(ratio float64) string {
	if ratio == 0 {
		return "–"
	}
	return figure.Times(ratio)
}

// groupText prints the tables and the verdicts.
func (s *session) groupText(g *groupReport) {
	g.compare()
	s.print("\nprograms: %s\n", g.versions())
	s.print("\ngroup: totally ordered multicast, three members; messages delivered a second at the median member, flat out\n"+
		"(median, least–greatest of up to %d rounds; each program with the best of its settings for each load; raft has one sender only)\n\n%s\n", s.groupRounds(), g.throughputTable())
	s.print("MB/s of messages at the median member, and processors in use by all members and their daemons\n\n%s\n", g.costTable())
	s.print("every setting, messages delivered a second in the median\n\n%s\n", g.settingsTable())
	s.print("latency of one message under way, from the call to the own delivery, µs (p50 / p99): at the member that orders, at another\n\n%s\n", g.latencyTable())
	s.print("view change: from SIGKILL of the member that orders (of any, where all are equal) to the new view at the last survivor;\nNATS and raft have no views: until the last survivor knows the new leader\n\n%s\n", g.viewTable())
	for _, r := range g.Results {
		for _, f := range r.Failed {
			s.print("failed: %s: %s: %s\n", r.Program, r.Setting, f)
		}
		for _, f := range r.Flows {
			if b := f.blame(); b != "" {
				s.print("%s: %s, %s%s\n", r.Program, r.Setting, f.load, b)
			}
		}
	}
	g.judge()
	for _, t := range g.Targets {
		s.print("target: %s: %s\n", t.What, figure.Verdict(t.Met))
	}
}

func (g *groupReport) throughputTable() string {
	t := figure.Table{Head: []string{"load"}}
	names := g.programs()
	for _, name := range names {
		t.Head = append(t.Head, name)
		if name == ours {
			t.Head = append(t.Head, ours+", uniform")
		}
	}
	t.Head = append(t.Head, "Holdfast / best peer", "best peer", "uniform / plain")
	for i, l := range allLoads() {
		row := []string{l.String()}
		for _, name := range names {
			row = append(row, messages(g.best(name, l)))
			if name == ours {
				row = append(row, messages(g.uniformFlow(l)))
			}
		}
		x := g.Ratios[i]
		t.Add(append(row, ratioText(x.Ratio), x.Best, ratioText(x.Uniform))...)
	}
	return t.String()
}

func messages(f *flowResult) string {
	if f == nil {
		return "–"
	}
	return f.Messages.String()
}

func (g *groupReport) costTable() string {
	t := figure.Table{Head: []string{"load"}}
	names := g.programs()
	for _, name := range names {
		t.Head = append(t.Head, name+", MB/s", "processors")
	}
	for _, l := range allLoads() {
		row := []string{l.String()}
		for _, name := range names {
			if f := g.best(name, l); f != nil {
				row = append(row, figure.Short(f.Bytes.Median()/1e6), figure.Short(f.CPU.Median()))
			} else {
				row = append(row, "–", "–")
			}
		}
		t.Add(row...)
	}
	return t.String()
}

func (g *groupReport) settingsTable() string {
	t := figure.Table{Head: []string{"program: setting"}}
	for _, l := range allLoads() {
		t.Head = append(t.Head, l.String())
	}
	for _, r := range g.Results {
		if len(r.Flows) == 0 {
			continue
		}
		row := []string{r.Program + ": " + r.Setting}
		for _, l := range allLoads() {
			if f := r.flow(l); f != nil {
				row = append(row, figure.Short(f.Messages.Median()))
			} else {
				row = append(row, "–")
			}
		}
		t.Add(row...)
	}
	return t.String()
}

func (g *groupReport) latencyTable() string {
	t := figure.Table{Head: []string{"program: setting"}}
	for _, place := range []string{"orders", "another"} {
		for _, size := range probeSizes() {
			t.Head = append(t.Head, place+", "+bytesText(size))
		}
	}
	for _, r := range g.Results {
		if len(r.Delays) == 0 {
			continue
		}
		row := []string{r.Program + ": " + r.Setting}
		for _, d := range r.Delays {
			row = append(row, figure.Short(d.P50.Median())+" / "+figure.Short(d.P99.Median()))
		}
		t.Add(row...)
	}
	return t.String()
}

func (g *groupReport) viewTable() string {
	t := figure.Table{Head: []string{"program: setting", "detection, ms", "view change, ms"}}
	for _, r := range g.Results {
		if r.program.Uses&group.View == 0 {
			continue
		}
		detection := "–"
		if r.Detection > 0 {
			detection = figure.Short(r.Detection)
		}
		t.Add(r.Program+": "+r.Setting, detection, r.View.String())
	}
	return t.String()
}

// judge compares with the targets what was measured of ours.
func (g *groupReport) judge() {
	for _, x := range g.Ratios {
		if x.Ratio > 0 {
			g.aim(x.Ratio >= groupRatio, "%s: at least %g times the best peer, %s: %s", x.load, groupRatio, x.Best, figure.Times(x.Ratio))
		}
		if x.Uniform > 0 {
			g.aim(x.Uniform >= uniformRatio, "%s: uniform at least %g of plain: %s", x.load, uniformRatio, figure.Times(x.Uniform))
		}
	}
	for _, size := range probeSizes() {
		own, peer := g.delay(ours, size), g.delay("Corosync", size)
		if own > 0 && peer > 0 {
			g.aim(own <= peer, "one message of %s: median at most Corosync's %s µs: %s µs", bytesText(size), figure.Short(peer), figure.Short(own))
		}
	}
	for _, r := range g.Results {
		if r.Program == ours && len(r.View) > 0 {
			most := viewTimes*r.Detection + float64(viewAddition.Milliseconds())
			g.aim(r.View.Median() <= most, "view change within %d times the detection time and %v, %s ms: %s ms", viewTimes, viewAddition, figure.Short(most), figure.Short(r.View.Median()))
		}
	}
}

// delay is the least median of a program's settings; of ours that of plain order, and of
// the two places the worse. 0 where nothing was measured.
func (g *groupReport) delay(program string, size int) (least float64) {
	for _, r := range g.Results {
		if r.Program != program || program == ours && strings.Contains(r.Setting, uniform) {
			continue
		}
		worst := 0.0
		for _, d := range r.Delays {
			if d.Size == size && len(d.P50) > 0 {
				worst = max(worst, d.P50.Median())
			}
		}
		if worst > 0 && (least == 0 || worst < least) {
			least = worst
		}
	}
	return least
}

func (g *groupReport) aim(met bool, format string, args ...any) {
	g.Targets = append(g.Targets, target{fmt.Sprintf(format, args...), met})
}

// plot draws the messages a second over their size, one plot for each number of senders.
func (g *groupReport) plot(folder string) error {
	for _, senders := range groupSenders() {
		var curves []figure.Curve
		add := func(name string, flow func(l load) *flowResult) {
			c := figure.Curve{Name: name}
			for _, size := range groupSizes() {
				if f := flow(load{senders, size}); f != nil && f.Messages.Least() > 0 {
					c.X, c.Samples = append(c.X, float64(size)), append(c.Samples, f.Messages)
				}
			}
			if len(c.X) > 0 {
				curves = append(curves, c)
			}
		}
		for _, name := range g.programs() {
			add(name, func(l load) *flowResult { return g.best(name, l) })
			if name == ours {
				add(ours+", uniform", g.uniformFlow)
			}
		}
		if len(curves) == 0 {
			continue
		}
		title := "Totally ordered multicast, three members, one sender"
		if senders > 1 {
			title = fmt.Sprintf("Totally ordered multicast, three members, %d senders", senders)
		}
		err := figure.Plot{
			Title: title, X: "bytes of a message", Y: "messages a second", Curves: curves, Falling: true,
		}.Write(filepath.Join(folder, fmt.Sprintf("group-%d.svg", senders)))
		if err != nil {
			return err
		}
	}
	return nil
}

package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ha/holdfast/internal/control"
)

// The columns of the table.
const (
	nameCols  = 34
	valueCols = 14
)

// resultText is what stands there at the end: at most [screenRows] rows where nothing
// went wrong.
func resultText(k *ink, f *Figures) string {
	var b strings.Builder
	line := func(text string) { b.WriteString(strings.TrimRight(text, " ") + "\n") }
	words, paint := "no established flow was lost", inkGood
	switch {
	case f.Lost > 0:
		words, paint = control.Count(f.Lost, "established flow")+" LOST", inkBad
	case !f.OK:
		words, paint = "not played to its end", inkBad
	}
	verdict := k.paint(paint, words)
	took := fmt.Sprintf("%.1f s", f.TookMS.Duration().Seconds())
	line(fmt.Sprintf(" %s: %s%s", k.paint(inkLoud, "Holdfast demo"), verdict, right(took, screenCols-16-utf8.RuneCountInString(words))))
	phases := []*Phase{&f.Calm, &f.PowerCut, &f.Switch}
	heading := " " + fit(settings(f), nameCols)
	for _, name := range []string{"calm", "power cut", "switch"} {
		heading += right(name, valueCols)
	}
	line(k.paint(inkLoud, heading))
	row := func(name string, value func(p *Phase) string) {
		text := " " + fit(name, nameCols)
		for _, p := range phases {
			text += right(value(p), valueCols)
		}
		line(text)
	}
	number := func(n func(p *Phase) int) func(p *Phase) string {
		return func(p *Phase) string { return control.Thousands(n(p)) }
	}
	row("established flows before", number(func(p *Phase) int { return p.FlowsBefore }))
	row("  that went on", number(func(p *Phase) int { return p.FlowsWentOn }))
	row("  that were lost", number(func(p *Phase) int { return p.FlowsLost }))
	row("longest silence, UDP probe each ms", func(p *Phase) string { return milliseconds(p.ProbeSilenceMS) })
	row("  probes lost in a row", number(func(p *Phase) int { return p.ProbesInRow }))
	row("  TCP transfer, a chunk each 5 ms", func(p *Phase) string { return milliseconds(p.TCPSilenceMS) })
	row("  latest byte of all transfers", func(p *Phase) string { return milliseconds(p.TCPDelayMS) })
	row("requests ok / again / failed", func(p *Phase) string {
		return fmt.Sprintf("%d / %d / %d", p.Requests.OK, p.Requests.Again, p.Requests.Failed)
	})
	row("  slowest", func(p *Phase) string { return milliseconds(p.Requests.SlowestMS) })
	phases[0] = nil
	dash := func(value func(p *Phase) string) func(p *Phase) string {
		return func(p *Phase) string {
			if p == nil {
				return "–"
			}
			return value(p)
		}
	}
	row("  caught in the making / again", dash(func(p *Phase) string {
		return fmt.Sprintf("%d / %d", p.Requests.Caught, p.Requests.CaughtAgain+p.Requests.CaughtFailed)
	}))
	row("until the other node was active", dash(func(p *Phase) string { return milliseconds(p.TakeoverMS) }))
	row("until its copy was proven again", dash(func(p *Phase) string { return milliseconds(p.ProvenMS) }))
	phases[0] = &f.Calm
	row("this machine stood still for", func(p *Phase) string { return milliseconds(p.PausedMS) })
	line("")
	pictures(k, f, line)
	for _, p := range []*Phase{&f.PowerCut, &f.Switch} {
		for _, reason := range p.LostReasons[:min(len(p.LostReasons), reasonsMax, p.FlowsLost)] {
			line(" lost: " + reason)
		}
	}
	for _, e := range f.Errors {
		line(" " + k.paint(inkBad, "logged as an error: ") + e)
	}
	return b.String()
}

// pictures draws both faults over time.
func pictures(k *ink, f *Figures, line func(string)) {
	line(fmt.Sprintf(" Probes answered, %d ms a column; under it the flows that have heard since", plotEvery.Milliseconds()))
	for _, p := range []struct {
		name  string
		phase *Phase
	}{{"power cut", &f.PowerCut}, {"switch", &f.Switch}} {
		line(" " + fit(p.name, 11) + k.strip(p.phase.Answers))
		line(" " + fit("", 11) + k.strip(p.phase.Heard))
	}
	line(" " + fit("", 11) + scale(plotBefore, plotEvery, plotCols, scaleStep))
	if f.PowerCut.Requests.CaughtAgain+f.PowerCut.Requests.CaughtFailed > 0 {
		line(" Caught in the making: changes of the last 2 ms die with a node, by design.")
	}
}

// reasonsMax is how many lost flows of a fault are told one by one.
const reasonsMax = 4

const scaleStep = 80 * time.Millisecond

func settings(f *Figures) string {
	return fmt.Sprintf("inject %s, RTO from %d ms", f.Inject, f.RTOMin.Duration().Milliseconds())
}

// milliseconds gives a time with two figures, in a form that can be compared by eye.
func milliseconds(m control.Milliseconds) string {
	if m <= 0 {
		return "–"
	}
	return control.Age(m.Duration())
}

package demo

import (
	"fmt"
	"strings"
	"time"

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
	verdict := k.paint(inkGood, "no established flow was lost")
	if !f.OK {
		verdict = k.paint(inkBad, control.Count(f.Lost, "ESTABLISHED FLOW")+" LOST")
	}
	line(fmt.Sprintf(" %s: %s. %.1f s, %s", k.paint(inkLoud, "Holdfast demo"), verdict, f.TookMS.Duration().Seconds(), settings(f)))
	line("")
	phases := []*Phase{&f.Calm, &f.PowerCut, &f.Switch}
	heading := " " + fit("", nameCols)
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
	row("  TCP transfer, a chunk each 5 ms", func(p *Phase) string { return milliseconds(p.TCPSilenceMS) })
	row("  latest byte of all transfers", func(p *Phase) string { return milliseconds(p.TCPDelayMS) })
	row("requests ok / again / failed", func(p *Phase) string {
		return fmt.Sprintf("%d / %d / %d", p.Requests.OK, p.Requests.Again, p.Requests.Failed)
	})
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
	line("")
	pictures(k, f, line)
	for _, p := range []*Phase{&f.PowerCut, &f.Switch} {
		for _, reason := range p.LostReasons {
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
	line(fmt.Sprintf(" Probes answered, %v a column; under it the flows that have heard since", plotEvery))
	for _, p := range []struct {
		name  string
		phase *Phase
	}{{"power cut", &f.PowerCut}, {"switch", &f.Switch}} {
		line(" " + fit(p.name, 11) + k.strip(p.phase.Answers))
		line(" " + fit("", 11) + k.strip(p.phase.HeardNow))
	}
	line(" " + fit("", 11) + scale(plotBefore, plotEvery, plotCols, scaleStep))
	if f.PowerCut.Requests.CaughtAgain+f.PowerCut.Requests.CaughtFailed > 0 {
		line(" Requests caught in the making: replication is asynchronous, so what changed in the")
		line(" last 2 ms is lost with a node by design. An established flow is at least 50 ms old.")
	}
}

const scaleStep = 80 * time.Millisecond

func settings(f *Figures) string {
	return fmt.Sprintf("inject %s, TCP's timers from %s", f.Inject, control.Age(f.RTOMin.Duration()))
}

// milliseconds gives a time with two figures, in a form that can be compared by eye.
func milliseconds(m control.Milliseconds) string {
	if m <= 0 {
		return "–"
	}
	return control.Age(m.Duration())
}

package demo

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
)

// timelineRows is how many events the screen shows.
const timelineRows = 4

// boxCols is the inner width of a firewall's box.
const boxCols = 36

// screen draws a scene in at most [screenRows] rows of [screenCols] characters.
func screen(k *ink, sc *scene) []string {
	act := ""
	if sc.act != "" {
		act = "fault " + sc.act + "   "
	}
	head := right(fmt.Sprintf("%s%.1f s", act, sc.at.Seconds()), screenCols-16)
	rows := []string{
		" " + k.paint(inkLoud, "Holdfast demo") + "  " + head,
		" " + k.paint(inkLoud, fit(sc.title, screenCols-1)),
		"",
	}
	rows = append(rows, network(k, sc)...)
	rows = append(rows, "")
	rows = append(rows, numbers(k, sc)...)
	rows = append(rows, "")
	for i := range sc.events {
		rows = append(rows, eventLine(k, &sc.events[i]))
	}
	return rows
}

// cable is how a firewall's cables to both sides are drawn: heavy where the traffic
// goes, broken where it cannot.
type cable struct{ across, down, corner, end [2]string } // left, right

func (ns *nodeScene) cable(upper bool) cable {
	c := cable{[2]string{"──", "──"}, [2]string{"│", "│"}, [2]string{"┌", "┐"}, [2]string{"┤", "├"}}
	if !upper {
		c.corner = [2]string{"└", "┘"}
	}
	switch {
	case ns.off:
		c.across, c.end = [2]string{"─╳", "╳─"}, [2]string{"│", "│"}
	case ns.active:
		c.across, c.down, c.end = [2]string{"━━", "━━"}, [2]string{"┃", "┃"}, [2]string{"┥", "┝"}
		c.corner = [2]string{"┏", "┓"}
		if !upper {
			c.corner = [2]string{"┗", "┛"}
		}
	}
	return c
}

// network draws the test bed: nine rows.
func network(k *ink, sc *scene) []string {
	const margin = 13
	side := strings.Repeat(" ", margin)
	half := strings.Repeat("─", boxCols/2)
	up, down := &sc.nodes[0], &sc.nodes[1]
	row := func(ns *nodeScene, left, text, right string) string {
		return side + ns.paint(k, left) + text + ns.paint(k, right)
	}
	box := func(ns *nodeScene, upper bool) []string {
		c := ns.cable(upper)
		name := fit(" "+ns.name+"  "+ns.role, boxCols)
		words := fit(" "+ns.words, boxCols)
		lines := []string{
			row(ns, c.corner[0]+c.across[0]+c.end[0], ns.paint(k, name), c.end[1]+c.across[1]+c.corner[1]),
			row(ns, c.down[0], "  │"+words+"│  ", c.down[1]),
		}
		if !upper {
			lines[0], lines[1] = row(ns, c.down[0], "  │"+ns.paint(k, name)+"│  ", c.down[1]),
				row(ns, c.corner[0]+c.across[0]+c.end[0], words, c.end[1]+c.across[1]+c.corner[1])
		}
		return lines
	}
	upper, lower := box(up, true), box(down, false)
	cu, cd := up.cable(true), down.cable(false)
	middle := "    client ──●" + strings.Repeat(" ", boxCols/2+2) + "sync" + strings.Repeat(" ", boxCols/2) + "●── server"
	return []string{
		side + "   ┌" + half + half + "┐",
		upper[0], upper[1],
		row(up, cu.down[0], "  └"+half+"┬"+half[3:]+"┘  ", cu.down[1]),
		middle,
		row(down, cd.down[0], "  ┌"+half+"┴"+half[3:]+"┐  ", cd.down[1]),
		lower[0], lower[1],
		side + "   └" + half + half + "┘",
	}
}

func (ns *nodeScene) paint(k *ink, text string) string {
	switch {
	case ns.off:
		return k.paint(inkBad, text)
	case ns.active:
		return k.paint(inkGood, text)
	}
	return text
}

// numbers draws what clients see: five rows.
func numbers(k *ink, sc *scene) []string {
	if !sc.load {
		return []string{"", "", "", "", ""}
	}
	state := "alive"
	if sc.fault {
		state = "have heard from the server since the fault"
	}
	silence := fmt.Sprintf("longest %s (UDP probe), %s (TCP transfer)", control.Age(sc.probe), control.Age(sc.tcp))
	if sc.now > silenceLoud {
		silence += k.paint(inkBad, "   now "+control.Age(sc.now))
	}
	return []string{
		fmt.Sprintf(" flows      %s of %s %s", control.Thousands(sc.heard), control.Thousands(sc.flows), state),
		" silence    " + silence,
		fmt.Sprintf(" requests   %d ok, %d begun again, %d failed      to the client %.1f Mbit/s", sc.ok, sc.again, sc.failed, sc.bits/1e6),
		" probes answered, " + fmt.Sprint(stripEvery.Milliseconds()) + " ms a column:",
		"  " + k.strip(sc.strip),
	}
}

// silenceLoud is a silence that is told while it lasts; shorter ones cannot be told from
// the time between two samples.
const silenceLoud = 2 * sampleCoarse

// eventLine draws a line of the timeline.
func eventLine(k *ink, e *event) string {
	who := e.who
	if who == "" {
		who = "demo"
	}
	line := fit(fmt.Sprintf(" %7.3f s  %-4s  %s", e.at.Seconds(), who, e.words), screenCols)
	line = strings.TrimRight(line, " ")
	if e.loud {
		return k.paint(inkLoud, line)
	}
	return line
}

// live draws a stage on a terminal, again and again in the same place. It is used by
// one goroutine.
type live struct {
	out  io.Writer
	ink  ink
	rows int // drawn the last time
}

// run draws until stop is closed, then takes the picture away.
func (l *live) run(st *stage, stop <-chan struct{}) {
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	l.write([]byte("\x1b[?25l")) // no cursor
	for {
		sc := st.scene()
		l.draw(screen(&l.ink, &sc))
		select {
		case <-ticker.C:
		case <-stop:
			l.draw(nil)
			l.write([]byte("\x1b[?25h"))
			return
		}
	}
}

// draw replaces the picture by another, in one write so that it does not flicker.
func (l *live) draw(rows []string) {
	var b bytes.Buffer
	if l.rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", l.rows)
	}
	for _, row := range rows {
		b.WriteString(l.ink.finish(row))
		b.WriteString("\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	l.rows = len(rows)
	l.write(b.Bytes())
}

// write writes to a terminal. Its end ends the demonstration, see output.
func (l *live) write(b []byte) { _, _ = l.out.Write(b) }

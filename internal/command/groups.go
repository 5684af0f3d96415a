package command

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/control/groups"
)

// renderGroup words the verdict on a group: whole or not, what it survives, why, what to do.
func renderGroup(b *bytes.Buffer, g *groups.Group, colours bool) {
	verdict := strings.ToUpper(g.Verdict)
	if colours {
		colour := orange
		if g.Verdict == groups.Whole {
			colour = blue
		}
		verdict = colour + verdict + plain
	}
	fmt.Fprintf(b, "group  %s      %s – ", g.Name, verdict)
	switch {
	case g.Verdict == groups.Whole || g.Verdict == groups.Degraded:
		fmt.Fprintf(b, "survives %s", control.Count(g.Survives, "more member failure"))
	case g.Verdict == groups.Stopped:
		b.WriteString("its service answers nobody")
	case g.Verdict == groups.Blocked:
		b.WriteString("does not go on for want of votes")
	case g.State == "leaving":
		b.WriteString("this member leaves it")
	default:
		b.WriteString("this member is not in it yet")
	}
	b.WriteByte('\n')
	for i, why := range g.Why {
		label := "why"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(b, " %-7s %s\n", label, why)
	}
	if g.Action != "" {
		fmt.Fprintf(b, " action  %s\n", g.Action)
	}
	if g.See != "" {
		fmt.Fprintf(b, " see     %s\n", g.See)
	}
	b.WriteByte('\n')
}

// life shortens an incarnation so that two lives can be told apart: its middle, which
// changes each millisecond.
func life(incarnation uint64) string {
	if incarnation == 0 {
		return "-"
	}
	return fmt.Sprintf("%06x", incarnation>>20&0xffffff)
}

func renderMembers(s *groups.Status, g *groups.Group, colours bool) []byte {
	var b bytes.Buffer
	renderGroup(&b, g, colours)
	table(&b, func(w io.Writer) {
		fmt.Fprintln(w, "MEMBER\tID\tLIFE\tVOTES\tSTATE\tIN VIEW FOR\tHEARD\tSUSPICION\tLINKS\tNOTES")
		self := groups.Member{Name: s.Member, ID: s.ID, Votes: s.Votes, Witness: s.Witness, Incarnation: s.Incarnation}
		for _, name := range inOrder(s, g) {
			m := &self
			for i := range s.Members {
				if s.Members[i].Name == name {
					m = &s.Members[i]
				}
			}
			renderMember(w, s, g, m, m == &self)
		}
	})
	b.WriteByte('\n')
	table(&b, func(w io.Writer) {
		if v := g.View; v != nil {
			fmt.Fprintf(w, "view\t%s, for %s, epoch %d\n", control.Count(len(v.Members), "member"), since(s.At, v.At), v.Epoch)
		}
		if two := g.Two; two != nil {
			fmt.Fprintf(w, "role\t%s, epoch %d\n", two.Role, two.Epoch)
			fmt.Fprintf(w, "commands\t%d, at both up to %d\n", two.Index, two.Stable)
		} else {
			fmt.Fprintf(w, "votes\t%d heard, %d needed\n", g.Votes, g.Needed)
		}
		fmt.Fprintf(w, "terms\t%s\n", strings.TrimPrefix(g.Terms, "group="+g.Name+" "))
		fmt.Fprintf(w, "cluster\t%s, fingerprint %s\n", s.Cluster, s.Fingerprint)
		if g.Queued > 0 || g.HeldCount > 0 {
			fmt.Fprintf(w, "waiting\t%s to be sent, %s held back: holdfast group why\n", size(uint64(g.Queued)), control.Count(g.HeldCount, "message"))
		}
	})
	return b.Bytes()
}

// inOrder gives those in the view by seniority, then the others by name.
func inOrder(s *groups.Status, g *groups.Group) []string {
	var names []string
	for _, seat := range g.Seats {
		names = append(names, seat.Name)
	}
	others := []string{s.Member}
	for _, m := range s.Members {
		others = append(others, m.Name)
	}
	slices.Sort(others)
	for _, name := range others {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func renderMember(w io.Writer, s *groups.Status, g *groups.Group, m *groups.Member, self bool) {
	name, votes := m.Name, fmt.Sprint(m.Votes)
	if self {
		name += " (this)"
	}
	if m.Witness {
		votes += " witness"
	}
	state, inView, incarnation := "not in the group", "-", m.Incarnation
	if g.Two != nil {
		state = "heard"
	}
	for _, seat := range g.Seats {
		if seat.Name == m.Name {
			state, inView, incarnation = "in view", since(s.At, seat.Since), seat.Incarnation
		}
	}
	heard, suspicion, links := "-", "-", "-"
	if self {
		if g.Two != nil {
			state = g.Two.Role
		} else if g.View == nil {
			state = g.State
		}
	} else {
		state = memberState(m, state)
		if m.Incarnation != 0 {
			heard, suspicion = control.Milliseconds(m.SilentMS).String()+" ago", suspicionOf(m)
		}
		links = memberLinks(m)
	}
	fmt.Fprintf(w, "%s\tm%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
		name, m.ID, life(incarnation), votes, state, inView, heard, suspicion, links, strings.Join(memberNotes(s, g, m, self), "; "))
}

// suspicionOf gives φ; beyond some value it says nothing more.
func suspicionOf(m *groups.Member) string {
	if m.Suspicion >= 20 {
		return "over 20"
	}
	return fmt.Sprintf("%.1f", m.Suspicion)
}

// shortEpoch gives the end of an epoch that began with a clock: enough to tell views of one
// list apart.
func shortEpoch(epoch uint64) string {
	text := fmt.Sprint(epoch)
	if len(text) > 9 {
		return "…" + text[len(text)-6:]
	}
	return text
}

// memberState adds what the failure detector says.
func memberState(m *groups.Member, state string) string {
	switch {
	case m.Refused != "":
		return "refused"
	case m.State == groups.NeverHeard:
		return "never heard"
	case m.State == groups.Suspected && state == "in view":
		return "SILENT, in view"
	case m.State == groups.Suspected:
		return "silent"
	case m.Quiet():
		return "quiet, " + state
	}
	return state
}

// memberLinks says how many of the links work in both directions, and which do not.
func memberLinks(m *groups.Member) string {
	works := 0
	var broken []string
	for i, l := range m.Links {
		switch {
		case l.Heard && l.Hears:
			works++
		case l.Heard:
			broken = append(broken, fmt.Sprintf("%d one way", i+1))
		default:
			broken = append(broken, fmt.Sprintf("%d silent", i+1))
		}
	}
	text := fmt.Sprintf("%d of %d", works, len(m.Links))
	if m.State == groups.Trusted && len(broken) > 0 {
		text += " (" + strings.Join(broken, ", ") + ")"
	}
	return text
}

// memberNotes are what is not usual.
func memberNotes(s *groups.Status, g *groups.Group, m *groups.Member, self bool) []string {
	var notes []string
	if g.Slow == m.Name {
		notes = append(notes, "slow for "+control.Milliseconds(g.SlowMS).String())
	}
	if slices.Contains(g.Serving, m.Name) {
		notes = append(notes, "gets the state from "+s.Member)
	}
	if self && g.Fetching != "" {
		progress := size(g.Received)
		if g.Total > 0 {
			progress += fmt.Sprintf(" of %s (%d %%)", size(g.Total), g.Received*100/g.Total)
		}
		notes = append(notes, "gets the state from "+g.Fetching+": "+progress)
	}
	if self && g.Throttled {
		notes = append(notes, "does not ask for its events")
	}
	if g.Change != nil && slices.Contains(g.Change.Waits, m.Name) {
		notes = append(notes, "the change of the view waits for it")
	}
	if m.Flaps >= 1 {
		notes = append(notes, fmt.Sprintf("wrongly suspected %.0f times of late", m.Flaps))
	}
	if m.Refused != "" {
		notes = append(notes, m.Refused)
	}
	for _, r := range g.Refuses {
		if r.Name == m.Name {
			notes = append(notes, "refused: its terms are others")
		}
	}
	return notes
}

// since gives an age; "-" if it is not known since when.
func since(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return control.Age(now.Sub(at))
}

func renderViews(_ *groups.Status, g *groups.Group, colours bool) []byte {
	var b bytes.Buffer
	renderGroup(&b, g, colours)
	if len(g.Views) == 0 {
		b.WriteString("This member was in no view yet.\n")
		return b.Bytes()
	}
	table(&b, func(w io.Writer) {
		fmt.Fprintln(w, "EPOCH\tSINCE\tMEMBERS\tCAME (+) AND WENT (-)\tTOOK\tLED BY\tHELD UP BY")
		for i := len(g.Views) - 1; i >= 0; i-- {
			renderView(w, &g.Views[i])
		}
	})
	return b.Bytes()
}

// renderView has the first turn on the line of the view, and the others below it.
func renderView(w io.Writer, v *groups.View) {
	var turns []string
	for _, t := range v.Came {
		turns = append(turns, fmt.Sprintf("+ %s  %s", t.Name, t.Why))
	}
	for _, t := range v.Gone {
		turns = append(turns, fmt.Sprintf("- %s  %s", t.Name, t.Why))
	}
	if v.Note != "" {
		turns = append(turns, "  "+v.Note)
	}
	if len(turns) == 0 {
		turns = append(turns, "nobody")
	}
	waited := "-"
	if v.Waited != "" {
		waited = fmt.Sprintf("%s, %s", v.Waited, control.Milliseconds(v.WaitedMS))
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", shortEpoch(v.Epoch), v.At.Local().Format("2006-01-02 15:04:05"),
		strings.Join(v.Members, " "), turns[0], control.Milliseconds(v.TookMS), orDash(v.Leader), waited)
	for _, t := range turns[1:] {
		fmt.Fprintf(w, "\t\t\t%s\t\t\t\n", t)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func renderWhy(s *groups.Status, g *groups.Group, colours bool) []byte {
	var b bytes.Buffer
	renderGroup(&b, g, colours)
	if g.HeldCount == 0 {
		fmt.Fprintf(&b, "No message is held back at %s.\n", s.Member)
		return b.Bytes()
	}
	fmt.Fprintf(&b, "%s held back at %s:\n\n", control.Count(g.HeldCount, "message"), s.Member)
	table(&b, func(w io.Writer) {
		fmt.Fprintln(w, "FROM\tNUMBER\tWAITS FOR")
		for i := 0; i < len(g.Held); i++ {
			h := &g.Held[i]
			last := i
			// A long row of messages each of which waits for the one before is one line.
			for last+1 < len(g.Held) && g.Held[last+1].From == h.From && g.Held[last+1].Number == g.Held[last].Number+1 &&
				(g.Held[last+1].Reason == groups.Predecessor || g.Held[last+1].Words == h.Words) {
				last++
			}
			number := fmt.Sprint(h.Number)
			if last > i {
				number = fmt.Sprintf("%d to %d", h.Number, g.Held[last].Number)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", h.From, number, h.Words)
			i = last
		}
	})
	if more := g.HeldCount - len(g.Held); more > 0 {
		fmt.Fprintf(&b, "and %s more\n", control.Thousands(more))
	}
	return b.Bytes()
}

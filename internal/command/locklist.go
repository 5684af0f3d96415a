package command

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/lock"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// What is printed of locks as JSON. Times are milliseconds, a token is below 2^53.
type (
	locksJSON struct {
		Schema       int        `json:"schema"`
		RecoveringMS float64    `json:"recovering_ms"` // for how long nothing is granted yet; 0: it is
		Locks        []lockLine `json:"locks"`
	}

	lockLine struct {
		Name    string    `json:"name"`
		Order   string    `json:"order"`
		Owners  int       `json:"owners"`
		Waiting int       `json:"waiting"`
		HeldBy  *ownerRow `json:"held_by,omitempty"` // the longest owner
	}

	ownerRow struct {
		Who     string  `json:"who"` // host:pid, or as the client has named itself
		Session uint64  `json:"session"`
		Mode    string  `json:"mode"`
		Token   uint64  `json:"token"`
		HeldMS  float64 `json:"held_ms"`
		Purpose string  `json:"purpose,omitempty"`
	}

	waiterRow struct {
		Place    int     `json:"place"`
		Who      string  `json:"who"`
		Session  uint64  `json:"session"`
		Mode     string  `json:"mode"`
		Turn     uint64  `json:"turn"`
		WaitedMS float64 `json:"waited_ms"`
		Purpose  string  `json:"purpose,omitempty"`
	}

	lockJSON struct {
		Schema       int         `json:"schema"`
		Name         string      `json:"name"`
		Order        string      `json:"order,omitempty"`
		RecoveringMS float64     `json:"recovering_ms"`
		Owners       int         `json:"owners"`
		Waiting      int         `json:"waiting"`
		HeldBy       []ownerRow  `json:"held_by"` // the first of them
		Queue        []waiterRow `json:"queue"`   // the first of them
		Broken       *brokenRow  `json:"broken,omitempty"`
	}

	brokenRow struct {
		By     string  `json:"by"`
		Reason string  `json:"reason"`
		Fence  uint64  `json:"fence"` // tokens below it are void
		AgoMS  float64 `json:"ago_ms"`
	}

	fenceFact struct {
		Schema int    `json:"schema"`
		Name   string `json:"name"`
		Fence  uint64 `json:"fence"` // tokens below it are void
	}
)

func inMS(d time.Duration) float64 { return float64(max(0, d).Microseconds()) / 1000 }

func ownerFact(now time.Duration, s *service.Seat) ownerRow {
	return ownerRow{who(s), uint64(s.Session), s.Mode.String(), s.Number, inMS(now - s.Since), s.Purpose}
}

func locksFact(list *lock.Listing) locksJSON {
	out := locksJSON{Schema: control.Schema, RecoveringMS: inMS(list.Until - list.Now), Locks: []lockLine{}}
	for i := range list.Lines {
		l := &list.Lines[i]
		line := lockLine{Name: l.Name, Order: l.Order.String(), Owners: l.Owners, Waiting: l.Waiters}
		if l.Owners > 0 {
			owner := ownerFact(list.Now, &l.Owner)
			line.HeldBy = &owner
		}
		out.Locks = append(out.Locks, line)
	}
	return out
}

func lockFact(name string, r *lock.Report) lockJSON {
	out := lockJSON{
		Schema: control.Schema, Name: name, RecoveringMS: inMS(r.Until - r.Now), Owners: r.Line.Owners, Waiting: r.Line.Waiters,
		HeldBy: []ownerRow{}, Queue: []waiterRow{},
	}
	if r.Line.Order != service.AnyOrder {
		out.Order = r.Line.Order.String()
	}
	for i := range r.Holders {
		out.HeldBy = append(out.HeldBy, ownerFact(r.Now, &r.Holders[i]))
	}
	for i := range r.Waiting {
		s := &r.Waiting[i]
		out.Queue = append(out.Queue, waiterRow{i + 1, who(s), uint64(s.Session), s.Mode.String(), s.Number, inMS(r.Now - s.Since), s.Purpose})
	}
	if b := &r.Breaking; b.Number != 0 {
		out.Broken = &brokenRow{b.By, b.Reason, b.Number, inMS(r.Now - b.At)}
	}
	return out
}

// who is an owner or a waiter in words.
func who(s *service.Seat) string {
	if s.Label == "" {
		return fmt.Sprintf("session %d", s.Session)
	}
	return s.Label
}

// age is a time for people: three digits or so of it.
func age(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 100*time.Hour:
		return spell(d.Round(time.Second))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// spell is a duration as a person would write it: 24h, and not 24h0m0s.
func spell(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// recoveringWords says that nothing is granted yet.
func recoveringWords(left time.Duration) string {
	return fmt.Sprintf("the lock service begins, or has lost its state, and hears from former owners: locks are granted in %s", age(left))
}

func (p *Program) listLocks(prefix string, list *lock.Listing) error {
	var b bytes.Buffer
	if list.Until > list.Now {
		fmt.Fprintln(&b, recoveringWords(list.Until-list.Now))
	}
	switch {
	case len(list.Lines) == 0 && prefix != "":
		fmt.Fprintf(&b, "no lock whose name begins with %s is held\n", prefix)
	case len(list.Lines) == 0:
		fmt.Fprintln(&b, "no lock is held")
	default:
		table(&b, func(w io.Writer) {
			fmt.Fprintln(w, "LOCK\tMODE\tHELD BY\tFOR\tTOKEN\tOWNERS\tWAITING\tPURPOSE")
			for i := range list.Lines {
				l := &list.Lines[i]
				if l.Owners == 0 {
					fmt.Fprintf(w, "%s\t-\t-\t-\t-\t0\t%d\n", l.Name, l.Waiters)
					continue
				}
				o := &l.Owner
				fmt.Fprintf(w, "%s\t%v\t%s\t%s\t%d\t%d\t%d\t%s\n", l.Name, o.Mode, who(o), age(list.Now-o.Since), o.Number, l.Owners, l.Waiters, o.Purpose)
			}
		})
	}
	_, err := p.Output.Write(b.Bytes())
	return err
}

func (p *Program) explainLock(name string, r *lock.Report) error {
	var b bytes.Buffer
	if r.Until > r.Now {
		fmt.Fprintln(&b, recoveringWords(r.Until-r.Now))
	}
	switch {
	case len(r.Holders) > 0:
	case r.Until > r.Now:
		fmt.Fprintf(&b, "nobody has said yet that %s is held\n", name)
	default:
		fmt.Fprintf(&b, "%s is free\n", name)
	}
	table(&b, func(w io.Writer) {
		for i := range r.Holders {
			if i == 0 {
				fmt.Fprintln(w, "HELD BY\tMODE\tTOKEN\tFOR\tPURPOSE")
			}
			s := &r.Holders[i]
			fmt.Fprintf(w, "%s\t%v\t%d\t%s\t%s\n", who(s), s.Mode, s.Number, age(r.Now-s.Since), s.Purpose)
		}
	})
	more(&b, r.Line.Owners-len(r.Holders))
	table(&b, func(w io.Writer) {
		for i := range r.Waiting {
			if i == 0 {
				fmt.Fprintln(w, "\nWAITING\tMODE\tPLACE\tFOR\tPURPOSE")
			}
			s := &r.Waiting[i]
			fmt.Fprintf(w, "%s\t%v\t%d\t%s\t%s\n", who(s), s.Mode, i+1, age(r.Now-s.Since), s.Purpose)
		}
	})
	more(&b, r.Line.Waiters-len(r.Waiting))
	if k := &r.Breaking; k.Number != 0 {
		fmt.Fprintf(&b, "\nbroken %s ago by %s: %s (tokens below %d are void)\n", age(r.Now-k.At), k.By, k.Reason, k.Number)
	}
	_, err := p.Output.Write(b.Bytes())
	return err
}

// more says how many are not shown.
func more(b *bytes.Buffer, n int) {
	if n > 0 {
		fmt.Fprintf(b, "and %d more\n", n)
	}
}

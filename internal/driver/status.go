package driver

import (
	"io"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Change is a view that a member came to.
type Change struct {
	At     time.Time
	View   *view.View
	Former []view.Member // who came from the view before together with this member
}

func (g *Group) view() *view.View {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.notes.view
}

// why says in words what a group waits for, beginning with a colon; "" if nothing is known.
func (g *Group) why() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := &g.notes
	name := func(id view.ID) string { return g.c.journal.names[id] }
	var parts []string
	if n.refused != "" {
		parts = append(parts, "refused: "+n.refused)
	}
	if n.blocked {
		var missing []string
		for _, m := range n.missing {
			missing = append(missing, name(m.ID))
		}
		parts = append(parts, "there are not enough votes; not heard: "+strings.Join(missing, ", "))
	}
	if n.slow != view.Nobody {
		parts = append(parts, name(n.slow)+" does not keep up")
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, "; ")
}

// WriteStatus writes the status as JSON.
func (c *Cohort) WriteStatus(w io.Writer) error { return nil }

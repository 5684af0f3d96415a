package census

import (
	"fmt"
	"strings"
	"time"
)

// words says what a message that is held back waits for.
func (j *judge) words(h *Held) string {
	switch h.Reason {
	case Numbering:
		return "its place in the total order, which " + j.quiet(h.For) + " has to give or to confirm"
	case Place:
		if h.Message != 0 {
			return fmt.Sprintf("message %d of %s, which comes before it", h.Message, j.quiet(h.For))
		}
		return "a message of " + j.quiet(h.For) + ", which comes before it"
	case Dependency:
		return "a message of " + j.quiet(h.For) + " that it follows upon"
	case Agreement:
		return "enough members that have what " + h.For + " has sent; missing: " + j.lacking(h.For)
	case Predecessor:
		return fmt.Sprintf("message %d of %s, sent before it", h.Message, h.From)
	case Throttled:
		return "the application of " + j.Member + ", which does not ask for its events"
	}
	return h.Reason + " of " + h.For
}

// lacking names who may not have what a member has sent: of its own messages a member
// knows, of others' it knows who is silent.
func (j *judge) lacking(sender string) string {
	var names []string
	if sender == j.Member {
		for _, l := range j.g.Lag {
			names = append(names, j.quiet(l.Name))
		}
	} else {
		for i := range j.g.Seats {
			if s := &j.g.Seats[i]; !s.Witness && s.Name != j.Member {
				if words := j.quiet(s.Name); words != s.Name {
					names = append(names, words)
				}
			}
		}
	}
	if len(names) == 0 {
		return "nobody for long"
	}
	return strings.Join(names, ", ")
}

// quiet gives a name, and since when it is silent if it is.
func (j *judge) quiet(name string) string {
	if m := j.member(name); m != nil && m.SilentMS > quietShare*m.PatienceMS {
		return fmt.Sprintf("%s (silent for %s)", name, Age(m.SilentMS))
	}
	return name
}

// Quiet says whether a member's heartbeats are missing though it is not suspected yet.
func (m *Member) Quiet() bool { return m.State == Trusted && m.SilentMS > quietShare*m.PatienceMS }

// Age gives milliseconds for a person: "3.2 ms", "41 s", "2 h 5 min".
func Age(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", max(0, ms))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Size gives bytes for a person, in powers of 1000.
func Size(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), -1
	for value >= 1000 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	return fmt.Sprintf("%.3g %cB", value, units[unit])
}

const units = "kMGTPE"

// count gives "1 vote", "3 votes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

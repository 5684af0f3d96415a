package driver

import (
	"fmt"
	"strings"
	"time"
)

// why says in words what a group waits for and from whom, beginning with a colon; "" if
// nothing is known. It takes the turn.
func (g *Group) why() string {
	var parts []string
	if !g.c.Do(func() {
		if g.place != nil {
			parts = g.reasons(now())
		}
	}) || len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, "; ")
}

// reasons are what keeps a group from going on, the strongest first.
func (g *Group) reasons(t time.Time) []string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	st := g.status(t)
	if st.Refused != "" {
		say("refused: %s", st.Refused)
	}
	silent := g.refusals(say)
	if st.Votes < st.Needed {
		absent := "the other members run, and have not joined it"
		if len(silent) > 0 {
			absent = "not heard: " + strings.Join(silent, ", ")
		}
		say("there are not enough votes: the group has %d and needs %d; %s", st.Votes, st.Needed, absent)
	}
	switch {
	case st.Fetching != "" && st.Total == 0:
		say("waiting for the state from %s, whose application is to ask for its events", st.Fetching)
	case st.Fetching != "":
		say("received %d of %d bytes of the state from %s", st.Received, st.Total, st.Fetching)
	case st.State == "asking" && st.Votes >= st.Needed && st.Change == nil:
		say("the members of the group are asked to let this one in")
	}
	if st.Change != nil {
		say("a change of the view is %s, for %v, and waits for %s", st.Change.Stage,
			time.Duration(st.Change.SinceMS*float64(time.Millisecond)).Round(time.Millisecond), strings.Join(st.Change.Waits, ", "))
	}
	if st.Slow != "" {
		say("%s does not keep up, for %v", st.Slow, time.Duration(st.SlowMS*float64(time.Millisecond)).Round(time.Millisecond))
	}
	if st.Throttled {
		say("this member's application does not ask for its events")
	}
	return parts
}

// refusals says who is refused, and gives who is not heard.
func (g *Group) refusals(say func(format string, args ...any)) (silent []string) {
	for _, p := range g.c.node.Peers(g.c.time) {
		if p.Life == 0 || p.Suspected {
			silent = append(silent, p.Name)
		}
		if words := g.c.identity.Refused(p.ID); words != "" {
			say("%s is refused: %s", p.Name, words)
		}
	}
	if g.c.cfg.Refusals == nil {
		return silent
	}
	for _, r := range g.c.cfg.Refusals() {
		words := fmt.Sprintf("%d frames were refused: %s", r.Count, r.Reason)
		if r.Count == 0 {
			words = r.Reason
		}
		if r.Member != "" {
			words += ", of " + r.Member
		}
		if r.Source != "" {
			words += ", from " + r.Source
		}
		say("%s", words)
	}
	return silent
}

package cohort

import "time"

// anew paces a member whose state was not good: it goes out of its view, and comes in to be given another's. Were
// that wrong, too, as with another version of the program, each of its ways in and out would stop everybody else.
type anew struct {
	pause time.Duration // that of the last time
	until time.Time     // of the present pause
}

// next is for how long the member stays outside: the first time not at all, then longer each time, until it
// was well for long.
func (a *anew) next(now time.Time) time.Duration {
	switch {
	case a.until.IsZero() || now.Sub(a.until) >= anewForget:
		a.pause = 0
	case a.pause == 0:
		a.pause = anewMin
	default:
		a.pause = min(2*a.pause, anewMax)
	}
	a.until = now.Add(a.pause)
	return a.pause
}

// rests says whether the pause lasts.
func (a *anew) rests(now time.Time) bool { return now.Before(a.until) }

// restart takes this member out of its view, to come in anew: at once, or after a pause. If void, its state
// must not be used even if nobody has another; outside of views that is all that is said.
func (g *Group) restart(now time.Time, void bool) {
	if g.current != nil && g.anew.next(now) > 0 {
		g.members.Rest(now, true, &g.told) // until flush finds the pause over
		if !void {
			g.obey(now)
			return
		}
	}
	g.members.Restart(now, void, &g.told)
	g.obey(now)
}

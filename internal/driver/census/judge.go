package census

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The verdicts on a group. Each is also an exit code of the verbs of `holdfast group`: 0 for
// whole, 1 for degraded, 2 for the others.
const (
	Whole    = "whole"    // nothing is missing, and a further failure is survived
	Degraded = "degraded" // it goes on; something is missing, or no failure is survived
	Blocked  = "blocked"  // it does not go on, for want of votes
	Joining  = "joining"  // this member is not in it
	Stopped  = "stopped"  // it goes on, and its service does not
)

// The places in the guide.
const (
	guide       = "docs/guides/group-commands.md"
	seeTwo      = "docs/guides/pair.md#status"
	seeVotes    = guide + "#votes"
	seeMissing  = guide + "#missing"
	seeRefused  = guide + "#refused"
	seeSlow     = guide + "#slow"
	seeState    = guide + "#state"
	seeLinks    = guide + "#links"
	seeChange   = guide + "#change"
	seeService  = guide + "#proven"
	quietShare  = 0.3 // of the patience: heartbeats are missing
	changeUsual = 100 // milliseconds of a view change that nobody need be told of
)

// The weights of causes: refusals, which explain why somebody is missing and do not pass by
// themselves; what stops the group, what brings it nearer to that, what slows it down, and
// what only narrows the margin.
const (
	weightMargin = iota
	weightSlow
	weightMissing
	weightStop
	weightRefused
)

type cause struct {
	weight           int // the heavier, the earlier it is told
	why, action, see string
}

// judge gathers the causes for one group.
type judge struct {
	*Status
	g      *Group
	causes []cause
}

// Judge concludes from the facts, for each group: Verdict, Survives, Why, Action, See and the
// words of what is held back. It may be called again.
func (s *Status) Judge() {
	for i := range s.Groups {
		j := &judge{Status: s, g: &s.Groups[i]}
		if two := j.g.Two; two != nil {
			j.judgeTwo(two)
			continue
		}
		j.judge()
	}
}

// judgeTwo concludes for a service of two servers.
func (j *judge) judgeTwo(two *Two) {
	g := j.g
	g.Why, g.Action, g.See = []string{}, "", ""
	defer func() {
		if g.Refused != "" {
			g.Why = append([]string{"refused: " + g.Refused}, g.Why...)
			g.Action, g.See = "make the configuration of the service equal at both servers, and restart the one that is wrong", seeTwo
		}
	}()
	silent, action := j.silentServers()
	switch {
	case two.Role == "arbiter" && len(silent) > 0: // which knows no more than who is heard
		g.Verdict, g.Action, g.See = Degraded, action, seeTwo
		if len(silent) > 1 {
			g.Verdict = Blocked
		}
		g.Why = append(g.Why, "not heard: "+strings.Join(silent, ", "))
	case two.Whole:
		g.Verdict, g.Survives = Whole, 1
		if why, action := j.needs(two); why != "" {
			g.Verdict, g.Survives, g.Why, g.Action, g.See = Degraded, 0, append(g.Why, why), action, seeTwo
		}
	case two.Silent && two.Alone != "" && (two.Role == "primary" || two.Role == "backup"): // it has the state, and may not use it
		g.Verdict, g.See = Blocked, seeTwo
		g.Why = append(g.Why, "the other server is not heard, and nobody lets this one go on alone")
		if g.Action = goneForGood(g); strings.HasPrefix(two.Alone, "witness") {
			if why, action := j.needs(two); why != "" {
				g.Why, g.Action = append(g.Why, why), action
			}
		}
	case two.Serves:
		g.Verdict = Degraded
		g.Why = append(g.Why, "this server is "+two.Role+": the other has no state yet, or is not heard")
		g.Action, g.See = "start the other server, and look at the network between the two", seeTwo
	default:
		g.Verdict = Blocked
		g.Why = append(g.Why, "this server is "+two.Role+" and does not serve")
		switch g.See = seeTwo; {
		case g.Terms == "style checkpointed":
			g.Action, g.See = "look at the log: the directory that both servers reach may not answer", "docs/guides/checkpointed.md"
		case two.Role == "empty":
			g.Why[0] = "this server is empty: it has no state, and the other has given it none"
			g.Action = "start the other server; if both are empty the state is lost, and one begins without it: holdfast group proceed " + g.Name + " --other-is-gone"
		default:
			g.Action = goneForGood(g)
		}
	}
}

// goneForGood is what to do at a server that may not go on alone.
func goneForGood(g *Group) string {
	return "start the other server; if it is gone for good, say so: holdfast group proceed " + g.Name + " --other-is-gone"
}

// silentServers names the members that are no witnesses and not heard.
func (j *judge) silentServers() (names []string, action string) {
	for i := range j.Members {
		if m := &j.Members[i]; !m.Witness && m.State != Trusted {
			if names = append(names, m.Name); action == "" {
				action = j.reach(m)
			}
		}
	}
	return names, action
}

// needs says what keeps one of two servers, which both have the state, from going on when the other fails; "" if nothing does.
func (j *judge) needs(two *Two) (why, action string) {
	switch how, name, _ := strings.Cut(two.Alone, " "); how {
	case "witness":
		if m := j.member(name); m != nil && m.State != Trusted {
			return fmt.Sprintf("the witness %s is not heard: without its word no server goes on alone", name), j.reach(m)
		}
	case "prefer":
		return fmt.Sprintf("if %s fails the other server does not go on: alone = %q", name, two.Alone), "add a witness, which only says who goes on alone"
	case "freeze":
		return fmt.Sprintf("if one server fails the other does not go on: alone = %q", two.Alone), "add a witness, which only says who goes on alone"
	}
	return "", ""
}

func (j *judge) judge() {
	g := j.g
	g.Survives = j.survives()
	j.judgeStanding()
	j.judgeMembers()
	j.judgeGone()
	j.judgeRefusals()
	j.judgePace()
	j.judgeService()
	switch {
	case g.View == nil || g.State != "in":
		g.Verdict = Joining
	case g.Blocked:
		g.Verdict = Blocked
	case g.Service != nil && (g.Service.Role == ServiceOff || g.Service.Role == FewDisks):
		g.Verdict = Stopped
	case g.Survives == 0 || len(j.causes) > 0:
		g.Verdict = Degraded
	default:
		g.Verdict = Whole
	}
	if g.Verdict == Degraded && g.Survives == 0 {
		j.add(weightMargin, seeVotes, "start what is missing, or add a member or a witness", "%s", j.brink())
	}
	slices.SortStableFunc(j.causes, func(a, b cause) int { return b.weight - a.weight })
	g.Why, g.Action, g.See = []string{}, "", ""
	for i, c := range j.causes {
		g.Why = append(g.Why, c.why)
		if i == 0 {
			g.Action, g.See = c.action, c.see
		}
	}
	for i := range g.Held {
		g.Held[i].Words = j.words(&g.Held[i])
	}
}

func (j *judge) add(weight int, see, action, format string, values ...any) {
	j.causes = append(j.causes, cause{weight, fmt.Sprintf(format, values...), action, see})
}

// member finds another member by name.
func (s *Status) member(name string) *Member {
	for i := range s.Members {
		if s.Members[i].Name == name {
			return &s.Members[i]
		}
	}
	return nil
}

// alive says whether the life that has a seat is there.
func (j *judge) alive(seat *Seat) bool {
	m := j.member(seat.Name)
	return m == nil || m.State == Trusted && m.Incarnation == seat.Incarnation
}

// survives is how many members may fail at once, whichever they are, so that the others go
// on and somebody has what was delivered.
func (j *judge) survives() int {
	if j.g.View == nil || j.g.Blocked || j.g.State != "in" {
		return 0
	}
	var votes []int
	sum, keepers := 0, 0
	for i := range j.g.Seats {
		s := &j.g.Seats[i]
		if !j.alive(s) {
			continue
		}
		votes, sum = append(votes, s.Votes), sum+s.Votes
		if !s.Witness {
			keepers++
		}
	}
	if j.g.All {
		return max(0, keepers-1)
	}
	slices.Sort(votes)
	n := 0
	for n < keepers-1 {
		if sum -= votes[len(votes)-1-n]; sum < j.g.Needed {
			break
		}
		n++
	}
	return n
}

// brink says why no failure is survived.
func (j *judge) brink() string {
	if j.g.All {
		return "no other member has what this group has delivered"
	}
	return fmt.Sprintf("any failure stops the group: %s heard, %d needed", count(j.g.Votes, "vote"), j.g.Needed)
}

// judgeStanding says why the group does not go on, or why this member is not in it.
func (j *judge) judgeStanding() {
	g := j.g
	if g.Refused != "" {
		j.add(weightRefused, seeRefused, "make the configuration of the group equal at all members", "refused: %s", g.Refused)
	}
	if g.View == nil && g.State == "idle" {
		j.add(weightStop, seeVotes, "", "%s has left the group", j.Member)
		return
	}
	if g.Votes < g.Needed && (g.Blocked || g.View == nil) {
		silent, action := j.silent()
		where := "the other members run, and have not joined it"
		if len(silent) > 0 {
			where = "not heard: " + strings.Join(silent, ", ")
		}
		j.add(weightStop, seeVotes, action, "%s heard, %d needed; %s", count(g.Votes, "vote"), g.Needed, where)
	} else if g.View == nil && g.Fetching == "" && g.Refused == "" {
		if silent, action := j.silent(); len(silent) > 0 && g.Service != nil && g.Service.Disk != nil {
			j.add(weightStop, seeVotes, action, "not heard: %s; on disks a service begins the first time when all members are there, later when more than half of the "+
				"votes have disks that are neither new nor lost", strings.Join(silent, ", "))
		}
		j.add(weightStop, seeVotes, "", "%s asks the members to let it in", j.Member)
	}
}

// silent names who has a vote and is not heard.
func (j *judge) silent() (names []string, action string) {
	for i := range j.Members {
		m := &j.Members[i]
		if m.State == Trusted || m.Votes == 0 {
			continue
		}
		names = append(names, fmt.Sprintf("%s (%s)", m.Name, count(m.Votes, "vote")))
		if action == "" {
			action = j.reach(m)
		}
	}
	return names, action
}

// reach is a command that finds out whether a member's machine is there.
func (j *judge) reach(m *Member) string {
	for _, l := range m.Links {
		if at, err := netip.ParseAddrPort(l.Address); err == nil && at.Addr().IsLoopback() {
			return "start " + m.Name
		} else if err == nil {
			return "ping -c 3 " + at.Addr().String()
		}
	}
	return "start " + m.Name
}

// judgeMembers says which members of the view are not there, and whose links are not.
func (j *judge) judgeMembers() {
	for i := range j.g.Seats {
		seat := &j.g.Seats[i]
		m := j.member(seat.Name)
		if m == nil {
			continue // this one
		}
		switch {
		case m.State == Trusted && m.Incarnation != seat.Incarnation:
			j.add(weightMissing, seeMissing, "", "%s has restarted, and its former life is still in the view", m.Name)
		case m.State == Trusted:
			j.judgeLinks(m)
		default:
			j.add(weightMissing, seeMissing, j.reach(m), "%s is silent for %s", m.Name, Age(m.SilentMS))
		}
	}
}

func (j *judge) judgeLinks(m *Member) {
	if m.SilentMS > quietShare*m.PatienceMS {
		j.add(weightSlow, seeMissing, j.reach(m), "%s is silent for %s; it is taken for crashed after %s", m.Name, Age(m.SilentMS), Age(m.PatienceMS))
		return
	}
	for i, l := range m.Links {
		if l.Address == "" && len(m.Links) > 1 {
			continue // it is not on that link
		}
		switch {
		case !l.Heard:
			j.add(weightMargin, seeLinks, j.reach(&Member{Name: m.Name, Links: []Link{l}}), "%s is not heard on link %d", m.Name, i+1)
		case !l.Hears:
			j.add(weightMargin, seeLinks, "", "%s does not hear %s on link %d", m.Name, j.Member, i+1)
		}
	}
}

// judgeGone says who was in the group, or should be heard, and is not.
func (j *judge) judgeGone() {
	for i := range j.Members {
		m := &j.Members[i]
		if slices.ContainsFunc(j.g.Seats, func(s Seat) bool { return s.Name == m.Name }) || m.Refused != "" {
			continue
		}
		view, turn := j.went(m.Name)
		switch {
		case turn != nil && turn.Left && m.State == Trusted:
		case turn != nil && m.State == Trusted:
			j.add(weightMissing, seeMissing, "holdfast group why, at "+m.Name, "%s runs and is not in the group; it went %s ago: %s", m.Name, j.ago(view), turn.Why)
		case turn != nil && turn.Left:
			j.add(weightMargin, seeMissing, j.reach(m), "%s left %s ago and does not run", m.Name, j.ago(view))
		case turn != nil:
			j.add(weightMissing, seeMissing, j.reach(m), "%s went %s ago: %s; not heard since", m.Name, j.ago(view), turn.Why)
		case m.State == Trusted || j.g.View == nil && j.g.Votes < j.g.Needed: // the latter is told already
		case m.State == NeverHeard:
			j.add(weightMissing, seeMissing, j.reach(m), "%s was never heard", m.Name)
		default:
			j.add(weightMissing, seeMissing, j.reach(m), "%s is silent for %s", m.Name, Age(m.SilentMS))
		}
	}
}

// went finds the last view that a member was not in any more.
func (j *judge) went(name string) (*View, *Turn) {
	for i := len(j.g.Views) - 1; i >= 0; i-- {
		v := &j.g.Views[i]
		for k := range v.Gone {
			if v.Gone[k].Name == name {
				return v, &v.Gone[k]
			}
		}
	}
	return nil, nil
}

// judgeRefusals says who cannot be spoken with. What the transport counts is told only
// while somebody is missing: it may be long ago.
func (j *judge) judgeRefusals() {
	missing := j.g.View == nil
	for _, r := range j.g.Refuses {
		j.add(weightRefused, seeRefused, "make the configuration of the group equal at all members", "%s is refused: %s", r.Name, r.Why)
	}
	for i := range j.Members {
		m := &j.Members[i]
		if m.Refused != "" {
			j.add(weightRefused, seeRefused, "make the configurations equal: holdfast check FILE FILE", "%s is refused: %s", m.Name, m.Refused)
		}
		missing = missing || m.State != Trusted
	}
	for i := range j.Refusals {
		r := &j.Refusals[i]
		switch m := j.whose(r); {
		case r.Count == 0:
			j.add(weightRefused, seeRefused, remedy(r), "%s", r.Words())
		case m != nil && m.State != Trusted:
			j.add(weightRefused, seeRefused, remedy(r), "%s: %s", m.Name, r.Words())
		case m == nil && missing: // perhaps a stranger's
			j.add(weightMargin, seeRefused, remedy(r), "%s", r.Words())
		}
	}
}

// whose finds the member whose address something was refused from.
func (j *judge) whose(r *Refusal) *Member {
	source, err := netip.ParseAddrPort(r.Source)
	if err != nil {
		return nil
	}
	for i := range j.Members {
		for _, l := range j.Members[i].Links {
			if at, err := netip.ParseAddrPort(l.Address); err == nil && at.Addr() == source.Addr() {
				return &j.Members[i]
			}
		}
	}
	return nil
}

// remedy says what usually helps against a refusal of the transport.
func remedy(r *Refusal) string {
	switch r.Reason {
	case "unknown key", "forged seal":
		return "copy one key file to all members"
	case "unsealed":
		return "give all members the key, or none"
	case "wrong version", "unknown feature":
		return "run the same version at all members"
	case "foreign cluster":
		return "make the configurations equal: holdfast check FILE FILE"
	}
	if r.Count == 0 {
		return "stop one of the two, or give it a name of its own"
	}
	return ""
}

// judgePace says who or what slows the group down.
func (j *judge) judgePace() {
	g := j.g
	if c := g.Change; c != nil && c.SinceMS > changeUsual {
		j.add(weightSlow, seeChange, "", "a change of the view goes on for %s (%s) and waits for %s", Age(c.SinceMS), c.Stage, strings.Join(c.Waits, ", "))
	}
	if g.Slow != "" {
		j.add(weightSlow, seeSlow, "holdfast group why, at "+g.Slow, "%s does not keep up for %s: the messages of %s wait for it", g.Slow, Age(g.SlowMS), j.Member)
	}
	if g.Throttled {
		j.add(weightSlow, seeSlow, "look why the application of "+j.Member+" hangs", "the application of %s does not ask for its events", j.Member)
	}
	if len(g.Serving) > 0 {
		j.add(weightSlow, seeState, "", "%s gives the state to %s", j.Member, strings.Join(g.Serving, ", "))
	}
	switch {
	case g.Fetching != "" && g.Total == 0:
		j.judgeGiver()
	case g.Fetching != "":
		j.add(weightSlow, seeState, "", "%s has %s of %s of the state, from %s", j.Member, Size(g.Received), Size(g.Total), g.Fetching)
	}
}

// judgeGiver says why the state may not have begun to come.
func (j *judge) judgeGiver() {
	if j.g.Service != nil {
		j.add(weightSlow, seeState, "holdfast status, at "+j.g.Fetching, "%s waits for the state from %s, which gives none if its own is damaged", j.Member, j.g.Fetching)
		return
	}
	j.add(weightSlow, seeState, "", "%s waits for the state from %s, whose application is to ask for its events", j.Member, j.g.Fetching)
}

func (j *judge) ago(v *View) string { return Age(float64(j.At.Sub(v.At).Microseconds()) / 1000) }

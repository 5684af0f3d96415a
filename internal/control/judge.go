package control

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// proofFresh is how old a proof may be to count: under traffic there are always some
// changes on the way, and a copy proven a moment ago lacks only those.
const proofFresh = Milliseconds(1000)

// kernelFull is the share of the connection tracking table, in percent, from which new
// flows are close to being refused by the kernel.
const kernelFull = 90

// The places in the guide.
const (
	seePeer   = "docs/guides/status.md#peer"
	seeProof  = "docs/guides/status.md#proof"
	seeLink   = "docs/guides/status.md#links"
	seeNobody = "docs/guides/status.md#nobody"
	seeLocal  = "docs/guides/status.md#local"
)

// cause is one reason why something is missing.
type cause struct {
	weight           int // the heavier, the earlier it is told
	why, action, see string
}

// The weights of causes: what stops the service, what leaves it without a successor,
// what makes the successor's copy incomplete, and what only narrows the margin.
const (
	weightMargin = iota
	weightCopy
	weightSuccessor
	weightService
)

// judge gathers causes.
type judge struct {
	*Status
	causes     []cause
	successors int // nodes that would take over, whatever they hold
	whole      int // those of them whose copy is whole
}

// Judge concludes from the facts: Verdict, Survives, Why, Action and See. It may be
// called again.
//
// A node counts as survivable only if its successor is alive, accepted, ready and its
// copy of the states was proven equal within the last second. What is not proven is
// never Protected. On a standby node the successor is the node itself: its copy counts
// when the active node's end marker has come and nothing is known to be missing.
func (s *Status) Judge() {
	j := &judge{Status: s}
	serving := j.judgeService()
	for i := range s.Peers {
		j.judgePeer(&s.Peers[i], s.Role == Active || s.Role == Draining)
	}
	j.judgeLocal()

	s.Survives = 0
	if serving {
		s.Survives = j.whole
	}
	switch {
	case !serving || j.successors == 0:
		s.Verdict = Unprotected
	case s.Survives == 0 || len(j.causes) > 0:
		s.Verdict = Degraded
	default:
		s.Verdict = Protected
	}
	slices.SortStableFunc(j.causes, func(a, b cause) int { return b.weight - a.weight })
	s.Why, s.Action, s.See = []string{}, "", ""
	for i, c := range j.causes {
		s.Why = append(s.Why, c.why)
		if i == 0 {
			s.Action, s.See = c.action, c.see
		}
	}
	if s.Verdict != Protected && len(s.Why) == 0 { // no verdict without a reason
		s.Why = append(s.Why, "no other node could take over")
		s.See = seePeer
	}
}

func (j *judge) add(weight int, see, action, format string, values ...any) {
	j.causes = append(j.causes, cause{weight, fmt.Sprintf(format, values...), action, see})
}

// judgeService says whether somebody holds the addresses, and whether all of them.
func (j *judge) judgeService() bool {
	var active []string
	if j.Role == Active || j.Role == Draining {
		active = append(active, j.Node)
	}
	for _, p := range j.Peers {
		if p.Alive && p.Refused == "" && (p.Role == Active || p.Role == Draining) {
			active = append(active, p.Name)
		}
	}
	switch {
	case len(active) == 0 && j.Role == Promoting:
		j.add(weightService, seeNobody, "holdfast status --watch", "no node holds the addresses yet: %s is taking over", j.Node)
	case len(active) == 0:
		j.add(weightService, seeNobody, "holdfast status --watch", "no node holds the addresses: %s is %s", j.Node, orUnknown(j.Role))
	case len(active) > 1 && j.Role != Draining:
		j.add(weightService, seeNobody, "holdfast status --watch", "%s hold the addresses at once", strings.Join(active, " and "))
	}
	if j.Role != Active {
		return len(active) > 0
	}
	whole := true
	for _, a := range j.Addresses {
		if !a.Held {
			whole = false
			j.add(weightService, seeLocal, "ip address show dev "+a.Interface, "address %s is not on %s though %s is active", a.Prefix, a.Interface, j.Node)
		}
	}
	return whole
}

// judgePeer says what a peer is good for. serving is whether this node serves: then
// the peer is its successor; otherwise, if the peer serves, this node is the peer's.
func (j *judge) judgePeer(p *Peer, serving bool) {
	switch {
	case p.Refused != "":
		j.add(weightSuccessor, seePeer, "holdfast check FILE", "%s is refused: %s", p.Name, p.Refused)
		return
	case !p.Alive:
		j.judgeSilent(p)
		return
	}
	j.judgeLinks(p)
	syncing := p.Role == Standby && p.Proof.State != Proven && p.Proof.State != ""
	switch {
	case serving && !p.Ready && !syncing:
		j.add(weightSuccessor, seePeer, "holdfast status", "%s is alive but could not take over (it is %s): ask there", p.Name, orUnknown(p.Role))
	case serving:
		// One that is not ready for want of states would take over with what it has.
		j.successors++
		switch {
		case !j.judgeProof(p):
		case !p.Ready:
			j.add(weightCopy, seePeer, "holdfast status --watch", "%s does not say yet that it could take over", p.Name)
		default:
			j.whole++
		}
	case p.Role == Active || p.Role == Draining:
		if j.interfacesUp() {
			j.successors++
			if j.judgeReceived(p) {
				j.whole++
			}
		}
	}
}

func (j *judge) judgeSilent(p *Peer) {
	var labels []string
	var least *Milliseconds
	for _, l := range p.Links {
		labels = append(labels, l.Label)
		if l.SilentMS != nil && (least == nil || *l.SilentMS < *least) {
			least = l.SilentMS
		}
	}
	action := ""
	if len(p.Links) > 0 && p.Links[0].Remote != "" {
		action = "ping -c 3 " + p.Links[0].Remote
	}
	links := strings.Join(labels, ", ")
	if p.Role == Stopped {
		j.add(weightSuccessor, seePeer, "holdfast run -c FILE", "%s was stopped", p.Name)
		return
	}
	if least == nil {
		j.add(weightSuccessor, seePeer, action, "%s was not heard on any link (%s) since %s started", p.Name, links, j.Node)
		return
	}
	j.add(weightSuccessor, seePeer, action, "%s is silent on every link (%s) for %s", p.Name, links, Age(least.Duration()))
}

func (j *judge) judgeLinks(p *Peer) {
	var works []string
	for _, l := range p.Links {
		if l.Heard {
			works = append(works, l.Label)
		}
	}
	for _, l := range p.Links {
		if l.Heard {
			continue
		}
		silence := "never heard"
		if l.SilentMS != nil {
			silence = "silent for " + Age(l.SilentMS.Duration())
		}
		action := ""
		if l.Remote != "" {
			action = "ping -c 3 " + l.Remote
		}
		j.add(weightMargin, seeLink, action, "%s: link %s %s (%s works)", p.Name, l.Label, silence, strings.Join(works, ", "))
	}
}

// judgeProof says whether the peer's copy of our states is whole.
func (j *judge) judgeProof(p *Peer) bool {
	proof := &p.Proof
	switch proof.State {
	case Proven:
		return true
	case Behind:
		if proof.LastProvenMSAgo != nil && *proof.LastProvenMSAgo <= proofFresh && proof.LagMS <= proofFresh {
			return true
		}
		if proof.ObjectsBehind == 0 {
			j.add(weightCopy, seeProof, "holdfast status --watch", "%s: its copy was last proven %s", p.Name, ago(proof.LastProvenMSAgo))
		} else {
			j.add(weightCopy, seeProof, "holdfast status --watch", "%s: %s unconfirmed for %s",
				p.Name, Count(proof.ObjectsBehind, "change"), Age(proof.LagMS.Duration()))
		}
	case Diverged:
		j.add(weightCopy, seeProof, "holdfast resync "+p.Name, "%s: its copy differs from the states it was sent (digest %s there, %s here)",
			p.Name, orNone(proof.DigestTheirs), orNone(proof.DigestOurs))
	case Syncing:
		j.add(weightCopy, seeProof, "holdfast status --watch", "%s: is being sent every state, %s to go", p.Name, Count(proof.ObjectsBehind, "flow"))
	case Away:
		j.add(weightCopy, seeProof, "holdfast status --watch", "%s: sends heartbeats but confirms no states; last proven %s", p.Name, ago(proof.LastProvenMSAgo))
	default:
		j.add(weightCopy, seeProof, "holdfast status --watch", "%s: nothing is known of its copy yet", p.Name)
	}
	return false
}

// judgeReceived says whether our copy of the active peer's states is whole.
func (j *judge) judgeReceived(p *Peer) bool {
	switch {
	case !p.Received.Synced:
		j.add(weightCopy, seeProof, "holdfast status --watch", "the copy of %s's states here is not whole yet: %s so far", p.Name, Count(p.Received.Objects, "flow"))
		return false
	case p.Received.Gaps > 0:
		j.add(weightCopy, seeProof, "holdfast status --watch", "%s of %s are missing here and asked for", Count(int(p.Received.Gaps), "message"), p.Name)
		return false
	}
	return true
}

func (j *judge) interfacesUp() bool {
	return !slices.ContainsFunc(j.Tracked, func(i Interface) bool { return !i.Up })
}

// judgeLocal says what is wrong on this node itself.
func (j *judge) judgeLocal() {
	for _, i := range j.Tracked {
		if !i.Up {
			j.add(weightSuccessor, seeLocal, "ip link show dev "+i.Name, "interface %s of %s is down", i.Name, j.Node)
		}
	}
	for _, f := range j.Faults {
		j.add(weightCopy, seeLocal, f.Action, "%s: %s", j.Node, f.What)
	}
	f := &j.Flows
	if f.KernelMax > 0 && f.Kernel*100 >= f.KernelMax*kernelFull {
		j.add(weightMargin, seeLocal, fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", 2*f.KernelMax),
			"the kernel's connection table is %d %% full (%d of %d)", f.Kernel*100/f.KernelMax, f.Kernel, f.KernelMax)
	}
	if f.NotReplicated > 0 {
		j.add(weightCopy, seeLocal, "raise max_flows in the configuration", "%s not replicated: max_flows is reached", Count(int(f.NotReplicated), "flow"))
	}
}

func orUnknown(r Role) string {
	if r == "" {
		return "in an unknown role"
	}
	return string(r)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func ago(m *Milliseconds) string {
	if m == nil {
		return "never"
	}
	return Age(m.Duration()) + " ago"
}

// Age gives a length of time for a person, with two figures: "3.2 ms", "41 s",
// "2 h 5 min".
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0 ms"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
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

// Count gives a number with its noun, in groups of three digits: "1 flow",
// "12,402 flows".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Thousands(n) + " " + noun + "s"
}

// Thousands gives a number in groups of three digits.
func Thousands(n int) string {
	s := fmt.Sprintf("%d", n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

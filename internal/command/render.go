package command

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/holdfast-ha/holdfast/internal/control"
)

// The colours: blue and orange are told apart by nearly everybody.
const (
	blue   = "\x1b[1;38;5;33m"
	orange = "\x1b[1;38;5;208m"
	plain  = "\x1b[0m"
)

// render words a status for people: verdict, why, what to do; then the nodes, their
// links, and this node's own matters.
func render(s *control.Status, colours bool) []byte {
	var b bytes.Buffer
	renderVerdict(&b, s, colours)
	b.WriteByte('\n')
	table(&b, func(w io.Writer) { renderNodes(w, s) })
	b.WriteByte('\n')
	table(&b, func(w io.Writer) { renderLinks(w, s) })
	b.WriteByte('\n')
	table(&b, func(w io.Writer) { renderSelf(w, s) })
	return b.Bytes()
}

func renderVerdict(b *bytes.Buffer, s *control.Status, colours bool) {
	verdict := strings.ToUpper(string(s.Verdict))
	if colours {
		colour := orange
		if s.Verdict == control.Protected {
			colour = blue
		}
		verdict = colour + verdict + plain
	}
	fmt.Fprintf(b, "cluster  %s      %s – survives %s", s.Cluster, verdict, control.Count(s.Survives, "more node failure"))
	if s.Survives == 0 {
		b.WriteString(" (needs 1)")
	}
	b.WriteByte('\n')
	for i, why := range s.Why {
		label := "why"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(b, " %-7s %s\n", label, why)
	}
	if s.Action != "" {
		fmt.Fprintf(b, " action  %s\n", s.Action)
	}
	if s.See != "" {
		fmt.Fprintf(b, " see     %s\n", s.See)
	}
}

func table(b *bytes.Buffer, fill func(io.Writer)) {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fill(w)
	_ = w.Flush() // a buffer takes everything
	for line := range bytes.Lines(text.Bytes()) {
		b.Write(bytes.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
}

// renderNodes has one line a node. COPY is the copy that would be used if the active
// node failed now: the peer's of ours, or ours of the active peer's states.
func renderNodes(w io.Writer, s *control.Status) {
	fmt.Fprintln(w, "NODE\tROLE\tEPOCH\tSINCE\tCOPY\tDIGEST\tLAG")
	since := "-"
	if !s.Since.IsZero() {
		since = control.Age(s.At.Sub(s.Since))
	}
	fmt.Fprintf(w, "%s (this)\t%s\t%d\t%s\t%s\t%s\t-\n", s.Node, s.Role, s.Epoch, since, ownCopy(s), ownDigest(s))
	for i := range s.Peers {
		p := &s.Peers[i]
		role, epoch := string(p.Role), fmt.Sprint(p.Epoch)
		switch {
		case p.Refused != "":
			role, epoch = "refused", "-"
		case p.Incarnation == 0:
			role, epoch = "never heard", "-"
		case p.Role == control.Stopped:
		case !p.Alive && role == "":
			role = "silent"
		case !p.Alive:
			role = "silent, was " + role
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t-\t%s\t%s\t%s\n", p.Name, role, epoch, peerCopy(p), peerDigest(p), lag(p))
	}
}

// serves says whether this node's states are the service's.
func serves(s *control.Status) bool {
	return s.Role == control.Active || s.Role == control.Draining
}

func ownCopy(s *control.Status) string {
	if serves(s) {
		return "source, " + control.Count(s.Flows.Own, "flow")
	}
	held := control.Count(s.Flows.Held, "flow")
	for _, p := range s.Peers {
		if p.Role != control.Active && p.Role != control.Draining {
			continue
		}
		switch {
		case !p.Received.Synced:
			return held + " of " + p.Name + ", not whole"
		case p.Received.Gaps > 0:
			return fmt.Sprintf("%s of %s, %s missing", held, p.Name, control.Count(int(p.Received.Gaps), "message"))
		}
		return held + " of " + p.Name + ", whole"
	}
	return held
}

func ownDigest(s *control.Status) string {
	if !serves(s) {
		return "-"
	}
	for _, p := range s.Peers {
		if p.Proof.DigestOurs != "" {
			return short(p.Proof.DigestOurs)
		}
	}
	return "-"
}

func peerCopy(p *control.Peer) string {
	proof := &p.Proof
	if p.Role == control.Active || p.Role == control.Draining {
		return "source"
	}
	switch proof.State {
	case control.Proven:
		return control.Count(proof.Confirmed, "flow") + " proven"
	case control.Behind:
		text := control.Count(proof.ObjectsBehind, "change") + " behind"
		if proof.LastProvenMSAgo != nil {
			text += ", proven " + control.Age(proof.LastProvenMSAgo.Duration()) + " ago"
		}
		return text
	case control.Syncing:
		return fmt.Sprintf("syncing, %s to go", control.Count(proof.ObjectsBehind, "flow"))
	case "":
		return string(control.Unknown)
	}
	return string(proof.State)
}

// peerDigest says match, differs, stale or none: only the first is a proof.
func peerDigest(p *control.Peer) string {
	proof := &p.Proof
	if p.Role == control.Active || p.Role == control.Draining {
		return "-"
	}
	word := "none"
	switch {
	case proof.State == control.Diverged:
		word = "differs"
	case proof.State == control.Proven && proof.DigestTheirs != "" && proof.DigestTheirs == proof.DigestOurs:
		word = "match"
	case proof.DigestTheirs != "" || proof.LastProvenMSAgo != nil:
		word = "stale"
	}
	if proof.DigestTheirs == "" {
		return word
	}
	return short(proof.DigestTheirs) + " " + word
}

func short(digest string) string {
	if len(digest) > 8 {
		return digest[:8]
	}
	return digest
}

func lag(p *control.Peer) string {
	if p.Proof.LagMS == 0 {
		return "-"
	}
	return control.Age(p.Proof.LagMS.Duration())
}

func renderLinks(w io.Writer, s *control.Status) {
	fmt.Fprintln(w, "LINK\tTO\tADDRESS\tSTATE")
	for _, p := range s.Peers {
		for _, l := range p.Links {
			state := "never heard"
			switch {
			case l.Heard:
				state = "heard"
			case l.SilentMS != nil:
				state = "silent for " + control.Age(l.SilentMS.Duration())
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Label, p.Name, l.Remote, state)
		}
	}
}

// renderSelf has this node's own matters, a kind a line.
func renderSelf(w io.Writer, s *control.Status) {
	label := "addresses"
	for _, a := range s.Addresses {
		state := "not here"
		if a.Held {
			state = "held"
		}
		fmt.Fprintf(w, "%s\t%s on %s\t%s\n", label, a.Prefix, a.Interface, state)
		label = ""
	}
	label = "interfaces"
	for _, i := range s.Tracked {
		state := "down"
		if i.Up {
			state = "up"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", label, i.Name, state)
		label = ""
	}
	f, c := &s.Flows, &s.Counters
	fmt.Fprintf(w, "flows\t%s own, %s held\tkernel %s of %s\n", control.Thousands(f.Own), control.Thousands(f.Held), control.Thousands(f.Kernel), control.Thousands(f.KernelMax))
	fmt.Fprintf(w, "sent\t%s\t%s\n", control.Count(int(c.FramesSent), "frame"), size(c.BytesSent))
	fmt.Fprintf(w, "received\t%s\t%s\n", control.Count(int(c.FramesReceived), "frame"), size(c.BytesReceived))
	renderCounts(w, "dropped", c.Dropped)
	renderCounts(w, "not injected", c.InjectionErrors)
	if c.Overruns > 0 {
		fmt.Fprintf(w, "overruns\t%s\trepaired by comparing with the kernel\n", control.Thousands(int(c.Overruns)))
	}
}

// renderCounts has one line for what was counted under several names, if anything was.
func renderCounts(w io.Writer, label string, counts map[string]uint64) {
	total := uint64(0)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %s", name, control.Thousands(int(n))))
		}
	}
	if total > 0 {
		fmt.Fprintf(w, "%s\t%s\t%s\n", label, control.Thousands(int(total)), strings.Join(parts, ", "))
	}
}

// size gives bytes with three figures, in powers of 1000.
func size(n uint64) string {
	value, unit := float64(n), 0
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	for value >= 1000 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %s", value, units[unit])
}

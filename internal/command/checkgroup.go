package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
)

// tellGroups says of a correct file with groups what it makes of this node.
func (p *Program) tellGroups(path string, f *config.File, result *checked) {
	part := "a member without state"
	switch {
	case f.Self().Witness:
		part = "a witness"
	case slices.ContainsFunc(f.Groups, func(g config.Group) bool { return g.Locks != nil }):
		part = "a member"
	}
	noun := "group"
	if len(result.Groups) > 1 {
		noun = "groups"
	}
	fmt.Fprintf(p.Output, "%s: correct: node %s is %s of cluster %s, %s %s\n", path, f.Node, part, f.Cluster.Name, noun, strings.Join(result.Groups, ", "))
	var members []string
	for _, m := range f.Cluster.Members {
		words := m.Name
		if m.Witness {
			words += " (witness)"
		}
		if m.Votes != 1 {
			words += fmt.Sprintf(" (%s)", control.Count(int(m.Votes), "vote"))
		}
		members = append(members, words)
	}
	fmt.Fprintf(p.Output, "  members: %s; survives %s at once\n", strings.Join(members, ", "), control.Count(failures(f), "failure"))
	for _, g := range f.Groups {
		if g.Locks != nil {
			fmt.Fprintf(p.Output, "  locks %s: %s\n", g.Name, lockWords(g.Locks, f.Self().Witness))
		}
	}
	for _, note := range result.Notes {
		fmt.Fprintf(p.Output, "  note: %s\n", note)
	}
}

// lockWords says how a lock service is set.
func lockWords(l *config.Locks, witness bool) string {
	var b strings.Builder
	if !witness {
		fmt.Fprintf(&b, "socket %s, ", l.Socket)
	}
	fmt.Fprintf(&b, "%s order, style %s, ", l.Order, l.Style)
	if l.Voters > 0 {
		fmt.Fprintf(&b, "%d voters, ", l.Voters)
	}
	fmt.Fprintf(&b, "leases up to %s; ", spell(l.LeaseMax))
	if l.Recovery == "log" {
		fmt.Fprintf(&b, "if all members are lost, recovery from the log in %s", l.Data)
	} else {
		fmt.Fprintf(&b, "if all members are lost, recovery from what clients say within %v", l.Window)
	}
	return b.String()
}

// ofTwo says whether a service is one of two servers, for which nobody's majority counts.
func ofTwo(g config.Group) bool {
	return g.Locks != nil && (g.Locks.Style == "pair" || g.Locks.Style == "checkpointed")
}

// failures is how many members may fail at once, whichever they are, when all are in a
// group of partition "primary", or serve as two.
func failures(f *config.File) int {
	if !slices.ContainsFunc(f.Groups, func(g config.Group) bool { return !ofTwo(g) }) {
		for _, g := range f.Groups {
			if l := g.Locks; l.Style == "pair" && l.Alone != "witness" {
				return 0
			}
		}
		return min(1, len(f.Groups))
	}
	var votes []int
	sum, keepers := 0, 0
	for _, m := range f.Cluster.Members {
		votes, sum = append(votes, int(m.Votes)), sum+int(m.Votes)
		if !m.Witness {
			keepers++
		}
	}
	slices.Sort(votes)
	left := sum
	for n := range keepers {
		if left -= votes[len(votes)-1-n]; left < sum/2+1 {
			return n
		}
	}
	return keepers - 1
}

// groupNotes tell of a correct file with groups what a person may want to know.
func groupNotes(f *config.File) []string {
	var list []string
	c := &f.Cluster
	if c.Insecure {
		list = append(list, "insecure: anyone on a link can take part, and send in the name of members")
	} else if _, err := os.Stat(c.KeyFile); errors.Is(err, fs.ErrNotExist) {
		list = append(list, fmt.Sprintf("key_file %s does not exist on this machine; copy it from another node, or make one: holdfast key new %s", c.KeyFile, c.KeyFile))
	}
	primary := slices.ContainsFunc(f.Groups, func(g config.Group) bool { return g.Partition == "primary" && !ofTwo(g) })
	if primary && failures(f) == 0 {
		list = append(list, "any failure stops a group of these members: add a witness, which only votes")
	}
	for _, g := range f.Groups {
		if l := g.Locks; l != nil && l.Style == "pair" && l.Alone != "witness" {
			list = append(list, fmt.Sprintf("locks %s: alone = %q: when a server fails the other may have to stop; add a witness, which only says who goes on", g.Name, l.Alone))
		}
		if g.Locks != nil && g.Locks.Recovery == "log" && g.Locks.Style != "checkpointed" {
			list = append(list, diskNotes(f, g.Name)...)
		}
	}
	if c.SuspectAfter < suspectShort {
		list = append(list, fmt.Sprintf("suspect_after = %q: on an ordinary machine a process pauses that long now and then, and is expelled", c.SuspectAfter))
	}
	if len(f.Self().Links) == 1 && !f.Self().Links[0].Address.IsLoopback() {
		list = append(list, "one link only: if it fails the cluster falls apart; add a second one on another switch")
	}
	return list
}

// diskNotes say which members a service on disks cannot do without: a witness votes for views, and has no disk.
func diskNotes(f *config.File, name string) []string {
	all, onDisks := 0, 0
	for _, m := range f.Cluster.Members {
		if all += int(m.Votes); !m.Witness {
			onDisks += int(m.Votes)
		}
	}
	need := all/2 + 1
	var vital []string
	for _, m := range f.Cluster.Members {
		if !m.Witness && onDisks-int(m.Votes) < need {
			vital = append(vital, m.Name)
		}
	}
	if len(vital) == 0 {
		return nil
	}
	which, witness := "without "+vital[0], ""
	if len(vital) > 1 {
		which = "without any one of " + strings.Join(vital, ", ")
	}
	if onDisks < all {
		witness = ", and a witness has none"
	}
	return []string{fmt.Sprintf("group %q with data: an answer needs disks with %d of %d votes%s; %s nobody is answered: add a member with a disk, or leave data out",
		name, need, all, witness, which)}
}

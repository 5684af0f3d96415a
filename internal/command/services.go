package command

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/control/groups"
)

// serviceStatus is what `holdfast status` shows of a process in groups.
var serviceStatus = groupVerb{render: renderService}

// renderService says of the service of a group what is proven, and what would survive.
func renderService(s *groups.Status, g *groups.Group, colours bool) []byte {
	v := g.Service
	if v == nil {
		return renderMembers(s, g, colours)
	}
	var b bytes.Buffer
	renderGroup(&b, g, colours)
	table(&b, func(w io.Writer) {
		fmt.Fprintln(w, "MEMBER\tROLE\tCOPY\tEXECUTED\tON ITS DISK\tNOTES")
		disk := "-"
		if v.Disk != nil {
			disk = synced(v, v.Disk.Saved)
		}
		fmt.Fprintf(w, "%s (this)\t%s\t%s\t%d\t%s\t\n", s.Member, v.Role, "-", v.Index, disk)
		for i := range v.Copy {
			renderCopy(w, s, g, &v.Copy[i])
		}
		for _, m := range s.Members {
			if m.Witness {
				fmt.Fprintf(w, "%s\twitness\t-\t-\t-\t\n", m.Name)
			}
		}
	})
	b.WriteByte('\n')
	table(&b, func(w io.Writer) {
		for i, words := range v.Survives() {
			label := "state"
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(w, "%s\t%s\n", label, words)
		}
		fmt.Fprintf(w, "style\t%s, %s\n", v.Style, durability(v))
		fmt.Fprintf(w, "executed\t%s, digest %s, served for %s\n", control.Count(int(v.Index), "command"), v.Digest, control.Age(time.Duration(v.AgreedMS*float64(time.Millisecond))))
		fmt.Fprintf(w, "clients\t%s, %s of answers kept\n", control.Count(v.Sessions, "session"), size(uint64(v.Kept)))
		if v.RecoveringMS > 0 {
			fmt.Fprintf(w, "recovers\tit begins, or has lost its state, and hears from its clients what it was; for another %s at most\n", control.Milliseconds(v.RecoveringMS))
		}
		if j := v.Jobs; j != nil {
			fmt.Fprintf(w, "jobs\t%s now, %d done, %d failed; orphans: %s\n", control.Count(j.Running, "job"), j.Done, j.Failed, j.Orphans)
			for _, why := range slices.Sorted(maps.Keys(j.Stopped)) {
				fmt.Fprintf(w, "\t%d stopped: %s\n", j.Stopped[why], why)
			}
		}
		if v.Held > 0 {
			fmt.Fprintf(w, "waiting\t%s until enough disks have command %d; they have %d\n", control.Count(v.Held, "answer"), v.Index, v.Stable)
		}
		if d := v.Disk; d != nil {
			fmt.Fprintf(w, "log\t%s, %s in %s since the start, %s\n", control.Count(d.Segments, "file"), size(d.Bytes), control.Count(int(d.Commits), "sync"), control.Count(int(d.Snapshots), "snapshot"))
		}
	})
	return b.Bytes()
}

func durability(v *groups.Service) string {
	if v.Disk == nil {
		return "in memory"
	}
	return "on disks, here in " + v.Disk.Path
}

// synced says how far a disk has come.
func synced(v *groups.Service, saved uint64) string {
	if saved >= v.Index {
		return "all"
	}
	return fmt.Sprintf("up to %d", saved)
}

func renderCopy(w io.Writer, s *groups.Status, g *groups.Group, c *groups.Copy) {
	v := g.Service
	role, proof, executed, disk, note := "in view", string(c.Proof), "-", "-", ""
	i := slices.IndexFunc(s.Members, func(m groups.Member) bool { return m.Name == c.Name })
	if c.Proof == groups.Away {
		role = "away"
		if i >= 0 {
			role = "not in the group"
			for k := range g.Seats {
				if g.Seats[k].Name == c.Name {
					role = "in view"
				}
			}
			role = memberState(&s.Members[i], role)
		}
		proof = "-"
	} else if c.Proof != groups.Untold {
		executed = fmt.Sprint(c.Index)
	}
	if c.Behind > 0 && c.Proof != groups.Away {
		note = fmt.Sprintf("behind by %s for %s", control.Count(int(c.Behind), "command"), control.Milliseconds(c.BehindMS))
	}
	if c.Proof == groups.Diverged {
		if proof, note = "DIVERGED", "is given the state of the others"; v.Stopped != "" {
			note = ""
		}
	}
	if c.HasDisk && c.Proof != groups.Away {
		disk = synced(v, c.Saved)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, role, proof, executed, disk, note)
}

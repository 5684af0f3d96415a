package driver

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
	records "github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// status gives where the replica and its group stand. The owner calls it.
func (r *Replica) status(t time.Time) census.Group {
	s := r.group.status(t)
	s.Service = r.serviceStatus(t, &s)
	// What was given is kept for a while. Who has told of the state has it, and who is gone asks anew.
	if proofs, told := r.grouped.Proofs(); told {
		s.Serving = slices.DeleteFunc(s.Serving, func(name string) bool {
			return !slices.ContainsFunc(proofs, func(p replica.Proof) bool { return !p.Told && r.c.nameOf(p.Member.ID) == name })
		})
	}
	return s
}

func (r *Replica) serviceStatus(t time.Time, g *census.Group) *census.Service {
	e := r.exec
	s := &census.Service{
		Style: r.grouped.Style().String(), Index: e.Index(), Digest: fmt.Sprintf("%016x", e.Digest()), Stable: r.grouped.Stable(), Held: r.grouped.Held(),
		AgreedMS: milliseconds(e.Time()), Sessions: e.Table().Len(), Kept: e.Table().Kept(), Copy: []census.Copy{},
	}
	if c, is := r.cfg.Service.(session.Recoverer); is {
		window, until := c.Recovery()
		if s.WindowMS = milliseconds(window); until > 0 {
			s.RecoveringMS = milliseconds(max(0, until-e.Time()))
		}
	}
	switch why := r.grouped.Machine().Stopped(); {
	case why != nil:
		s.Role, s.Stopped, s.Damaged = census.ServiceOff, r.stopped(why), why.Err != nil
	case r.grouped.Machine().View() == nil:
		s.Role = census.Joins
	case g.Blocked:
		s.Role = census.Waits
	case r.grouped.Few():
		s.Role = census.FewDisks
	default:
		s.Role = census.Serving
	}
	s.Spoiled = r.grouped.Spoiled()
	r.copies(t, s)
	if r.cfg.Jobs != nil {
		s.Jobs = r.cfg.Jobs()
	}
	if l := r.lasting; l != nil {
		s.Disk = &census.Disk{Path: l.path}
		if log, is := l.log.(interface{ Stats() records.Stats }); is {
			st := log.Stats()
			s.Disk.Bytes, s.Disk.Commits, s.Disk.Snapshots, s.Disk.Segments, s.Disk.Pending = st.Bytes, st.Commits, st.Snapshots, st.Segments, st.Pending
		}
	}
	for _, d := range r.grouped.Disks() {
		if d.Member.ID == r.c.cfg.Node.Self.ID {
			s.Disk.Saved = d.Index
		}
		for i := range s.Copy {
			if s.Copy[i].Name == r.c.nameOf(d.Member.ID) {
				s.Copy[i].HasDisk, s.Copy[i].Saved = true, d.Index
			}
		}
	}
	return s
}

// copies tells of all other members that keep, or should keep, a copy.
func (r *Replica) copies(t time.Time, s *census.Service) {
	proofs, told := r.grouped.Proofs()
	s.Told = told
	known := map[view.ID]replica.Proof{}
	for _, p := range proofs {
		known[p.Member.ID] = p
	}
	v := r.grouped.Machine().View()
	for _, m := range r.c.cfg.Node.Candidates {
		if m.Witness || m.ID == r.c.cfg.Node.Self.ID {
			continue
		}
		c := census.Copy{Name: m.Name, Proof: census.Away}
		p, is := known[m.ID]
		switch {
		case v == nil || v.Rank(m.ID) < 0:
		case !told:
			c.Proof = census.Untold
		case !is:
		default:
			c.Proof, c.Index = census.Behind, p.Index
			if c.Behind = s.Index - min(s.Index, p.Index); !p.Since.IsZero() {
				c.BehindMS = milliseconds(t.Sub(p.Since))
			}
			if p.Diverged {
				c.Proof = census.Diverged
			} else if p.Told && c.Behind == 0 {
				c.Proof, c.BehindMS = census.Proven, 0
			}
		}
		s.Copy = append(s.Copy, c)
	}
}

// stopped says why replicas have stopped, or this one.
func (r *Replica) stopped(why *replica.Command) string {
	if why.Err != nil {
		return fmt.Sprintf("the state of %s is damaged as of command %d, and nobody else has one: %v", r.c.nameOf(r.c.cfg.Node.Self.ID), why.Index, why.Err)
	}
	sure := "at"
	if !why.Sure {
		sure = "before"
	}
	return fmt.Sprintf("replicas differ %s command %d, %s, and no majority agrees", sure, why.Index, session.Words(why.Request))
}

package census

import (
	"reflect"
	"slices"
	"time"
)

// Same says whether nothing that is worth telling separates two statuses: for a watch. What
// only ages is told once a second, and only while a group is not whole.
func Same(a, b *Status) bool {
	if !a.At.Truncate(time.Second).Equal(b.At.Truncate(time.Second)) &&
		slices.ContainsFunc(b.Groups, func(g Group) bool { return g.Verdict != Whole }) {
		return false
	}
	return reflect.DeepEqual(withoutAges(a), withoutAges(b))
}

// withoutAges is a copy whose ages and counts are left out.
func withoutAges(s *Status) Status {
	c := *s
	c.At, c.Counters = time.Time{}, nil
	c.Refusals = slices.Clone(s.Refusals)
	for i := range c.Refusals {
		c.Refusals[i].Count = min(c.Refusals[i].Count, 1)
	}
	c.Members = slices.Clone(s.Members)
	for i := range c.Members {
		m := &c.Members[i]
		m.Suspicion, m.SilentMS, m.PatienceMS, m.Flaps, m.Dropped = 0, 0, 0, 0, nil
	}
	c.Groups = slices.Clone(s.Groups)
	for i := range c.Groups {
		g := &c.Groups[i]
		g.Why, g.Held, g.HeldCount, g.Lag, g.SlowMS, g.Queued, g.Change = nil, nil, min(g.HeldCount, 1), nil, 0, 0, nil
		g.Received -= g.Received % (1 << 20)
		g.Service = g.Service.withoutCounts()
	}
	return c
}

// withoutCounts leaves out what changes with each command: roles, proofs and what survives are left.
func (s *Service) withoutCounts() *Service {
	if s == nil {
		return nil
	}
	c := Service{
		Style: s.Style, Role: s.Role, Lives: s.Lives, PowerCut: s.PowerCut, Disks: s.Disks, Stopped: s.Stopped, Damaged: s.Damaged, Spoiled: s.Spoiled, Told: s.Told,
		Copies: s.Copies, Copy: slices.Clone(s.Copy),
	}
	for i := range c.Copy {
		p := &c.Copy[i]
		p.Index, p.Behind, p.BehindMS, p.Saved = 0, 0, 0, 0
	}
	return &c
}

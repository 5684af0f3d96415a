package control

import (
	"reflect"
	"slices"
	"time"
)

// sameState says whether nothing but the clock separates two statuses.
func sameState(a, b *Status) bool {
	x, y := withoutClock(a), withoutClock(b)
	return reflect.DeepEqual(x, y)
}

// withoutClock is a copy whose ages are left out.
func withoutClock(s *Status) Status {
	c := *s
	c.At, c.Why = time.Time{}, nil
	c.Peers = slices.Clone(s.Peers)
	for i := range c.Peers {
		p := &c.Peers[i]
		p.Proof.LagMS, p.Proof.LastProvenMSAgo = 0, nil
		p.Links = slices.Clone(p.Links)
		for j := range p.Links {
			p.Links[j].SilentMS = nil
		}
	}
	return c
}

package view

import "testing"

func TestMemberLives(t *testing.T) {
	first, second := Member{ID: 2, Incarnation: 10}, Member{ID: 2, Incarnation: 11}
	for _, c := range []struct {
		name     string
		m, old   Member
		succeeds bool
	}{
		{"a later life succeeds", second, first, true},
		{"an earlier life does not", first, second, false},
		{"a life does not succeed itself", first, first, false},
		{"another member does not", Member{ID: 3, Incarnation: 99}, first, false},
	} {
		if got := c.m.Succeeds(c.old); got != c.succeeds {
			t.Errorf("%s: %v.Succeeds(%v) = %v", c.name, c.m, c.old, got)
		}
	}
	if !first.Known() || (Member{ID: 2}).Known() || (Member{Incarnation: 5}).Known() {
		t.Error("Known: both the ID and the incarnation must be known")
	}
	if got := first.String() + " " + Nobody.String(); got != "m2#10 nobody" {
		t.Errorf("String: %q", got)
	}
}

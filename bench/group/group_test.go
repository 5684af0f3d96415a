package group

import (
	"slices"
	"strings"
	"testing"
)

func TestViewLines(t *testing.T) {
	for _, c := range []struct {
		line    string
		members int
		ok      bool
	}{
		{"view 3 12345", 3, true}, {"view 3", 0, false}, {"view x 1", 0, false}, {"view 1 y", 0, false}, {"fault view 3", 0, false},
	} {
		members, _, ok := parseView(strings.Fields(c.line))
		if ok != c.ok || ok && members != c.members {
			t.Errorf("%q: %d, %v", c.line, members, ok)
		}
	}
}

func TestTheLeaderSendsFirst(t *testing.T) {
	c := &Cluster{members: []*member{{}, {}, {}}, roles: []string{"follows", "follows", "leads"}}
	if got := c.senders(1); len(got) != 1 || got[0] != c.members[2] {
		t.Error("one sender is not the member that leads")
	}
	if got := c.senders(3); len(got) != 3 || got[0] != c.members[2] || got[1] != c.members[0] {
		t.Error("three senders are not all, from the one that leads on")
	}
}

func TestTotemConfiguration(t *testing.T) {
	s := &starting{bed: &Bed{Nodes: [Members]*Node{{1, "n1", "203.0.113.1", nil}, {2, "n2", "203.0.113.2", nil}, {3, "n3", "203.0.113.3", nil}}}}
	text := totem{transport: "knet", ordinary: true, token: 200}.config(s)
	for _, want := range []string{"transport: knet", "sched_rr: no", "token: 200", "token_coefficient: 0", "ring0_addr: 203.0.113.3", "crypto_cipher: none"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	text = totem{transport: "udpu"}.config(s)
	for _, odd := range []string{"sched_rr", "token", "crypto"} {
		if strings.Contains(text, odd) {
			t.Errorf("%q is in\n%s", odd, text)
		}
	}
}

func TestEveryProgramIsNamedOnce(t *testing.T) {
	names := Names()
	if len(names) != 5 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) || names[0] != "holdfast" {
		t.Errorf("the programs are %v", names)
	}
}

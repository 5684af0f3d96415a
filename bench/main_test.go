package main

import (
	"io"
	"testing"
)

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args   []string
		verb   string
		rounds int
		bad    bool
	}{
		{nil, "all", 5, false},
		{[]string{"inject"}, "inject", 5, false},
		{[]string{"--quick", "cost"}, "cost", 1, false},
		{[]string{"takeover", "--rounds", "3", "--quick"}, "takeover", 3, false},
		{[]string{"group", "--peers", "holdfast,corosync"}, "group", 5, false},
		{[]string{"group", "--peers", "pigeons"}, "", 0, true},
		{[]string{"inject", "cost"}, "inject", 0, true},
		{[]string{"speed"}, "", 0, true},
		{[]string{"--rounds", "-1"}, "", 0, true},
		{[]string{"--rounds", "100000"}, "", 0, true},
	} {
		s := &session{text: io.Discard, progress: io.Discard}
		verb, _, err := s.parse(c.args)
		if c.bad {
			if err == nil {
				t.Errorf("%v: taken as %s", c.args, verb)
			}
			continue
		}
		if err != nil || verb != c.verb || s.rounds != c.rounds {
			t.Errorf("%v: %s, %d rounds, %v; want %s, %d rounds", c.args, verb, s.rounds, err, c.verb, c.rounds)
		}
	}
}

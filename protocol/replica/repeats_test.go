package replica

import (
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// TestRepeats: what is named is under way once, and the last that asked is answered.
func TestRepeats(t *testing.T) {
	call := session.Request{Verb: session.Call, How: session.ExactlyOnce, Session: 7, Nonce: 9, Number: 3}
	var r Repeats
	n := NameOf(&call)
	if r.Again(n, 1) || !r.Again(n, 1) || !r.Again(n, 2) {
		t.Error("a request is not known again")
	}
	if got := r.End(n, 1); got != 2 {
		t.Errorf("client %d is answered, not the last", got)
	}
	if got := r.End(n, 1); got != 1 || r.Again(n, 4) {
		t.Errorf("what has ended is under way, of client %d", got)
	}
	r.Clear()
	if r.Again(n, 5) {
		t.Error("what was forgotten is under way")
	}
}

// TestNames: which requests may be taken for one another.
func TestNames(t *testing.T) {
	first := session.Request{Verb: session.Call, How: session.ExactlyOnce, Session: 7, Nonce: 9, Number: 3}
	for what, change := range map[string]func(*session.Request){
		"another session":   func(r *session.Request) { r.Session = 8 },
		"another life":      func(r *session.Request) { r.Nonce = 8 },
		"another call":      func(r *session.Request) { r.Number = 4 },
		"its cancelling":    func(r *session.Request) { r.Verb, r.How = session.Cancel, 0 },
		"another semantics": func(r *session.Request) { r.How = session.AtMostOnce },
	} {
		other := first
		change(&other)
		if NameOf(&other) == NameOf(&first) || NameOf(&other) == (Name{}) {
			t.Errorf("%s has the name %+v", what, NameOf(&other))
		}
	}
	for what, r := range map[string]session.Request{
		"sent once":      {Verb: session.Call, How: session.Maybe, Session: 7, Nonce: 9, Number: 3},
		"no number":      {Verb: session.Call, How: session.AtLeastOnce, Session: 7, Nonce: 9},
		"no session":     {Verb: session.Call, How: session.AtLeastOnce, Nonce: 9, Number: 3},
		"a session":      {Verb: session.Open, Nonce: 9, Number: 3},
		"its renewing":   {Verb: session.Renew, Session: 7, Nonce: 9, Number: 3},
		"a step of time": {Verb: session.Pass},
	} {
		if NameOf(&r) != (Name{}) {
			t.Errorf("%s has a name", what)
		}
	}
	later := first
	later.Acked, later.At = 2, 5
	if NameOf(&later) != NameOf(&first) {
		t.Error("a copy has another name")
	}
	var r Repeats
	for range 2 {
		if r.Again(Name{}, 1) {
			t.Error("what has no name is under way")
		}
	}
	if got := r.End(Name{}, 3); got != 3 {
		t.Errorf("what has no name is answered to %d", got)
	}
}

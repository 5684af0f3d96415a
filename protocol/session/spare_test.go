package session

import (
	"testing"
	"time"
)

// TestASlowClockEndsNoLeaseEarly: a member that was given the state a moment ago knows of no time that went by since the
// last command. What it stamps is behind; who had not heard of that when it stamped must not end the lease.
func TestASlowClockEndsNoLeaseEarly(t *testing.T) {
	e := NewExecutor(newLedger())
	open := func(nonce uint64, at time.Duration, after uint64) {
		r := Request{Verb: Open, Nonce: nonce, Lease: 10 * time.Second, At: at, After: after}
		e.Execute(r.Append(nil), nil)
	}
	pass := func(at time.Duration, after uint64) {
		r := Request{Verb: Pass, At: at, After: after}
		e.Execute(r.Append(nil), nil)
	}
	open(1, 0, 0)
	pass(9*time.Second, 1)
	before := e.Index()
	open(2, 9*time.Second, before) // stamped by who knows of nothing since: it is an hour later
	pass(time.Hour, before)        // by one that has not heard of it
	if _, there := e.Table().Session(1); there {
		t.Error("a session that was renewed before both were stamped outlives its lease")
	}
	if i, there := e.Table().Session(2); !there || i.Ends != time.Hour+10*time.Second {
		t.Fatalf("the new session ends at %v (%v), and should an hour and 10 s after the beginning", i.Ends, there)
	}
	pass(time.Hour+9*time.Second, e.Index())
	if e.Table().Len() != 1 {
		t.Error("it ends before its lease")
	}
	pass(time.Hour+10*time.Second, e.Index())
	if e.Table().Len() != 0 {
		t.Error("it outlives its lease")
	}
}

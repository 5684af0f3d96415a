package driver

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// opened has a session opened.
func opened(t *testing.T, e *session.Executor, nonce uint64) {
	t.Helper()
	q := session.Request{Verb: session.Open, Nonce: nonce, Lease: time.Hour}
	if r, _ := session.ParseReply(e.Execute(q.Append(nil), nil)); r.Status != session.OK {
		t.Fatalf("session %d: %v", nonce, r.Status)
	}
}

// TestAProcessHasItsFillOfSessions: one that opens sessions and forgets them is stopped at its bound, others are not, and it may
// have as many again as end.
func TestAProcessHasItsFillOfSessions(t *testing.T) {
	e := session.NewExecutor(&idle{})
	now := time.Unix(1000, 0)
	var o openers
	ask := func(process, nonce uint64) bool {
		return o.admit(now, process, &opening{session.Open, process, nonce, time.Minute}, e.Table(), false)
	}
	for n := uint64(1); n <= session.ProcessMax; n++ {
		if !ask(7, n) {
			t.Fatalf("session %d is refused", n)
		}
		if n > 2 {
			opened(t, e, n)
		}
	}
	if ask(7, 1<<20) || !ask(7, 3) || !ask(8, 1<<21) {
		t.Error("one process has more than its bound, or another is refused, or what is asked for again")
	}
	if now = now.Add(openMost); !ask(7, 1<<20) || !ask(7, 1<<20+1) || ask(7, 1<<20+2) {
		t.Error("two sessions that never came about still count, or more than these do not")
	}
	if o.closed(7, 3); ask(7, 1<<22) {
		t.Error("a session that is only said to be closed does not count")
	}
	q := session.Request{Verb: session.Close, Session: 1, Nonce: 3}
	e.Execute(q.Append(nil), nil)
	now = now.Add(lookEvery)
	if !ask(7, 1<<22) || ask(7, 1<<23) {
		t.Error("a session that was closed counts")
	}
}

// TestWithoutAState: a member that cannot look counts sessions for their leases; and what is counted is bounded.
func TestWithoutAState(t *testing.T) {
	e := session.NewExecutor(&idle{})
	now := time.Unix(1000, 0)
	var o openers
	ask := func(process, nonce uint64) bool {
		return o.admit(now, process, &opening{session.Open, process, nonce, time.Minute}, e.Table(), true)
	}
	for n := uint64(1); n <= session.ProcessMax; n++ {
		ask(7, n)
	}
	if now = now.Add(time.Minute); ask(7, 1<<20) {
		t.Error("a session does not count though its lease lasts")
	}
	if now = now.Add(openMost); !ask(7, 1<<20) {
		t.Error("a session counts beyond its lease")
	}
	for p := range uint64(2 * openersMax) {
		ask(1<<32+p, p)
		now = now.Add(2 * time.Minute)
	}
	if o.total > openersMax || len(o.by) > openersMax {
		t.Errorf("%d sessions of %d processes are counted", o.total, len(o.by))
	}
}

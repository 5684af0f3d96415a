package call

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestLease: it counts from the sending of what was answered, less the margin.
func TestLease(t *testing.T) {
	h := newHand(t, setting())
	start := h.now
	h.m.Open(h.now, &h.out)
	h.m.Open(h.now, &h.out)
	if id, why := h.m.Submit(h.now, Call{How: session.ExactlyOnce}, &h.out); id != 1 || why != None {
		t.Fatal(why)
	}
	_, first := h.sent()
	if first.Verb != session.Open || first.Lease != 10*time.Second || string(first.Label) != "web1:7" || first.Nonce == 0 {
		t.Errorf("asked for %+v", first)
	}
	h.pass(130 * time.Millisecond)
	_, second := h.sent()
	if second.Nonce != first.Nonce || second.Number == first.Number {
		t.Errorf("asked again for %+v", second)
	}
	h.now = h.now.Add(50 * time.Millisecond)
	if !h.m.LeaseEnd().IsZero() {
		t.Error("a lease without a session")
	}
	h.answer(2, first, session.Reply{Status: session.OK, Session: 5})
	if got := h.m.LeaseEnd().Sub(start); got != 8*time.Second {
		t.Errorf("the lease ends after %v", got)
	}
	if _, q := h.sent(); q.Verb != session.Call || q.Number != 1 || q.Session != 5 {
		t.Errorf("then %+v is sent", q)
	}
	h.answer(2, second, session.Reply{Status: session.OK, Session: 5})
	if got := h.m.LeaseEnd().Sub(start); got <= 8*time.Second || got > 8200*time.Millisecond {
		t.Errorf("with the second reply the lease ends after %v", got)
	}
}

// TestLongLease: a service that does not allow it says so, and how long one may be; who waits is told.
func TestLongLease(t *testing.T) {
	h := newHand(t, setting())
	h.m.Open(h.now, &h.out)
	if id, why := h.m.Submit(h.now, Call{How: session.ExactlyOnce}, &h.out); id != 1 || why != None {
		t.Fatal(why)
	}
	_, q := h.sent()
	h.answer(1, q, session.Reply{Status: session.LongLease, Body: []byte{0, 0, 0, 0, 59, 154, 202, 0}})
	if got := h.result(); got != "not executed: "+LongLease.String() {
		t.Errorf("the call is %s", got)
	}
	if e := h.out.Events; len(e) != 1 || e[0].State != Idle || e[0].Cause != LongLease || e[0].Most != time.Second {
		t.Errorf("events %+v", e)
	}
	if h.pass(time.Minute); len(h.out.Send) != 0 {
		t.Error("it goes on asking")
	}
}

// TestNoRoomForASession: who has waited for a session in vain is told that there was none to be had, not that nobody was there.
func TestNoRoomForASession(t *testing.T) {
	for _, put := range []session.Status{session.Full, session.Crowded} {
		h := newHand(t, setting())
		h.m.Open(h.now, &h.out)
		if _, why := h.m.Submit(h.now, Call{How: session.ExactlyOnce, Deadline: h.now.Add(time.Second)}, &h.out); why != None {
			t.Fatal(why)
		}
		_, q := h.sent()
		h.answer(1, q, session.Reply{Status: put})
		h.pass(time.Second)
		if r := h.out.Results; len(r) != 1 || r[0].Cause != Unadmitted || r[0].Put != put || r[0].Outcome != NotExecuted {
			t.Errorf("%v: %+v", put, r)
		}
	}
}

// TestRenew: it is renewed in time, calls renew it too, and silence ends it.
func TestRenew(t *testing.T) {
	h := opened(t, setting())
	start := h.now
	h.pass(3 * time.Second)
	h.submit(session.AtLeastOnce)
	_, q := h.sent()
	h.answer(1, q, session.Reply{Status: session.OK, Index: 4})
	if got := h.result(); got != "executed: none" {
		t.Errorf("the first call is %s", got)
	}
	h.pass(3 * time.Second)
	if len(h.out.Send) != 0 {
		t.Error("renewed though a call had renewed it")
	}
	h.pass(500 * time.Millisecond)
	if _, q = h.sent(); q.Verb != session.Renew || q.Session != 5 {
		t.Errorf("sent %+v", q)
	}
	sent := start.Add(6*time.Second + time.Second/3)
	h.answer(1, q, session.Reply{Status: session.OK, Index: 5})
	if got := h.m.LeaseEnd(); got.Sub(sent).Round(time.Second/10) != 8*time.Second {
		t.Errorf("the lease ends at %v", got.Sub(start))
	}
	h.submit(session.ExactlyOnce)
	h.pass(10 * time.Second)
	if len(h.out.Events) != 1 || h.out.Events[0] != (Event{State: Idle, Session: 5, Cause: SessionEnded}) || h.m.State() != Idle || !h.m.LeaseEnd().IsZero() {
		t.Errorf("events %+v", h.out.Events)
	}
	if got := h.result(); got != "unknown: the session has ended" {
		t.Errorf("the call is %s", got)
	}
	h.out.Reset()
	h.m.Open(h.now, &h.out)
	if _, q = h.sent(); q.Verb != session.Open {
		t.Errorf("then %+v", q)
	}
}

// TestLateReply: a reply that comes when the lease is over does not bring it back, and a machine that was not
// run for long knows at its first step.
func TestLateReply(t *testing.T) {
	h := opened(t, setting())
	id := h.submit(session.ExactlyOnce)
	_, q := h.sent()
	h.now = h.now.Add(8 * time.Second)
	h.answer(1, q, session.Reply{Status: session.OK, Index: 4})
	if h.m.State() != Idle || len(h.out.Results) != 1 || h.out.Results[0].ID != id || h.out.Results[0].Outcome != Unknown {
		t.Errorf("%v, %+v", h.m.State(), h.out.Results)
	}
	h = newHand(t, setting())
	h.m.Open(h.now, &h.out)
	_, q = h.sent()
	h.now = h.now.Add(8 * time.Second)
	h.answer(1, q, session.Reply{Status: session.OK, Session: 5})
	if h.m.State() != Opening {
		t.Errorf("an opening that took longer than the lease: %v", h.m.State())
	}
}

func TestClose(t *testing.T) {
	h := opened(t, setting())
	h.m.Close(h.now, &h.out)
	h.pass(130 * time.Millisecond)
	if len(h.out.Send) != 2 || h.request(0).Verb != session.Close || h.request(1).Verb != session.Close {
		t.Fatalf("%d messages", len(h.out.Send))
	}
	q := h.request(0)
	if _, why := h.m.Submit(h.now, Call{How: session.Maybe}, &h.out); why != NoSession {
		t.Errorf("a call while closing: %v", why)
	}
	h.answer(2, q, session.Reply{Status: session.StaleSession})
	if len(h.out.Events) != 1 || h.out.Events[0] != (Event{State: Idle, Session: 5, Cause: Shut}) || !h.m.Deadline().IsZero() {
		t.Errorf("events %+v", h.out.Events)
	}
	h = opened(t, setting())
	h.m.Close(h.now, &h.out)
	h.pass(time.Minute)
	if h.m.State() != Idle {
		t.Error("a close that nobody answers does not end")
	}
	h = newHand(t, setting())
	h.m.Open(h.now, &h.out)
	h.m.Close(h.now, &h.out)
	if h.m.State() != Idle || !h.m.Deadline().IsZero() {
		t.Error("an opening that is closed goes on")
	}
}

// TestForeign: what is of another session or life, from another, or no reply, changes nothing.
func TestForeign(t *testing.T) {
	h := opened(t, setting())
	h.submit(session.ExactlyOnce)
	_, q := h.sent()
	good := session.Reply{Status: session.OK, Session: 5, Nonce: q.Nonce, Number: q.Number}
	for _, c := range []struct {
		name   string
		from   view.ID
		change func(r *session.Reply)
		why    wire.Reason
	}{
		{"another life", 1, func(r *session.Reply) { r.Nonce++ }, wire.WrongDestination},
		{"another session", 1, func(r *session.Reply) { r.Session = 4 }, wire.Stale},
		{"another number", 1, func(r *session.Reply) { r.Number = 2 }, wire.Stale},
		{"no server", 9, func(*session.Reply) {}, wire.UnknownSender},
		{"no status", 1, func(r *session.Reply) { r.Status = 0 }, wire.Malformed},
	} {
		r := good
		c.change(&r)
		before := h.m.Dropped(c.why)
		h.m.Receive(h.now, c.from, r.Append(nil), &h.out)
		if len(h.out.Results) != 0 || h.m.Dropped(c.why) != before+1 {
			t.Errorf("%s: %+v", c.name, h.out.Results)
		}
	}
	h.m.Receive(h.now, 1, good.Append(nil), &h.out)
	if got := h.result(); got != "executed: none" {
		t.Errorf("the right one: %s", got)
	}
}

// TestWindow: no number is used that the session refuses, whatever is slow.
func TestWindow(t *testing.T) {
	h := opened(t, setting())
	for range session.Window + 10 {
		h.submit(session.ExactlyOnce)
	}
	if len(h.out.Send) != session.Window {
		t.Fatalf("%d are sent", len(h.out.Send))
	}
	oldest, other := h.request(0), h.request(7)
	h.out.Send = h.out.Send[:0]
	h.answer(1, other, session.Reply{Status: session.OK, Index: 1})
	if len(h.out.Send) != 0 {
		t.Error("a number beyond the window is used")
	}
	h.answer(1, oldest, session.Reply{Status: session.OK, Index: 2})
	if _, q := h.sent(); q.Number != session.Window+1 || q.Acked != 1 {
		t.Errorf("then %+v", q)
	}
	for id := range view.ID(3) {
		h.m.Reachable(h.now, id+1, false, &h.out)
	}
	for range 2 * session.Window {
		h.submit(session.AtMostOnce)
	}
	h.out.Send = h.out.Send[:0]
	h.m.Reachable(h.now, 2, true, &h.out)
	for i := range h.out.Send {
		if q := h.request(i); q.Verb == session.Call && q.Number > q.Acked+session.Window {
			t.Fatalf("number %d is used, acknowledged %d", q.Number, q.Acked)
		}
	}
}

// TestNotes: each call is noted before it is sent, and after a crash those that were open are named.
func TestNotes(t *testing.T) {
	cfg := setting()
	cfg.Log = true
	h := opened(t, cfg)
	var notes []Record
	for range 4 {
		h.submit(session.ExactlyOnce)
		if len(h.out.Save) != 1 || len(h.out.Send) != 1 {
			t.Fatalf("%d notes, %d messages", len(h.out.Save), len(h.out.Send))
		}
		q := h.request(0)
		if h.out.Save[0] != (Record{Nonce: q.Nonce, Number: q.Number}) {
			t.Errorf("noted %+v", h.out.Save[0])
		}
		if q.Number == 2 {
			h.answer(1, q, session.Reply{Status: session.OK})
		}
		notes = append(notes, h.out.Save...)
		h.out.Reset()
	}
	open := Unfinished(notes)
	if len(open) != 3 || open[0].Number != 1 || open[1].Number != 3 || open[2].Number != 4 || len(notes) != 5 {
		t.Errorf("open are %+v of %+v", open, notes)
	}
}

package call

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// bench is one client whose messages a test answers by hand.
type hand struct {
	t   testing.TB
	m   *Machine
	now time.Time
	out Output
}

func setting() Config {
	return Config{Servers: []view.ID{1, 2, 3}, Label: "web1:7", Lease: 10 * time.Second, RetryMin: 100 * time.Millisecond, RetryMax: 400 * time.Millisecond}
}

func newHand(t testing.TB, cfg Config) *hand {
	m, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return &hand{t: t, m: m, now: time.Unix(1e9, 0)}
}

// opened is a client with session 5.
func opened(t testing.TB, cfg Config) *hand {
	h := newHand(t, cfg)
	if cfg.Lease == 0 {
		return h
	}
	h.m.Open(h.now, &h.out)
	_, q := h.sent()
	h.answer(1, q, session.Reply{Status: session.OK, Session: 5})
	if h.m.State() != Opened {
		t.Fatal("the session is not open")
	}
	h.out.Reset()
	return h
}

// sent gives the only message there is, and takes it away.
func (h *hand) sent() (view.ID, session.Request) {
	h.t.Helper()
	if len(h.out.Send) != 1 {
		h.t.Fatalf("%d messages, not one", len(h.out.Send))
	}
	to, q := h.out.Send[0].To, h.request(0)
	h.out.Send = h.out.Send[:0]
	return to, q
}

func (h *hand) request(i int) session.Request {
	q, why := session.ParseRequest(h.out.Send[i].Data)
	if why != wire.OK {
		h.t.Fatalf("the machine sends %x: %v", h.out.Send[i].Data, why)
	}
	return q
}

// answer gives a reply to a request.
func (h *hand) answer(from view.ID, q session.Request, r session.Reply) {
	r.Nonce, r.Number = q.Nonce, q.Number
	if r.Session == 0 {
		r.Session = q.Session
	}
	h.m.Receive(h.now, from, r.Append(nil), &h.out)
}

// submit makes a call that must be taken.
func (h *hand) submit(how session.Semantics) uint64 {
	h.t.Helper()
	id, why := h.m.Submit(h.now, Call{How: how, Body: []byte("body")}, &h.out)
	if why != None {
		h.t.Fatal(why)
	}
	return id
}

// pass lets time go by, with all ticks that are due.
func (h *hand) pass(d time.Duration) {
	end := h.now.Add(d)
	for next := h.m.Deadline(); !next.IsZero() && !next.After(end); next = h.m.Deadline() {
		if next.After(h.now) {
			h.now = next
		}
		h.m.Tick(h.now, &h.out)
	}
	h.now = end
}

// result is the only result there is, in words, and takes it away.
func (h *hand) result() string {
	if len(h.out.Results) != 1 {
		return fmt.Sprintf("%d results", len(h.out.Results))
	}
	r := h.out.Results[0]
	h.out.Results = h.out.Results[:0]
	return fmt.Sprintf("%v: %v", r.Outcome, r.Cause)
}

func TestNewRefuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		want   string
		change func(c *Config)
	}{
		{"0 servers", func(c *Config) { c.Servers = nil }},
		{"65 servers", func(c *Config) { c.Servers = make([]view.ID, 65) }},
		{"name a member", func(c *Config) { c.Servers[1] = view.Nobody }},
		{"twice", func(c *Config) { c.Servers[2] = 1 }},
		{"the lease is 1ms", func(c *Config) { c.Lease = time.Millisecond }},
		{"the lease is 25h", func(c *Config) { c.Lease = 25 * time.Hour }},
		{"the margin", func(c *Config) { c.Margin = 5 * time.Second }},
		{"the margin", func(c *Config) { c.Margin = -1 }},
		{"the label", func(c *Config) { c.Label = strings.Repeat("a", 81) }},
		{"the label", func(c *Config) { c.Label = "\xff" }},
		{"below zero", func(c *Config) { c.Hedge = -1 }},
		{"RetryMin is 1", func(c *Config) { c.RetryMin = 1 }},
		{"less than RetryMin", func(c *Config) { c.RetryMax = time.Millisecond }},
	} {
		cfg := setting()
		c.change(&cfg)
		if _, err := New(cfg, rng); err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if _, err := New(setting(), nil); err == nil {
		t.Error("no rng is taken")
	}
}

func TestSubmitRefuses(t *testing.T) {
	h := newHand(t, setting())
	try := func(c Call) Cause { _, why := h.m.Submit(h.now, c, &h.out); return why }
	if why := try(Call{How: session.Maybe}); why != NoSession {
		t.Errorf("before Open: %v", why)
	}
	h = opened(t, setting())
	for _, c := range []struct {
		c    Call
		want Cause
	}{
		{Call{}, BadCall},
		{Call{How: 5}, BadCall},
		{Call{How: session.Maybe, Body: make([]byte, session.BodyMax+1)}, TooLong},
		{Call{How: session.Maybe, Deadline: h.now}, TooLate},
		{Call{How: session.Maybe, Body: make([]byte, session.BodyMax)}, None},
	} {
		if why := try(c.c); why != c.want {
			t.Errorf("%v, want %v", why, c.want)
		}
	}
	for range callsMax - 1 {
		h.submit(session.ExactlyOnce)
	}
	if why := try(Call{How: session.Maybe}); why != TooMany {
		t.Errorf("call %d: %v", callsMax+1, why)
	}
	h.pass(time.Minute)
	if len(h.out.Results) != callsMax || h.m.Calls() != 0 || h.m.bytes != 0 {
		t.Errorf("%d results, %d calls, %d bytes", len(h.out.Results), h.m.Calls(), h.m.bytes)
	}
	cfg := setting()
	cfg.Lease = 0
	h = newHand(t, cfg)
	if why := try(Call{How: session.AtMostOnce}); why != NoSession {
		t.Errorf("at most once without a session: %v", why)
	}
	h.submit(session.AtLeastOnce)
}

// TestClasses is what a caller can know after each failure.
func TestClasses(t *testing.T) {
	all := []session.Semantics{session.Maybe, session.AtLeastOnce, session.AtMostOnce, session.ExactlyOnce}
	reply := func(s session.Status) func(h *hand) {
		return func(h *hand) {
			q := h.request(0)
			h.out.Send = h.out.Send[:0]
			h.answer(1, q, session.Reply{Status: s, Index: 1})
		}
	}
	down := func(h *hand) {
		for id := range view.ID(3) {
			h.m.Reachable(h.now, id+1, false, &h.out)
		}
	}
	for _, c := range []struct {
		name   string
		before func(h *hand)
		then   func(h *hand)
		want   [4]string
	}{
		{"a reply", nil, reply(session.OK),
			[4]string{"executed: none", "executed: none", "executed: none", "executed: none"}},
		{"nobody can be reached", down, func(h *hand) { h.pass(7 * time.Second) },
			[4]string{"not executed: no server could be reached", "not executed: no server could be reached", "not executed: no server could be reached", "not executed: no server could be reached"}},
		{"silence", nil, func(h *hand) { h.pass(7 * time.Second) },
			[4]string{"unknown: no answer before the deadline", "unknown: no answer before the deadline", "unknown: no answer before the deadline", "unknown: no answer before the deadline"}},
		{"the connection breaks", nil, func(h *hand) { h.m.Reachable(h.now, 1, false, &h.out) },
			[4]string{"unknown: the connection to the server broke", "0 results", "unknown: the connection to the server broke", "0 results"}},
		{"refused for good", nil, reply(session.Refused),
			[4]string{"not executed: refused by the service", "not executed: refused by the service", "not executed: refused by the service", "not executed: refused by the service"}},
		{"refused for now, and then silence", nil, func(h *hand) { reply(session.Busy)(h); h.pass(7 * time.Second) },
			[4]string{"unknown: no answer before the deadline", "unknown: no answer before the deadline", "unknown: no answer before the deadline", "unknown: no answer before the deadline"}},
		{"a reply too long", nil, reply(session.Oversize),
			[4]string{"executed: the reply was too long", "executed: the reply was too long", "executed: the reply was too long", "executed: the reply was too long"}},
		{"a stale session", nil, reply(session.StaleSession),
			[4]string{"unknown: the session has ended", "unknown: the session has ended", "unknown: the session has ended", "unknown: the session has ended"}},
		{"closed", nil, func(h *hand) { h.m.Close(h.now, &h.out) },
			[4]string{"unknown: the session was closed", "unknown: the session was closed", "unknown: the session was closed", "unknown: the session was closed"}},
		{"cancelled before it is sent", down, func(h *hand) { h.m.Cancel(h.now, 1, &h.out) },
			[4]string{"not executed: cancelled", "not executed: cancelled", "not executed: cancelled", "not executed: cancelled"}},
		{"cancelled", nil, func(h *hand) { h.m.Cancel(h.now, 1, &h.out) },
			[4]string{"unknown: cancelled", "unknown: cancelled", "0 results", "0 results"}},
	} {
		for i, how := range all {
			h := opened(t, setting())
			if c.before != nil {
				c.before(h)
			}
			if _, why := h.m.Submit(h.now, Call{How: how, Deadline: h.now.Add(6 * time.Second)}, &h.out); why != None {
				t.Fatal(why)
			}
			c.then(h)
			if got := h.result(); got != c.want[i] {
				t.Errorf("%s, %v: %s, want %s", c.name, how, got, c.want[i])
			}
		}
	}
}

// TestCancel: what the service says about a remembered call is what its caller is told.
func TestCancel(t *testing.T) {
	for _, c := range []struct {
		status session.Status
		want   string
	}{
		{session.Cancelled, "not executed: cancelled"},
		{session.OK, "executed: none"},
		{session.Forgotten, "unknown: forgotten by the service"},
	} {
		h := opened(t, setting())
		id := h.submit(session.AtMostOnce)
		_, call := h.sent()
		h.m.Cancel(h.now, id, &h.out)
		h.m.Cancel(h.now, id, &h.out)
		h.m.Cancel(h.now, 77, &h.out)
		if _, q := h.sent(); q.Verb != session.Cancel || q.Number != call.Number || q.Session != 5 || len(q.Body) > 0 {
			t.Errorf("asked for %+v", q)
		}
		h.pass(150 * time.Millisecond)
		to, q := h.sent()
		if q.Verb != session.Cancel || to != 2 {
			t.Errorf("then %v is asked for %+v", to, q)
		}
		h.answer(2, q, session.Reply{Status: c.status, Index: 2})
		if got := h.result(); got != c.want {
			t.Errorf("%v: %s, want %s", c.status, got, c.want)
		}
		h.submit(session.AtMostOnce)
		if _, q = h.sent(); q.Number != 2 || q.Acked != 1 {
			t.Errorf("the next is %+v", q)
		}
	}
}

// TestRoute: hints, silence and broken connections lead to the next server.
func TestRoute(t *testing.T) {
	h := opened(t, setting())
	h.submit(session.ExactlyOnce)
	to, q := h.sent()
	if to != 1 {
		t.Errorf("first %v is asked", to)
	}
	h.answer(1, q, session.Reply{Status: session.Elsewhere, Server: 3})
	if to, again := h.sent(); to != 3 || !reflect.DeepEqual(again, q) {
		t.Errorf("after a hint %v is asked for %+v", to, again)
	}
	h.answer(3, q, session.Reply{Status: session.Elsewhere})
	if to, _ := h.sent(); to != 1 {
		t.Errorf("without a hint %v is asked", to)
	}
	h.answer(1, q, session.Reply{Status: session.Elsewhere, Server: 9})
	if to, _ := h.sent(); to != 2 {
		t.Errorf("after a hint at nobody we know, %v is asked", to)
	}
	h.answer(2, q, session.Reply{Status: session.Elsewhere, Server: 2})
	if len(h.out.Send) != 0 {
		t.Errorf("%v is asked at once, after all have refused", h.out.Send[0].To)
	}
	h.pass(130 * time.Millisecond)
	h.sent()
	h.m.Reachable(h.now, 1, false, &h.out)
	h.m.Reachable(h.now, 2, false, &h.out)
	h.m.Reachable(h.now, 3, false, &h.out)
	h.out.Send = h.out.Send[:0]
	h.pass(2 * time.Second)
	if len(h.out.Send) != 0 || h.m.Server() != view.Nobody {
		t.Errorf("%d messages to nobody", len(h.out.Send))
	}
	h.m.Reachable(h.now, 2, true, &h.out)
	if len(h.out.Send) == 0 || h.out.Send[0].To != 2 {
		t.Error("the one that can be reached is not asked")
	}
}

// TestBackoff: without an answer the call goes round, ever more slowly.
func TestBackoff(t *testing.T) {
	cfg := setting()
	cfg.Patience, cfg.Lease = 30*time.Second, 60*time.Second
	h := opened(t, cfg)
	h.submit(session.ExactlyOnce)
	start, last := h.now, 0
	want := []time.Duration{100, 200, 400, 400, 400, 400}
	for i, d := range want {
		to, q := h.sent()
		if to != view.ID(i%3+1) || q.Number != 1 {
			t.Errorf("time %d: %v is asked for number %d", i, to, q.Number)
		}
		before := h.now
		h.now = h.m.Deadline()
		h.m.Tick(h.now, &h.out)
		if wait := h.now.Sub(before); wait < d*3/4*time.Millisecond || wait > d*5/4*time.Millisecond {
			t.Errorf("time %d: after %v, not about %v ms", i, wait, int64(d))
		}
		last = i
	}
	if h.now.Sub(start) > 3*time.Second || last != len(want)-1 {
		t.Error("it takes too long")
	}
	h.answer(2, session.Request{Nonce: h.m.nonce, Session: 5, Number: 1}, session.Reply{Status: session.OK})
	if got := h.result(); got != "executed: none" || h.m.Server() != 2 {
		t.Errorf("%s, and then %v is asked", got, h.m.Server())
	}
	h.answer(2, session.Request{Nonce: h.m.nonce, Session: 5, Number: 1}, session.Reply{Status: session.OK})
	if got := h.result(); got != "0 results" || h.m.Dropped(wire.Stale) != 1 {
		t.Errorf("the reply again: %s", got)
	}
}

// TestHedge: only what is declared idempotent goes to a second server, and of that nothing that is to be sent once.
func TestHedge(t *testing.T) {
	for _, c := range []struct {
		how        session.Semantics
		idempotent bool
		want       int
	}{
		{session.Maybe, false, 1}, {session.AtLeastOnce, false, 1}, {session.AtMostOnce, false, 1}, {session.ExactlyOnce, false, 1},
		{session.Maybe, true, 1}, {session.AtLeastOnce, true, 2}, {session.AtMostOnce, true, 1}, {session.ExactlyOnce, true, 2},
	} {
		cfg := setting()
		cfg.Hedge = 10 * time.Millisecond
		h := opened(t, cfg)
		if _, why := h.m.Submit(h.now, Call{How: c.how, Idempotent: c.idempotent}, &h.out); why != None {
			t.Fatal(why)
		}
		h.pass(60 * time.Millisecond)
		if len(h.out.Send) != c.want {
			t.Errorf("%v, idempotent %v: sent %d times, want %d", c.how, c.idempotent, len(h.out.Send), c.want)
			continue
		}
		if c.want < 2 {
			continue
		}
		if a, b := h.request(0), h.request(1); a.Number != b.Number || h.out.Send[0].To == h.out.Send[1].To {
			t.Errorf("%v: %+v and %+v", c.how, a, b)
		}
		q := h.request(1)
		h.out.Send = h.out.Send[:0]
		h.answer(2, q, session.Reply{Status: session.Elsewhere, Server: 1})
		if len(h.out.Send) != 0 {
			t.Errorf("%v: the second's refusal makes it ask again", c.how)
		}
		h.answer(1, q, session.Reply{Status: session.OK})
		if got := h.result(); got != "executed: none" {
			t.Errorf("%v: %s", c.how, got)
		}
	}
}

// TestALargeRequestIsRepeatedLater: by as much as it takes to be sent; and what a server has said is told at the end.
func TestALargeRequestIsRepeatedLater(t *testing.T) {
	repeated := func(size int) time.Duration {
		h := opened(t, setting())
		from := h.now
		id, why := h.m.Submit(h.now, Call{How: session.ExactlyOnce, Body: make([]byte, size), Deadline: h.now.Add(time.Second)}, &h.out)
		if why != None {
			t.Fatal(why)
		}
		for len(h.out.Send) < 2 && h.now.Sub(from) < time.Second {
			h.pass(time.Millisecond)
		}
		gone := h.now.Sub(from)
		h.answer(h.out.Send[1].To, h.request(1), session.Reply{Status: session.Busy})
		h.pass(2 * time.Second)
		if r := h.out.Results; len(r) != 1 || r[0].ID != id || r[0].Outcome != Unknown || r[0].Put != session.Busy {
			t.Errorf("%d bytes: results %+v", size, r)
		}
		return gone
	}
	small, large := repeated(10), repeated(session.BodyMax)
	if more := large - small; more < 150*time.Millisecond || more > 300*time.Millisecond {
		t.Errorf("a small request is repeated after %v, one of a mebibyte after %v", small, large)
	}
}

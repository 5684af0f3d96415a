package call

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// round is a client that makes calls, one after the other, with their replies.
func round(t testing.TB) func() {
	h := opened(t, setting())
	body := make([]byte, 64)
	r := session.Reply{Status: session.OK, Session: 5, Nonce: h.m.nonce, Body: body[:8]}
	var reply []byte
	return func() {
		h.now = h.now.Add(time.Millisecond)
		h.out.Reset()
		if _, why := h.m.Submit(h.now, Call{How: session.ExactlyOnce, Body: body}, &h.out); why != None {
			t.Fatal(why)
		}
		r.Number++
		r.Index++
		reply = r.Append(reply[:0])
		h.m.Receive(h.now, 1, reply, &h.out)
		h.m.Tick(h.now, &h.out)
		if len(h.out.Results) != 1 {
			t.Fatal("no result")
		}
	}
}

func TestCallAllocatesNothing(t *testing.T) {
	step := round(t)
	for range 2000 {
		step()
	}
	if n := testing.AllocsPerRun(2000, step); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

// BenchmarkCall is a call of 64 bytes and its reply, at the client.
func BenchmarkCall(b *testing.B) {
	step := round(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

// FuzzReceive: whatever arrives, nothing panics, and each call has one result at most.
func FuzzReceive(f *testing.F) {
	m, _ := New(setting(), rand.New(rand.NewPCG(1, 2)))
	var out Output
	m.Open(time.Unix(1e9, 0), &out)
	nonce := m.nonce
	for s := session.OK; s <= session.Halted; s++ {
		f.Add((&session.Reply{Status: s, Session: 5, Nonce: nonce, Number: 1, Server: 2, Index: 3}).Append(nil),
			(&session.Reply{Status: s, Session: 5, Nonce: nonce, Number: loose | 2, Server: 3}).Append(nil))
		f.Add((&session.Reply{Status: s, Session: 5, Nonce: nonce, Number: loose | 1}).Append(nil),
			(&session.Reply{Status: s, Session: 5, Nonce: nonce, Number: 2}).Append(nil))
	}
	f.Add([]byte{}, []byte{1, 1})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		h := opened(t, setting())
		seen := map[uint64]bool{}
		for i := range 6 {
			_, _ = h.m.Submit(h.now, Call{How: session.Semantics(i%4 + 1), Deadline: h.now.Add(time.Second)}, &h.out)
			h.m.Receive(h.now, 1, one, &h.out)
			h.m.Cancel(h.now, uint64(i), &h.out)
			h.m.Receive(h.now, 2, two, &h.out)
			h.m.Receive(h.now, 3, one, &h.out)
			h.pass(100 * time.Millisecond)
			if i == 3 {
				h.m.Open(h.now, &h.out)
			}
		}
		h.pass(20 * time.Second)
		for i := range h.out.Send {
			h.request(i)
		}
		for _, r := range h.out.Results {
			if seen[r.ID] || r.ID == 0 || r.Outcome == 0 {
				t.Fatalf("results %+v", h.out.Results)
			}
			seen[r.ID] = true
		}
		if h.m.Calls() != 0 || h.m.bytes != 0 || len(h.m.byNumber) != 0 {
			t.Fatalf("%d calls are left, %d bytes, %d numbers", h.m.Calls(), h.m.bytes, len(h.m.byNumber))
		}
	})
}

package holdfast_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// wire speaks with a member without package client.
type wire struct {
	*testing.T
	net.Conn
}

// ask sends a request and gives the reply.
func (w *wire) ask(q session.Request) session.Reply {
	w.Helper()
	b := q.Append(nil)
	if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		w.Fatal(err)
	}
	var head [4]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		w.Fatal(err)
	}
	b = make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(w, b); err != nil {
		w.Fatal(err)
	}
	r, _ := session.ParseReply(b[1:])
	return r
}

// TestAProcessCannotTakeAllSessions: one that opens sessions and forgets them is refused at its bound, whatever connection it
// uses, and told of it; it goes on when it has closed one.
func TestAProcessCannotTakeAllSessions(t *testing.T) {
	all := serveAll(t, map[string]session.Service{"a": &counter{}, "b": &counter{}})
	c, err := net.Dial("unix", all["a"].socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := &wire{t, c}
	var first session.Reply
	for n := uint64(1); n <= session.ProcessMax; n++ {
		r := w.ask(session.Request{Verb: session.Open, Nonce: n, Lease: time.Hour})
		if r.Status != session.OK {
			t.Fatalf("session %d: %v", n, r.Status)
		}
		if n == 1 {
			first = r
		}
	}
	if r := w.ask(session.Request{Verb: session.Open, Nonce: 1 << 20, Lease: time.Hour}); r.Status != session.Crowded || r.Nonce != 1<<20 {
		t.Errorf("one more is %v", r.Status)
	}
	k := dial(t, all["a"])
	err = says(t, func(ctx context.Context) error {
		_, err := k.Call(ctx, client.ExactlyOnce, nil)
		return err
	}, "this process has 1024 of them at that member, and may have no more; close those that are not used")
	var e *client.Error
	if !errors.As(err, &e) || e.Outcome != client.NotExecuted || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a client of that process is told %v", err)
	}
	if r := w.ask(session.Request{Verb: session.Close, Session: first.Session, Nonce: 1}); r.Status != session.OK {
		t.Errorf("a session is closed: %v", r.Status)
	}
	if _, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil {
		t.Errorf("when one was closed: %v", err)
	}
}

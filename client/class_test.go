package client_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// puppet is a server that opens sessions, and does with calls as it is told.
type puppet struct {
	socket string
	l      net.Listener
	ended  sync.WaitGroup
	heed   func(q *session.Request) (r session.Reply, answers, lives bool)

	mu    sync.Mutex
	calls []session.Request
}

// play begins a puppet.
func play(t *testing.T, heed func(q *session.Request) (r session.Reply, answers, lives bool)) *puppet {
	t.Helper()
	p := &puppet{socket: filepath.Join(t.TempDir(), "p.sock"), heed: heed}
	var err error
	if p.l, err = net.Listen("unix", p.socket); err != nil {
		t.Fatal(err)
	}
	p.ended.Go(func() {
		for {
			c, err := p.l.Accept()
			if err != nil {
				return
			}
			p.ended.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = p.l.Close()
		p.ended.Wait()
	})
	return p
}

func (p *puppet) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(in, b); err != nil {
			return
		}
		q, why := session.ParseRequest(b)
		if why != wire.OK {
			return
		}
		r, answers, lives := session.Reply{Status: session.OK, Session: 5, Index: 1}, true, true
		if q.Verb == session.Call {
			p.mu.Lock()
			q.Body = nil
			p.calls = append(p.calls, q)
			p.mu.Unlock()
			r, answers, lives = p.heed(&q)
		}
		if !lives {
			return
		}
		if r.Nonce, r.Number = q.Nonce, q.Number; answers {
			reply := r.Append([]byte{0, 0, 0, 0, 0})
			binary.BigEndian.PutUint32(reply, uint32(len(reply)-4))
			if _, err := c.Write(reply); err != nil {
				return
			}
		}
	}
}

func (p *puppet) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

func silent(*session.Request) (r session.Reply, answers, lives bool) { return r, false, true }
func dies(*session.Request) (r session.Reply, answers, lives bool)   { return r, false, false }
func says(s session.Status) func(*session.Request) (session.Reply, bool, bool) {
	return func(*session.Request) (session.Reply, bool, bool) {
		return session.Reply{Status: s, Session: 5}, true, true
	}
}

// TestTheClassOfAFailure: what a client can know of each.
func TestTheClassOfAFailure(t *testing.T) {
	for _, c := range []struct {
		name    string
		heed    func(*session.Request) (session.Reply, bool, bool)
		how     client.Semantics
		outcome client.Outcome
		class   client.Class
		is      error
		text    string
	}{
		{"silence", silent, client.ExactlyOnce, client.Unknown, client.RequestLost | client.ServerCrashed | client.ReplyLost, context.DeadlineExceeded, "the request was lost, or the server crashed"},
		{"silence, maybe", silent, client.Maybe, client.Unknown, client.RequestLost | client.ServerCrashed | client.ReplyLost, context.DeadlineExceeded, ""},
		{"a crash", dies, client.AtMostOnce, client.Unknown, client.RequestLost | client.ServerCrashed, nil, "the connection to the server broke"},
		{"nobody serves", says(session.Busy), client.ExactlyOnce, client.Unknown, client.ServerNotFound | client.RequestLost | client.ServerCrashed | client.ReplyLost, context.DeadlineExceeded, `says "busy"`},
		{"a stale session", says(session.StaleSession), client.ExactlyOnce, client.Unknown, client.ClientCrashed, client.ErrStale, "a new one is opened by itself: look how things stand"},
		{"a refusal", says(session.Refused), client.ExactlyOnce, client.NotExecuted, 0, nil, "refused by the service"},
		{"a long reply", says(session.Oversize), client.ExactlyOnce, client.Executed, 0, nil, "more than 1048320 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := play(t, c.heed)
			k := dial(t, client.Config{Servers: []string{p.socket}, RetryMax: 40 * time.Millisecond})
			var err error
			await(t, "sent", func() bool { // on a busy machine a call may end before there is a session
				ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
				defer cancel()
				_, err = k.Invoke(ctx, &client.Method{Name: "enter", How: c.how}, []byte("x"))
				return p.asked() > 0
			})
			var e *client.Error
			if !errors.As(err, &e) || e.Outcome != c.outcome || e.Class != c.class {
				t.Fatalf("%v (%+v)", err, e)
			}
			if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "enter: ") {
				t.Errorf("%q is not of %v, or does not say %q", err, c.is, c.text)
			}
			if n := p.asked(); n != 1 && (c.how == client.Maybe || c.how == client.AtMostOnce) {
				t.Errorf("%v: it was sent %d times", c.how, n)
			}
		})
	}
	k := dial(t, client.Config{Servers: []string{filepath.Join(t.TempDir(), "none.sock")}})
	_, err := k.Invoke(context.Background(), &client.Method{How: client.ExactlyOnce, Timeout: 30 * time.Millisecond}, nil)
	var e *client.Error
	if !errors.As(err, &e) || e.Class != client.ServerNotFound || e.Outcome != client.NotExecuted || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a server: %v", err)
	}
	_, err = k.Invoke(within(t), &client.Method{How: client.ExactlyOnce}, make([]byte, client.BodyMax+7))
	if err == nil || !strings.Contains(err.Error(), "1048327 bytes") || !strings.Contains(err.Error(), "1048320 at most") {
		t.Errorf("a body that is too long: %v", err)
	}
}

// TestOnlyWhatIsIdempotentIsHedged: while the first server is slow, the second is asked for what may be executed again,
// and for nothing else.
func TestOnlyWhatIsIdempotentIsHedged(t *testing.T) {
	for _, c := range []struct {
		m      client.Method
		hedged bool
	}{
		{client.Method{How: client.Maybe, Idempotent: true}, false},
		{client.Method{How: client.AtLeastOnce}, false},
		{client.Method{How: client.AtLeastOnce, Idempotent: true}, true},
		{client.Method{How: client.AtMostOnce, Idempotent: true}, false},
		{client.Method{How: client.ExactlyOnce}, false},
		{client.Method{How: client.ExactlyOnce, Idempotent: true}, true},
	} {
		slow, quick := play(t, silent), play(t, says(session.OK))
		k := dial(t, client.Config{Servers: []string{slow.socket, quick.socket}, Hedge: 10 * time.Millisecond, RetryMax: 10 * time.Second})
		most := patience
		if !c.hedged {
			most = 200 * time.Millisecond // there will be no answer
		}
		ctx, cancel := context.WithTimeout(context.Background(), most)
		_, err := k.Invoke(ctx, &c.m, nil)
		cancel()
		if quick.asked() > 0 && slow.asked() == 0 {
			continue // the second connection came first: there was nothing to hedge
		}
		if hedged := quick.asked() > 0; hedged != c.hedged || (err == nil) != c.hedged {
			t.Errorf("%v, idempotent %v: hedged %v, %v", c.m.How, c.m.Idempotent, hedged, err)
		}
	}
}

// TestACallCanBeCancelledAtEachStep: waiting for a connection, for a session, for a reply, and for word of its fate.
func TestACallCanBeCancelledAtEachStep(t *testing.T) {
	mute, err := net.Listen("unix", filepath.Join(t.TempDir(), "mute.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	p := play(t, silent)
	for step, c := range map[string]struct {
		socket  string
		outcome client.Outcome
	}{
		"connection": {filepath.Join(t.TempDir(), "none.sock"), client.NotExecuted},
		"session":    {mute.Addr().String(), client.NotExecuted},
		"reply":      {p.socket, client.Unknown},
	} {
		k := dial(t, client.Config{Servers: []string{c.socket}})
		ctx, cancel := context.WithCancel(context.Background())
		came := make(chan error, 1)
		before := p.asked()
		go func() {
			_, err := k.Invoke(ctx, &client.Method{How: client.AtLeastOnce}, nil)
			came <- err
		}()
		if c.socket == p.socket {
			await(t, "asked", func() bool { return p.asked() > before })
		}
		cancel()
		select {
		case err := <-came:
			expect(t, err, context.Canceled, c.outcome)
		case <-time.After(patience):
			t.Errorf("waiting for a %s: it does not end", step)
		}
	}
}

package lock

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// full is a service with one of everything.
func full(tb testing.TB, cfg Config) *Service {
	s, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	for i, q := range []Request{
		{Kind: Enter, Name: "a", Mode: Shared, Order: Loose, Label: "web1:1"},
		{Kind: Enter, Name: "a", Label: "web2:2", Purpose: "write"},
		{Kind: Enter, Name: "a", Mode: Shared},
		{Kind: Enter, Name: "b", Mode: Shared},
		{Kind: Break, Name: "b", Label: "root", Purpose: "why not"},
		{Kind: Enter, Name: "b"},
		{Kind: Reassert, Name: "c", Number: 7},
		{Kind: Reassert, Name: "c", Number: 8, Waited: true},
		{Kind: Enter, Name: "b"},
		{Kind: Break, Name: "b", Label: "root", Purpose: "why not"},
	} {
		s.Apply(session.Command{At: time.Duration(i), Session: session.ID(1 + i), Body: q.Append(nil)}, nil)
	}
	return s
}

// FuzzApply: whatever a session sends, the service replies with what a client can read, keeps its
// promises, and has a snapshot that another reads as an equal state.
func FuzzApply(f *testing.F) {
	var all []byte
	for kind := Enter; kind <= Ask; kind++ {
		for _, flags := range []bool{false, true} {
			q := Request{Kind: kind, Name: "a", Number: 1, Label: "l", Purpose: "p", After: "A", Try: flags, Waited: flags, Mode: Mode(kind % 2)}
			body := q.Append(nil)
			all = append(append(all, byte(kind), byte(len(body))), body...)
		}
	}
	f.Add(all, false)
	f.Add(all, true)
	f.Add([]byte{1, 4, 1, 0xff, 1, 'x'}, false)
	f.Fuzz(func(t *testing.T, script []byte, window bool) {
		cfg := Config{}
		if window {
			cfg = Config{Floor: 10, Window: 40}
		}
		s := full(t, cfg)
		r := &run{service: s, gone: map[session.ID]bool{}}
		at := time.Duration(20)
		for len(script) >= 2 {
			id, n := session.ID(script[0]%8), min(int(script[1]), len(script)-2)
			at++
			if script[0] == 0xff {
				s.Ended(at, session.ID(script[1]))
			}
			reply := s.Apply(session.Command{At: at, Session: id, Body: script[2 : 2+n]}, nil)
			if _, err := ParseReply(reply); err != nil || len(reply) > ReplyMax {
				t.Fatalf("reply %x: %v", reply, err)
			}
			if why := r.invariants(); why != "" {
				t.Fatal(why)
			}
			script = script[2+n:]
		}
		s.Notices(func(n Notice) {
			if m, err := ParseNotice(n.Append(nil)); err != nil || m.Number != n.Number || m.What != n.What || !bytes.Equal(m.Name, n.Name) {
				t.Fatalf("notice %v is read as %v: %v", n, m, err)
			}
		})
		sameAgain(t, s)
	})
}

// sameAgain checks that a service's snapshot is read as an equal state.
func sameAgain(t *testing.T, s *Service) {
	t.Helper()
	var a, b bytes.Buffer
	if err := s.Snapshot(&a); err != nil {
		t.Fatal(err)
	}
	fresh, _ := New(Config{Order: s.order, Window: s.window})
	if err := fresh.Restore(bytes.NewReader(a.Bytes())); err != nil {
		t.Fatal(err)
	}
	if _ = fresh.Snapshot(&b); !bytes.Equal(a.Bytes(), b.Bytes()) || fresh.Digest() != s.Digest() {
		t.Fatal("a restored state is another")
	}
}

// FuzzRestore: what is not a state is refused and changes nothing; what is one keeps the promises.
func FuzzRestore(f *testing.F) {
	for _, cfg := range []Config{{}, {Floor: 10, Window: 40}} {
		var b bytes.Buffer
		if err := full(f, cfg).Snapshot(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := full(t, Config{})
		before := s.Digest()
		err := s.Restore(bytes.NewReader(data))
		if err != nil && s.Digest() != before {
			t.Fatal("what was refused has changed the state")
		}
		if err != nil && len(data) > 8 {
			// Once more, past the digest at the end.
			in := restorer{s: full(t, Config{}), r: wire.NewReader(data)}
			in.s.locks, in.s.all, in.s.clients, in.s.entries, in.s.sum = map[uint64]*lock{}, nil, map[session.ID]*client{}, 0, 0
			in.read()
			data = binary.BigEndian.AppendUint64(bytes.Clone(data[:len(data)-8]), in.s.Digest())
			err = s.Restore(bytes.NewReader(data))
		}
		if err != nil {
			return
		}
		if why := (&run{service: s}).invariants(); why != "" {
			t.Fatal(why)
		}
		sameAgain(t, s)
	})
}

// FuzzParseReply: no bytes panic.
func FuzzParseReply(f *testing.F) {
	s := full(f, Config{})
	for _, q := range []Request{{Kind: List}, {Kind: Explain, Name: "a"}, {Kind: Explain, Name: "b"}, {Kind: Leave, Name: "a"}, {Kind: Enter}, {Kind: Enter, Name: "a"}} {
		f.Add(s.Apply(session.Command{Session: 3, Body: q.Append(nil)}, nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseReply(b); err == nil {
			if err := p.Err("x"); (err != nil) != p.Status.Refused() {
				t.Fatalf("%v is %v", p.Status, err)
			}
		}
	})
}

// FuzzParseNotice: no bytes panic, and what is read is written alike.
func FuzzParseNotice(f *testing.F) {
	f.Add((&Notice{What: Granted, Number: 7, Name: []byte("x")}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := ParseNotice(b); err == nil && !bytes.Equal(n.Append(nil), b) {
			t.Fatalf("%v is not written as it was read", n)
		}
	})
}

// FuzzParseRequest: no bytes panic, and what is read of a command is all of it.
func FuzzParseRequest(f *testing.F) {
	for kind := Enter; kind <= Ask; kind++ {
		q := Request{Kind: kind, Name: "a", Number: 7, Label: "l", Purpose: "p", After: "A", Most: 3, Try: true, Waited: true, Mode: Shared, Order: Loose}
		f.Add(q.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseRequest(b)
		if err != nil {
			return
		}
		if again, err := ParseRequest(q.Append(nil)); err != nil || again != q {
			t.Fatalf("%+v is read as %+v, %v", q, again, err)
		}
	})
}

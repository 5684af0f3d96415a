package session

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const nonce = 0x0102030405060708

// TestGolden holds the layout still: docs/rfc/0013-session.md has the same bytes.
func TestGolden(t *testing.T) {
	requests := []struct {
		r    Request
		want string
	}{
		{Request{Verb: Open, Nonce: nonce, Number: 1<<63 + 1, Lease: 10 * time.Second, Label: []byte("web1:4711")},
			"01010000 0000000000000000 0000000000000000 0000000000000000 0102030405060708 8000000000000001 0000000000000000 00000002540be400 776562313a34373131"},
		{Request{Verb: Call, How: ExactlyOnce, At: time.Second, After: 8, Session: 7, Nonce: nonce, Number: 3, Acked: 2, Body: []byte("enter")},
			"01020400 000000003b9aca00 0000000000000008 0000000000000007 0102030405060708 0000000000000003 0000000000000002 656e746572"},
		{Request{Verb: Pass, At: 2 * time.Second},
			"01060000 0000000077359400 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000"},
	}
	for _, c := range requests {
		want := strings.ReplaceAll(c.want, " ", "")
		if got := hex.EncodeToString(c.r.Append(nil)); got != want {
			t.Errorf("request\n got %s\nwant %s", got, want)
		}
		b, _ := hex.DecodeString(want)
		if got, why := ParseRequest(b); why != wire.OK || !reflect.DeepEqual(got, c.r) {
			t.Errorf("request %s is read as %+v, %v", want, got, why)
		}
	}
	replies := []struct {
		r    Reply
		want string
	}{
		{Reply{Status: OK, Session: 7, Nonce: nonce, Number: 3, Index: 9, Body: []byte("granted")},
			"01010000 0000000000000007 0102030405060708 0000000000000003 0000000000000009 6772616e746564"},
		{Reply{Status: Elsewhere, Server: 2, Session: 7, Nonce: nonce, Number: 3, Body: []byte{}},
			"010a0002 0000000000000007 0102030405060708 0000000000000003 0000000000000000"},
	}
	for _, c := range replies {
		want := strings.ReplaceAll(c.want, " ", "")
		if got := hex.EncodeToString(c.r.Append(nil)); got != want {
			t.Errorf("reply\n got %s\nwant %s", got, want)
		}
		b, _ := hex.DecodeString(want)
		if got, why := ParseReply(b); why != wire.OK || !reflect.DeepEqual(got, c.r) {
			t.Errorf("reply %s is read as %+v, %v", want, got, why)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	open := Request{Verb: Open, Nonce: 1, Lease: time.Second, Label: []byte("a:1")}
	call := Request{Verb: Call, How: ExactlyOnce, Session: 1, Nonce: 1, Number: 1, Body: []byte("x")}
	change := func(r Request, f func(r *Request)) []byte { f(&r); return r.Append(nil) }
	patch := func(at int, to byte) []byte { b := call.Append(nil); b[at] = to; return b }
	for _, c := range []struct {
		name string
		b    []byte
		want wire.Reason
	}{
		{"nothing", nil, wire.Short},
		{"a head less one byte", call.Append(nil)[:requestHead-1], wire.Short},
		{"version 0", patch(0, 0), wire.WrongVersion},
		{"version 2", patch(0, 2), wire.WrongVersion},
		{"verb 0", patch(1, 0), wire.Malformed},
		{"verb 7", patch(1, 7), wire.Malformed},
		{"a call without semantics", patch(2, 0), wire.Malformed},
		{"unknown semantics", patch(2, 5), wire.Malformed},
		{"the reserved byte", patch(3, 1), wire.Malformed},
		{"a time before the beginning", patch(4, 0x80), wire.Malformed},
		{"a remembered call without a number", change(call, func(r *Request) { r.Number = 0 }), wire.Malformed},
		{"a body too long", change(call, func(r *Request) { r.Body = make([]byte, BodyMax+1) }), wire.Long},
		{"an open cut short", open.Append(nil)[:requestHead+7], wire.Malformed},
		{"an open without a nonce", change(open, func(r *Request) { r.Nonce = 0 }), wire.Malformed},
		{"an open with a session", change(open, func(r *Request) { r.Session = 1 }), wire.Malformed},
		{"an open that acknowledges", change(open, func(r *Request) { r.Acked = 1 }), wire.Malformed},
		{"a lease too short", change(open, func(r *Request) { r.Lease = LeaseMin - 1 }), wire.Malformed},
		{"a lease too long", change(open, func(r *Request) { r.Lease = LeaseMax + 1 }), wire.Malformed},
		{"a lease below zero", change(open, func(r *Request) { r.Lease = -1 }), wire.Malformed},
		{"a label too long", change(open, func(r *Request) { r.Label = make([]byte, LabelMax+1) }), wire.Malformed},
		{"a label that is no text", change(open, func(r *Request) { r.Label = []byte{0xff} }), wire.Malformed},
		{"a renewal of nothing", change(Request{Verb: Renew, Nonce: 1}, func(*Request) {}), wire.Malformed},
		{"a renewal with semantics", change(Request{Verb: Renew, Session: 1, How: Maybe}, func(*Request) {}), wire.Malformed},
		{"a renewal with a body", change(Request{Verb: Renew, Session: 1, Body: []byte("x")}, func(*Request) {}), wire.Malformed},
		{"an end of nothing", change(Request{Verb: Close}, func(*Request) {}), wire.Malformed},
		{"a cancel of no number", change(Request{Verb: Cancel, Session: 1}, func(*Request) {}), wire.Malformed},
		{"a cancel without a session", change(Request{Verb: Cancel, Number: 1}, func(*Request) {}), wire.Malformed},
		{"a pass of a session", change(Request{Verb: Pass, Session: 1}, func(*Request) {}), wire.Malformed},
		{"a pass with a number", change(Request{Verb: Pass, Number: 1}, func(*Request) {}), wire.Malformed},
		{"the longest call", change(call, func(r *Request) { r.Body = make([]byte, BodyMax) }), wire.OK},
		{"a maybe without number or session", change(Request{Verb: Call, How: Maybe}, func(*Request) {}), wire.OK},
		{"the longest label", change(open, func(r *Request) { r.Label = bytes.Repeat([]byte("a"), LabelMax) }), wire.OK},
	} {
		if _, why := ParseRequest(c.b); why != c.want {
			t.Errorf("%s: %v, want %v", c.name, why, c.want)
		}
	}
}

func TestParseReplyRefuses(t *testing.T) {
	good := (&Reply{Status: OK, Body: []byte("x")}).Append(nil)
	patch := func(at int, to byte) []byte { b := bytes.Clone(good); b[at] = to; return b }
	for _, c := range []struct {
		name string
		b    []byte
		want wire.Reason
	}{
		{"nothing", nil, wire.Short},
		{"a head less one byte", good[:replyHead-1], wire.Short},
		{"version 2", patch(0, 2), wire.WrongVersion},
		{"status 0", patch(1, 0), wire.Malformed},
		{"a status nobody knows", patch(1, byte(statusEnd)), wire.Malformed},
		{"a body too long", (&Reply{Status: OK, Body: make([]byte, BodyMax+1)}).Append(nil), wire.Long},
		{"the longest body", (&Reply{Status: OK, Body: make([]byte, BodyMax)}).Append(nil), wire.OK},
	} {
		if _, why := ParseReply(c.b); why != c.want {
			t.Errorf("%s: %v, want %v", c.name, why, c.want)
		}
	}
}

// TestNames: each status has a name of its own, and is of one kind.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for s := OK; s < statusEnd; s++ {
		if name := s.String(); name == "" || seen[name] {
			t.Errorf("status %d is named %q", s, name)
		} else {
			seen[name] = true
		}
		if s.Executed() && s.Later() {
			t.Errorf("%v is executed and to be repeated", s)
		}
	}
	if Status(200).String() != "unknown status" || Semantics(9).String() != "unknown" || ExactlyOnce.String() != "exactly-once" {
		t.Error("a name is wrong")
	}
}

// TestPatches: what is written into a request's bytes is what would have been appended.
func TestPatches(t *testing.T) {
	r := Request{Verb: Call, How: AtMostOnce, Session: 3, Nonce: 4, Number: 9, Body: []byte("body")}
	b := r.Append(nil)
	Stamp(b, 7*time.Second, 5)
	Acknowledge(b, 8)
	r.At, r.After, r.Acked = 7*time.Second, 5, 8
	if !bytes.Equal(b, r.Append(nil)) {
		t.Errorf("patched %x", b)
	}
	Stamp(b, -time.Second, 0)
	if got, why := ParseRequest(b); why != wire.OK || got.At != 0 {
		t.Errorf("a time below zero is stamped as %v, %v", got.At, why)
	}
	short := []byte{1, 2, 3}
	Stamp(short, 1, 1)
	Acknowledge(short, 1)
	if !bytes.Equal(short, []byte{1, 2, 3}) {
		t.Errorf("a short request became %x", short)
	}
}

func TestAppendRefusal(t *testing.T) {
	r := Request{Verb: Call, How: AtMostOnce, Session: 3, Nonce: 4, Number: 9}
	got, why := ParseReply(AppendRefusal(nil, r.Append(nil), Elsewhere, 2))
	if why != wire.OK || got.Status != Elsewhere || got.Server != 2 || got.Session != 3 || got.Nonce != 4 || got.Number != 9 {
		t.Errorf("answered %+v, %v", got, why)
	}
	if got, why = ParseReply(AppendRefusal(nil, []byte("?"), Busy, 0)); why != wire.OK || got.Status != Malformed {
		t.Errorf("nonsense is answered %+v, %v", got, why)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add((&Request{Verb: Open, Nonce: 1, Lease: time.Second, Label: []byte("a:1")}).Append(nil))
	f.Add((&Request{Verb: Call, How: ExactlyOnce, Session: 1, Nonce: 1, Number: 1, Body: []byte("x")}).Append(nil))
	f.Add((&Request{Verb: Pass, At: 5}).Append(nil))
	f.Add([]byte{1, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, why := ParseRequest(b)
		if why == wire.OK && !bytes.Equal(r.Append(nil), b) {
			t.Fatalf("two encodings of %+v:\n%x\n%x", r, b, r.Append(nil))
		}
	})
}

func FuzzParseReply(f *testing.F) {
	f.Add((&Reply{Status: OK, Session: 1, Nonce: 2, Number: 3, Index: 4, Body: []byte("x")}).Append(nil))
	f.Add((&Reply{Status: Elsewhere, Server: 3}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, why := ParseReply(b)
		if why == wire.OK && !bytes.Equal(r.Append(nil), b) {
			t.Fatalf("two encodings of %+v:\n%x\n%x", r, b, r.Append(nil))
		}
	})
}

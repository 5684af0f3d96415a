package job

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// vectors are those of docs/rfc/0027-job.md.
var vectors = []struct {
	hex string
	m   Message
}{
	{"81010000 0000000000000003 0000000000000000 0000000000000000 62696c6c696e67", Message{Verb: Hello, Name: Name{3, 0}, Body: []byte("billing")}},
	{"81020000 0000000000000003 0000000000000001 000000003b9aca00 7072696e74", Message{Verb: Start, Name: Name{3, 1}, Time: time.Second, Body: []byte("print")}},
	{"81060000 0000000000000000 0000000000000000 0000000000000000 0000000000000002 0000000000000007", Message{Verb: Names, Body: AppendName(nil, Name{2, 7})}},
	{"81090400 0000000000000009 0000000000000000 00000002540be400", Message{Verb: Welcome, Why: 4, Name: Name{9, 0}, Time: 10 * time.Second}},
	{"810c0500 0000000000000003 0000000000000001 0000000000000000", Message{Verb: Stopped, Why: 5, Name: Name{3, 1}}},
}

func TestGolden(t *testing.T) {
	for _, v := range vectors {
		want, err := hex.DecodeString(strings.ReplaceAll(v.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.m.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("%+v is\n%x, not\n%x", v.m, got, want)
		}
		m, why := Parse(want)
		if len(m.Body) == 0 {
			m.Body = nil
		}
		if why != wire.OK || !reflect.DeepEqual(m, v.m) || !Is(want) {
			t.Errorf("%s is read as %+v, %v", v.hex, m, why)
		}
	}
	named := Message{Verb: Names, Body: AppendName(AppendName(nil, Name{2, 7}), Name{2, 9})}
	if got := named.Named(); !reflect.DeepEqual(got, []Name{{2, 7}, {2, 9}}) {
		t.Errorf("named are %v", got)
	}
}

func TestNonsense(t *testing.T) {
	good := (&Message{Verb: Start, Name: Name{1, 1}}).Append(nil)
	for what, c := range map[string]struct {
		b   []byte
		why wire.Reason
	}{
		"nothing":        {nil, wire.Short},
		"a head too few": {good[:HeadSize-1], wire.Short},
		"a request":      {(&session.Request{Verb: session.Pass}).Append(nil), wire.WrongVersion},
		"a long body":    {append(bytes.Clone(good), make([]byte, session.BodyMax+1)...), wire.Long},
		"no verb":        {(&Message{Name: Name{1, 1}}).Append(nil), wire.Malformed},
		"another verb":   {(&Message{Verb: verbEnd, Name: Name{1, 1}}).Append(nil), wire.Malformed},
		"no name":        {(&Message{Verb: Hello, Name: Name{1, 0}}).Append(nil), wire.Malformed},
		"a long name":    {(&Message{Verb: Hello, Name: Name{1, 0}, Body: make([]byte, NameMax+1)}).Append(nil), wire.Malformed},
		"no number":      {(&Message{Verb: Start, Name: Name{1, 0}}).Append(nil), wire.Malformed},
		"no life":        {(&Message{Verb: Cancel, Name: Name{0, 1}}).Append(nil), wire.Malformed},
		"half a name":    {(&Message{Verb: Names, Body: make([]byte, 8)}).Append(nil), wire.Malformed},
		"many names":     {(&Message{Verb: Names, Body: make([]byte, nameSize*(NamesMax+1))}).Append(nil), wire.Malformed},
		"time backwards": {(&Message{Verb: Start, Name: Name{1, 1}, Time: -1}).Append(nil), wire.Malformed},
		"a body":         {(&Message{Verb: Ask, Name: Name{1, 1}, Body: []byte("x")}).Append(nil), wire.Malformed},
	} {
		if _, why := Parse(c.b); why != c.why {
			t.Errorf("%s: %v, not %v", what, why, c.why)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, why := Parse(b)
		if why != wire.OK {
			return
		}
		if !bytes.Equal(m.Append(nil), b) {
			t.Errorf("%x is read as %+v, which is another encoding", b, m)
		}
		m.Named()
	})
}

package client

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// TestVectors holds that the bytes are those of docs/rfc/0021-front.md, section 5.
func TestVectors(t *testing.T) {
	b, err := hex.DecodeString(strings.ReplaceAll("00000004 00 616263"+"00000003 01 6869"+"00000001 01", " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(b)
	for _, want := range []struct {
		kind byte
		body string
	}{{kindReply, "abc"}, {kindNotice, "hi"}, {kindNotice, ""}} {
		kind, body, err := readFrame(r, nil)
		if kind != want.kind || string(body) != want.body || err != nil {
			t.Errorf("%d %q, %v; want %v", kind, body, err, want)
		}
	}
	if _, _, err := readFrame(r, nil); err != io.EOF {
		t.Error(err)
	}
	l := &link{pipe: &pipe{}}
	l.send(nil)
	l.send([]byte("abc"))
	if got := hex.EncodeToString(l.pipe.owed); got != "00000000"+"00000003616263" {
		t.Errorf("sent is %s", got)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 'a', 'b', 'c'})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		var buf []byte
		for {
			kind, body, err := readFrame(r, buf)
			if err != nil {
				return
			}
			if len(body) > session.ReplyMax {
				t.Fatalf("kind %d: a body of %d bytes", kind, len(body))
			}
			buf = body
		}
	})
}

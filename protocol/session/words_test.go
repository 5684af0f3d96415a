package session

import (
	"testing"
	"time"
)

func TestRequestsInWords(t *testing.T) {
	for _, x := range []struct {
		r    Request
		want string
	}{
		{Request{Verb: Call, How: ExactlyOnce, Session: 1, Nonce: 5, Number: 3, Body: []byte("enter x")}, `call 3 of session 1: "enter x"`},
		{Request{Verb: Call, How: Maybe, Nonce: 5, Body: []byte{0, 'a'}}, `call without a session: "\x00a"`},
		{Request{Verb: Cancel, Session: 1, Nonce: 5, Number: 3}, "cancelling of call 3 of session 1"},
		{Request{Verb: Open, Nonce: 5, Lease: time.Second, Label: []byte("db1:77")}, `opening of a session by "db1:77"`},
		{Request{Verb: Renew, Session: 7, Nonce: 5}, "renewal of session 7"},
		{Request{Verb: Close, Session: 7, Nonce: 5}, "closing of session 7"},
		{Request{Verb: Pass}, "letting time pass"},
	} {
		if got := Words(x.r.Append(nil)); got != x.want {
			t.Errorf("%s, and should be %s", got, x.want)
		}
	}
	for in, want := range map[string]string{"": "not known any more", "ab": `no request: "ab"`} {
		if got := Words([]byte(in)); got != want {
			t.Errorf("%q is %s, and should be %s", in, got, want)
		}
	}
}

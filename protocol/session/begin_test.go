package session

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// short is a service that allows short leases, and wants to know when it begins.
type short struct {
	*ledger
	began []view.Epoch
}

func (s *short) LeaseMost() time.Duration { return time.Second }
func (s *short) Founded(e view.Epoch)     { s.began = append(s.began, e) }

// TestLongLease: a session whose lease is longer than the service allows is not opened, and that is the same for ever.
func TestLongLease(t *testing.T) {
	s := &short{ledger: newLedger()}
	e := NewExecutor(s)
	for range 2 {
		p := do(e, Request{Verb: Open, Nonce: 1, Lease: time.Second + 1})
		if p.Status != LongLease || p.Session != 0 || len(p.Body) != 8 || binary.BigEndian.Uint64(p.Body) != uint64(time.Second) {
			t.Errorf("%+v", p)
		}
	}
	if e.Table().Len() != 0 || LongLease.Later() || LongLease.Executed() {
		t.Error("it may be asked again, or was opened")
	}
	p := do(e, Request{Verb: Open, Nonce: 7, Lease: time.Second})
	if p.Status != OK {
		t.Errorf("%+v", p)
	}
	if nonce, is := e.Table().Nonce(p.Session); !is || nonce != 7 {
		t.Errorf("its nonce is %d", nonce)
	}
	if _, is := e.Table().Nonce(p.Session + 1); is {
		t.Error("there is a nonce of no session")
	}
}

// TestFound: a service is told that it begins, until it has done something.
func TestFound(t *testing.T) {
	s := &short{ledger: newLedger()}
	e := NewExecutor(s)
	e.Found(5)
	e.Found(6)
	do(e, Request{Verb: Open, Nonce: 1, Lease: time.Second})
	e.Found(7)
	if len(s.began) != 2 || s.began[0] != 5 || s.began[1] != 6 {
		t.Errorf("it was told %v", s.began)
	}
	NewExecutor(newLedger()).Found(5) // it does not want to know
}

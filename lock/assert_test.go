package lock

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// script is a way to a lock service that a test plays.
type script struct{ asked chan question }

// question is what the service is asked; what comes back is the answer.
type question struct {
	lock.Request
	ctx    context.Context
	answer chan<- reply
}

type reply struct {
	body []byte
	err  error
}

func (s *script) Call(ctx context.Context, _ client.Semantics, body []byte) ([]byte, error) {
	q, err := lock.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	answer := make(chan reply, 1)
	select {
	case s.asked <- question{q, ctx, answer}:
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), &client.Error{Outcome: client.Unknown, Cause: call.Abandoned})
	}
	r := <-answer
	return r.body, r.err
}

func (s *script) Now() time.Time { return time.Now() }

func (s *script) Close(context.Context) error { return nil }

// played opens a client whose service the test plays, in a session that begins now.
func played(t *testing.T, lease time.Duration) (*Client, *script) {
	t.Helper()
	s := &script{asked: make(chan question)}
	k, err := Over(Config{Lease: lease}, func(Config, Told) (Caller, error) { return s, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close(context.Background()) })
	k.renewed(k.c.Now(), lease)
	return k, s
}

// says answers with a status and a number.
func (q question) says(status lock.Status, number uint64) {
	body := append([]byte{byte(status)}, make([]byte, 16)...)
	for i := range 8 {
		body[16-i] = byte(number >> (8 * i))
	}
	q.answer <- reply{body: body}
}

// lost says that nobody knows whether the service has heard it.
func (q question) lost() {
	q.answer <- reply{err: errors.Join(context.Canceled, &client.Error{Outcome: client.Unknown, Cause: call.Abandoned})}
}

// expect waits for a question of a kind; a lock that is looked at between is there.
func (s *script) expect(t *testing.T, kind lock.Kind) question {
	t.Helper()
	for {
		select {
		case q := <-s.asked:
			if q.Kind == kind {
				return q
			}
			if q.Kind != lock.Ask {
				t.Fatalf("the service is asked %v, and should be asked kind %d", &q.Request, kind)
			}
			q.says(lock.Granted, 1)
		case <-time.After(30 * time.Second):
			t.Fatalf("the service is not asked kind %d", kind)
		}
	}
}

// The service may believe an assertion whose answer does not come before the work was told to stop. Who leaves then
// must tell it, or nobody else would have the lock as long as this client lives.
func TestWhatMayHaveBeenAssertedIsLeft(t *testing.T) {
	k, s := played(t, 2*time.Second)
	l := k.hold("x", 1, k.current(), &Options{})
	if l == nil {
		t.Fatal("it is not held")
	}
	k.doors["x"] = &door{wake: make(chan struct{}, 1)}
	k.ended(client.ErrStale)
	q := s.expect(t, lock.Reassert)
	k.renewed(k.c.Now(), k.cfg.Lease) // the new session's lease is not this lock's
	<-l.Context().Done()
	q.lost()
	left := make(chan error, 1)
	go func() { left <- l.Leave(context.Background()) }()
	q = s.expect(t, lock.Leave)
	if q.Name != "x" || q.Number != 1 {
		t.Errorf("it leaves %v", &q.Request)
	}
	done := append([]byte{byte(lock.Done)}, make([]byte, 16)...)
	q.answer <- reply{body: done}
	if err := <-left; !errors.Is(err, lock.LeaseEnding) {
		t.Errorf("to leave it is answered %v", err)
	}
}

// A service that has lost its state knows nothing of a lock until it has heard of it: whoever looks then has not lost it.
func TestALookInTheNextSessionEndsNothing(t *testing.T) {
	const lease = 6 * time.Second // the second look comes an eighth of it before the lock would have to end
	k, s := played(t, lease)
	l := k.hold("x", 1, k.current(), &Options{})
	if l == nil {
		t.Fatal("it is not held")
	}
	k.doors["x"] = &door{wake: make(chan struct{}, 1)}
	look := s.expectLook(t)
	k.ended(client.ErrStale)
	k.renewed(k.c.Now(), lease)
	assertion := s.expect(t, lock.Reassert)
	if k.hold("y", 2, k.current(), &Options{}) == nil {
		t.Fatal("what is granted in the next session is not held")
	}
	body := append([]byte{byte(lock.NotWaiting)}, make([]byte, 8)...)
	look.answer <- reply{body: append(body, 1, 'x', 0, 0, 0)} // it was asked in the next session, before the assertion
	s.expectLook(t).says(lock.Granted, 2)                     // at the other lock: the answer was heeded
	assertion.says(lock.Granted, 1)
	if !l.Holds() {
		t.Errorf("it is lost: %v", context.Cause(l.Context()))
	}
}

// Enter that was given up while nobody answered may be executed after it was said that this client is in no queue: somebody
// must look, or nobody else would have the lock as long as this client lives.
func TestWhatMayYetBeEnteredIsLookedAt(t *testing.T) {
	k, s := played(t, 600*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	entered := make(chan error, 1)
	go func() {
		_, err := k.Enter(ctx, "x", Options{})
		entered <- err
	}()
	q := s.expect(t, lock.Enter)
	cancel()
	q.lost()
	notWaiting := reply{body: append(append([]byte{byte(lock.NotWaiting)}, make([]byte, 8)...), 1, 'x', 0, 0, 0)}
	q = s.expect(t, lock.Cancel)
	q.answer <- notWaiting
	if err := <-entered; !errors.Is(err, context.Canceled) {
		t.Fatalf("to enter is answered %v", err)
	}
	s.expectLook(t).answer <- notWaiting
	s.expectLook(t).says(lock.Granted, 7) // it has come
	s.expect(t, lock.Cancel).says(lock.Granted, 7)
	if q = s.expect(t, lock.Leave); q.Name != "x" || q.Number != 7 {
		t.Errorf("it leaves %v", &q.Request)
	}
	q.answer <- reply{body: append([]byte{byte(lock.Done)}, make([]byte, 16)...)}
	s.expectLook(t).answer <- notWaiting
	k.ended(client.ErrLapsed) // what was asked in a former session is not executed
	select {
	case q := <-s.asked:
		t.Errorf("the service is asked %v", &q.Request)
	case <-time.After(time.Second):
	}
}

// expectLook waits until the service is asked whether a lock is held.
func (s *script) expectLook(t *testing.T) question {
	t.Helper()
	select {
	case q := <-s.asked:
		if q.Kind != lock.Ask {
			t.Fatalf("the service is asked %v", &q.Request)
		}
		return q
	case <-time.After(30 * time.Second):
		t.Fatal("nobody looks")
	}
	return question{}
}

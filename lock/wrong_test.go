package lock_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/lock"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// wants looks for the thing, the value and the remedy in an error.
func wants(t *testing.T, what string, err error, is error, words ...string) {
	t.Helper()
	if err == nil || is != nil && !errors.Is(err, is) {
		t.Fatalf("%s: the error is %v", what, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: the error does not say %q: %v", what, w, err)
		}
	}
}

// TestWhatIsWrongIsSaid: what a caller does wrong, or what has become of its session, is named, with what there was and what to do.
func TestWhatIsWrongIsSaid(t *testing.T) {
	m := members(t)
	k := open(t, lock.Config{Servers: m.Sockets, Label: "first"})
	long := strings.Repeat("x", service.NameMax+1)
	_, err := k.Enter(within(t), long, lock.Options{})
	wants(t, "a name that is too long", err, service.NameTooLong, "the name of the lock has 201 bytes", "at most 200", "shorten it")
	_, err = k.Enter(within(t), "x", lock.Options{Purpose: long})
	wants(t, "a purpose that is too long", err, service.TextTooLong, `lock "x"`, "201 bytes", "at most 200", "shorten it")
	_, err = k.Enter(within(t), "a\nb", lock.Options{})
	wants(t, "a name that cannot be shown", err, service.NameInvalid, `"a\nb"`, "byte 1", "use 1 to 200 bytes")
	_, err = k.Explain(within(t), long)
	wants(t, "a name to explain that is too long", err, service.NameTooLong, "201 bytes", "shorten it")
	_, err = k.Break(within(t), long, 0, "me", "why")
	wants(t, "a name to break that is too long", err, service.NameTooLong, "201 bytes", "shorten it")

	// Leaving what is not held: broken meanwhile, and in a session of its own.
	l := enter(t, k, "x", lock.Options{})
	if _, err := open(t, lock.Config{Servers: m.Sockets}).Break(within(t), "x", 0, "me", "it hangs"); err != nil {
		t.Fatal(err)
	}
	_ = ends(t, l)
	wants(t, "leaving what was broken", l.Leave(within(t)), service.BrokenBy, `lock "x" was lost before it was left`, "broke")
	raw, err := client.Dial(client.Config{Servers: m.Sockets, Lease: 10 * time.Minute}) // it does not notice by itself
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close(within(t))
	mine := enter(t, k, "x", lock.Options{})
	q := service.Request{Kind: service.Leave, Name: "x", Number: mine.Token()}
	b, err := raw.Call(within(t), client.ExactlyOnce, q.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := service.ParseReply(b)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "leaving what another holds", &service.Refusal{Name: "x", Reply: reply}, service.NotOwner, `lock "x" is not held by this session`, "held by first", "leave only what was granted")
	leave(t, mine)

	// A session that the service has ended: all members have lost their memory.
	held := enter(t, k, "y", lock.Options{})
	waiter, queued, came := open(t, lock.Config{Servers: m.Sockets}), make(chan int, 9), make(chan error, 1)
	go func() {
		_, err := waiter.Enter(within(t), "y", lock.Options{Queued: func(place int) { queued <- place }})
		came <- err
	}()
	receive(t, queued, "word that it waits")
	for i := range m.Sockets {
		if err := m.Stop(i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range m.Sockets {
		if err := m.Start(i); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, "what is held in a session that is over", ends(t, held), nil, "does not know the session any more", "stop the work and enter anew")
	wants(t, "leaving it", held.Leave(within(t)), nil, `lock "y" was lost before it was left`, "stop the work and enter anew")
	if err := receive(t, came, "end of the waiting"); err != nil {
		t.Errorf("who waits in a session that is over does not wait on in the next: %v", err)
	}
	_, err = raw.Call(within(t), client.ExactlyOnce, q.Append(nil))
	wants(t, "a call in a session that is over", err, client.ErrStale, "the service has ended the session (its lease is ", "the members have lost their memory", "look how things stand, then call again")
	if _, err = raw.Call(within(t), client.ExactlyOnce, q.Append(nil)); err != nil {
		t.Errorf("the call in the next session: %v", err)
	}
}

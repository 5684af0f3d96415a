package holdfast_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// diary is what a node has logged.
type diary struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write takes a line.
func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(p)
}

// String gives all of it.
func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.String()
}

// await waits until all diaries have a text.
func await(t *testing.T, text string, diaries ...*diary) {
	t.Helper()
	awaitLike(t, regexp.QuoteMeta(text), diaries...)
}

// awaitLike waits until all diaries have a text that matches.
func awaitLike(t *testing.T, like string, diaries ...*diary) {
	t.Helper()
	text := regexp.MustCompile(like)
	for end := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		all := true
		for _, d := range diaries {
			all = all && text.MatchString(d.String())
		}
		if all {
			return
		}
		if time.Now().After(end) {
			for _, d := range diaries {
				t.Logf("%s", d)
			}
			t.Fatalf("not all say %v", text)
		}
	}
}

// served is a member of a service in a test.
type served struct {
	at     *holdfast.Service
	node   *holdfast.Node
	diary  *diary
	socket string
}

// serveAll starts members of a service and waits until they serve.
func serveAll(t *testing.T, services map[string]session.Service) map[string]*served {
	t.Helper()
	var names []string
	for _, name := range []string{"a", "b", "c"} {
		if services[name] != nil {
			names = append(names, name)
		}
	}
	c, folder, all := cluster(names...), t.TempDir(), map[string]*served{}
	for _, name := range names {
		all[name] = serveOne(t, c, name, services[name], folder)
	}
	for _, name := range names {
		if !all[name].at.Await(patience) {
			t.Fatalf("%s does not serve: %v", name, all[name].at.Err())
		}
	}
	return all
}

func serveOne(t *testing.T, c holdfast.Config, name string, service session.Service, folder string) *served {
	t.Helper()
	s := &served{diary: &diary{}, socket: filepath.Join(folder, name+".sock")}
	c.Name, c.Logger = name, slog.New(slog.NewTextHandler(s.diary, nil))
	var err error
	if s.node, err = holdfast.Open(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.node.Close() })
	if s.at, err = s.node.Serve(holdfast.ServiceConfig{Name: "counter", Service: service, Socket: s.socket}); err != nil {
		t.Fatal(err)
	}
	return s
}

// dial is a client of some members.
func dial(t *testing.T, members ...*served) *client.Client {
	t.Helper()
	return dialAs(t, client.Config{}, members...)
}

// dialOnce is a client that says everything once, so that its call n is command n+1: it asks again late, renews its session
// late, and has one connection, since it renews the session when another one comes up, too.
func dialOnce(t *testing.T, member *served) *client.Client {
	t.Helper()
	return dialAs(t, client.Config{Lease: time.Hour, RetryMax: patience}, member)
}

func dialAs(t *testing.T, c client.Config, members ...*served) *client.Client {
	t.Helper()
	for _, m := range members {
		c.Servers = append(c.Servers, m.socket)
	}
	k, err := client.Dial(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = k.Close(ctx) // the service may have stopped
	})
	return k
}

// moody counts, and from the third call on it adds what only this replica has: it is not deterministic.
type moody struct {
	counter
	mood uint64
}

func (m *moody) Apply(c session.Command, reply []byte) []byte {
	if m.counter.n >= 2 {
		m.counter.n += m.mood
	}
	return m.counter.Apply(c, reply)
}

// TestOneThatDiffersIsNamedAndRestored has one of three replicas execute a command otherwise.
func TestOneThatDiffersIsNamedAndRestored(t *testing.T) {
	odd := &moody{mood: 7}
	all := serveAll(t, map[string]session.Service{"a": &moody{}, "b": &moody{}, "c": odd})
	k := dialOnce(t, all["a"])
	for _, text := range []string{"one", "two", "third command"} {
		if _, err := k.Call(within(t), client.ExactlyOnce, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{
		`msg="replicas differ: these members have diverged and are given the state of the others"`, "members=[c]", "command=4", "certain=true", `request="call 3 of session 1: \"third command\""`,
	} {
		await(t, d, all["a"].diary, all["b"].diary)
	}
	await(t, `msg="state done"`, all["c"].diary)
}

// TestAServiceThatIsNotDeterministicIsStopped has all three replicas execute a command in ways of their own.
func TestAServiceThatIsNotDeterministicIsStopped(t *testing.T) {
	all := serveAll(t, map[string]session.Service{"a": &moody{mood: 1}, "b": &moody{mood: 2}, "c": &moody{mood: 3}})
	k := dialOnce(t, all["a"])
	for _, text := range []string{"one", "two"} {
		if _, err := k.Call(within(t), client.ExactlyOnce, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = k.Call(within(t), client.ExactlyOnce, []byte("third command")) // it may be answered before they have compared
	for _, part := range []string{
		`msg="replicas differ and no majority agrees: the service is not deterministic; it has stopped. Mend it, and restart all members"`,
		"command=4", "certain=true", `request="call 3 of session 1: \"third command\""`,
	} {
		await(t, part, all["a"].diary, all["b"].diary, all["c"].diary)
	}
	awaitLike(t, `members="\[[abc] [abc] [abc]\]"`, all["a"].diary, all["b"].diary, all["c"].diary) // in the order in which they came
	says(t, func(ctx context.Context) error {
		_, err := k.Call(ctx, client.ExactlyOnce, []byte("four"))
		return err
	}, "the service has stopped: its replicas differ and no majority agrees")
}

// picky cannot read a state.
type picky struct{ counter }

func (p *picky) Restore(io.Reader) error { return errors.New("the counter is odd") }

// TestAStateThatCannotBeRestoredEndsTheReplica has a member join whose service refuses the state; calls go on meanwhile.
func TestAStateThatCannotBeRestoredEndsTheReplica(t *testing.T) {
	c, folder := cluster("a", "b", "c"), t.TempDir()
	a, b := serveOne(t, c, "a", &counter{}, folder), serveOne(t, c, "b", &counter{}, folder)
	for _, s := range []*served{a, b} {
		if !s.at.Await(patience) {
			t.Fatal(s.at.Err())
		}
	}
	k := dial(t, a, b)
	calls := make(chan error)
	go func() {
		for range 200 {
			if _, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil {
				calls <- err
				return
			}
		}
		calls <- nil
	}()
	bad := serveOne(t, c, "c", &picky{}, folder)
	select {
	case <-bad.at.Done():
	case <-within(t).Done():
		t.Fatal("it goes on without a state")
	}
	const want = `holdfast: serve group "counter": service "counter": the state that came from another member cannot be restored: ` +
		`session: restoring the service: the counter is odd; run the same version of the program with the same settings at all members, or mend the service's Snapshot and Restore; the others go on with the state`
	if err := bad.at.Err(); err == nil || err.Error() != want {
		t.Errorf("the error is\n%v and should be\n%s", err, want)
	}
	if err := <-calls; err != nil {
		t.Fatal(err)
	}
	reply, err := k.Call(within(t), client.ExactlyOnce, nil)
	if err != nil || binary.BigEndian.Uint64(reply) != 201 {
		t.Errorf("the others answer %x, %v", reply, err)
	}
}

// TestAStaleSessionIsTold has the service forget a client: all members lose their memory.
func TestAStaleSessionIsTold(t *testing.T) {
	c, folder := cluster("a", "b"), t.TempDir()
	start := func() (all []*served) {
		for _, name := range []string{"a", "b"} {
			all = append(all, serveOne(t, c, name, &counter{}, folder))
		}
		for _, s := range all {
			if !s.at.Await(patience) {
				t.Fatal(s.at.Err())
			}
		}
		return all
	}
	first := start()
	ended := make(chan error, 1)
	k, err := client.Dial(client.Config{
		Servers: []string{first[0].socket, first[1].socket}, Ended: func(cause error) { ended <- cause },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(within(t))
	if _, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil {
		t.Fatal(err)
	}
	for _, s := range first {
		s.node.Close()
	}
	start()
	_, err = k.Call(within(t), client.ExactlyOnce, nil)
	var no *client.Error
	if !errors.As(err, &no) || no.Outcome != client.Unknown || no.Class != client.ClientCrashed || !errors.Is(err, client.ErrStale) ||
		!strings.HasPrefix(err.Error(), "call: the session has ended: client: the service has ended the session (its lease is 10s); ") {
		t.Errorf("a call of a session that the service does not know gives %v", err)
	}
	select {
	case cause := <-ended:
		if !errors.Is(cause, client.ErrStale) {
			t.Errorf("the session has ended because of %v", cause)
		}
	case <-within(t).Done():
		t.Error("nobody is told that the session has ended")
	}
	if reply, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil || binary.BigEndian.Uint64(reply) != 1 {
		t.Errorf("the next session is answered %x, %v", reply, err)
	}
}

// TestOneThatKeepsNothingIsRefusedByThoseThatDo gives one of three members no disk: the others say so, and it does.
func TestOneThatKeepsNothingIsRefusedByThoseThatDo(t *testing.T) {
	c, folder := cluster("a", "b", "c"), t.TempDir()
	var odd *holdfast.Node
	for _, name := range []string{"a", "b", "c"} {
		n := open(t, c, name)
		data := filepath.Join(folder, name+".data")
		if name == "c" {
			odd, data = n, ""
		}
		if _, err := n.Serve(holdfast.ServiceConfig{Name: "counter", Service: &counter{}, Socket: filepath.Join(folder, name), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	const want = `the group is "durable=yes", and here "durable=no"; make them equal`
	for end := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		var b bytes.Buffer
		if err := odd.Status(&b); err != nil {
			t.Fatal(err)
		}
		var s struct {
			Groups []struct {
				Refused string   `json:"refused"`
				Why     []string `json:"why"`
			} `json:"groups"`
		}
		if err := json.Unmarshal(b.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Groups) == 1 && strings.Contains(s.Groups[0].Refused, want) {
			t.Log(s.Groups[0].Refused)
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it is not told that it is refused because of %q: %s", want, b.String())
		}
	}
}

package holdfast_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/lock"
	"github.com/holdfast-ha/holdfast/protocol/session"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// servers are two servers of a service, and their witness if they have one, in this process.
type servers struct {
	*testing.T
	style      holdfast.Style
	c          holdfast.Config
	folder     string
	nodes      map[string]*holdfast.Node
	at         map[string]*holdfast.Service
	fresh      func() session.Service
	jobs       func(name string) *holdfast.Jobs // nil: they take none
	durability string                           // of a pair
}

func newServers(t *testing.T, style holdfast.Style) *servers {
	return newServersOf(t, style, "", func() session.Service { return &counter{} })
}

func newServersOf(t *testing.T, style holdfast.Style, durability string, fresh func() session.Service) *servers {
	names := []string{"a", "b"}
	if style == holdfast.Pair {
		names = []string{"a", "b", "w"}
	}
	s := &servers{t, style, mortal(names...), t.TempDir(), map[string]*holdfast.Node{}, map[string]*holdfast.Service{}, fresh, nil, durability}
	s.c.Witnesses = names[2:]
	for _, name := range names {
		s.start(name)
	}
	return s
}

func (s *servers) socket(name string) string { return filepath.Join(s.folder, name+".sock") }

func (s *servers) start(name string) {
	s.Helper()
	cfg := holdfast.ServiceConfig{Name: "counter", Style: s.style, Data: filepath.Join(s.folder, name), Durability: s.durability}
	if s.style == holdfast.Checkpointed {
		cfg.Data = filepath.Join(s.folder, "store")
	}
	if name != "w" {
		cfg.Service, cfg.Socket = s.fresh(), s.socket(name)
		if s.jobs != nil {
			cfg.Jobs = s.jobs(name)
		}
	}
	c := s.c
	c.Control = s.control(name)
	n := open(s.T, c, name)
	at, err := n.Serve(cfg)
	if err != nil {
		s.Fatal(err)
	}
	s.nodes[name], s.at[name] = n, at
}

func (s *servers) control(name string) string { return filepath.Join(s.folder, name+".control") }

// whole waits until both members have the state.
func (s *servers) whole() {
	s.Helper()
	for end := time.Now().Add(patience); ; <-time.After(5 * time.Millisecond) {
		var text bytes.Buffer
		if err := s.nodes["a"].Status(&text); err != nil {
			s.Fatal(err)
		}
		if strings.Contains(text.String(), `"verdict": "whole"`) {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("the pair does not become whole: %s", text.String())
		}
	}
}

func (s *servers) dial(names ...string) *client.Client {
	s.Helper()
	var sockets []string
	for _, n := range names {
		sockets = append(sockets, s.socket(n))
	}
	k, err := client.Dial(client.Config{Servers: sockets, RetryMax: 50 * time.Millisecond, Lease: time.Minute})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = k.Close(ctx) // the servers may be gone
	})
	return k
}

// TestTwoServersServeThroughCrashes: clients of either server count on while one server after the other crashes and comes back.
func TestTwoServersServeThroughCrashes(t *testing.T) {
	for _, style := range []holdfast.Style{holdfast.Pair, holdfast.Checkpointed} {
		t.Run(style.String(), func(t *testing.T) { crashes(newServers(t, style)) })
	}
}

func crashes(s *servers) {
	t := s.T
	s.whole()
	both, own := s.dial("a", "b"), s.dial("b") // the second speaks with the backup only
	last := uint64(0)
	count := func(k *client.Client) {
		t.Helper()
		b, err := k.Call(within(t), client.ExactlyOnce, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := binary.BigEndian.Uint64(b)
		if n != last+1 {
			t.Fatalf("call %d is answered %d", last+1, n)
		}
		last = n
	}
	for range 20 {
		count(both)
		count(own)
	}
	for _, name := range []string{"a", "b", "a"} {
		if err := s.nodes[name].Close(); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			count(both)
		}
		s.start(name)
		s.whole()
		for range 20 {
			count(both)
			count(own)
		}
	}
	if err := s.at["a"].Checkpoint(); err != nil && s.style == holdfast.Checkpointed {
		t.Error(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := s.nodes[name].Close(); err != nil {
			t.Fatal(err)
		}
	}
	s.start("b")
	s.start("a")
	for range 20 {
		count(both)
	}
}

// TestLocksOfAPairThatLostItsState: both servers fall, and begin anew at a person's word. They hear from their clients who
// holds what, nobody else is granted it, and tokens go on growing.
func TestLocksOfAPairThatLostItsState(t *testing.T) {
	const window = 3 * time.Second
	s := newServersOf(t, holdfast.Pair, "memory", func() session.Service {
		l, err := service.New(service.Config{Window: window})
		if err != nil {
			panic(err)
		}
		return l
	})
	s.whole()
	enter := func(k *lock.Client, name string) *lock.Lock {
		t.Helper()
		l, err := k.Enter(within(t), name, lock.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	locks := func() *lock.Client {
		t.Helper()
		k, err := lock.Open(lock.Config{Servers: []string{s.socket("a"), s.socket("b")}, Lease: window})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			_ = k.Close(ctx)
		})
		return k
	}
	first := enter(locks(), "x")
	left := enter(locks(), "y")
	if err := left.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := s.nodes[name].Close(); err != nil {
			t.Fatal(err)
		}
	}
	s.start("a")
	s.start("b")
	person, err := control.Dial(s.control("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer person.Close()
	if err := person.Proceed(within(t), "other"); err == nil || !strings.Contains(err.Error(), `no service "other" is replicated here`) {
		t.Errorf("of another service it says %v", err)
	}
	if err := person.Proceed(within(t), "counter"); err != nil {
		t.Fatal(err)
	}
	if err := s.at["a"].Proceed(); err == nil || !strings.Contains(err.Error(), "goes on already") {
		t.Errorf("said twice: %v", err)
	}
	other := locks()
	if l := enter(other, "y"); l.Token() <= left.Token() {
		t.Errorf("token %d after %d", l.Token(), left.Token())
	}
	if !first.Holds() {
		t.Fatalf("who holds a lock is told %v", context.Cause(first.Context()))
	}
	if err := first.Leave(within(t)); err != nil {
		t.Error(err)
	}
	if l := enter(other, "x"); l.Token() <= first.Token() {
		t.Errorf("token %d after %d", l.Token(), first.Token())
	}
}

// TestAPairThatCannotBeIsRefused: each with what to do.
func TestAPairThatCannotBeIsRefused(t *testing.T) {
	two, three, seen := cluster("a", "b"), cluster("a", "b", "c"), cluster("a", "b", "w")
	seen.Witnesses = []string{"w"}
	folder := t.TempDir()
	for _, x := range []struct {
		name string
		at   holdfast.Config
		self string
		cfg  holdfast.ServiceConfig
		want string
	}{
		{"three members", three, "a", holdfast.ServiceConfig{}, "have two and at most a witness"},
		{"nothing said", two, "a", holdfast.ServiceConfig{}, `write "prefer a" or "freeze"`},
		{"nobody preferred", two, "a", holdfast.ServiceConfig{Alone: "prefer c"}, `"prefer a", "prefer b" or "freeze"`},
		{"no witness", two, "b", holdfast.ServiceConfig{Alone: "witness"}, "the cluster has 0"},
		{"a witness without a disk", seen, "w", holdfast.ServiceConfig{}, "give it Data"},
		{"a witness that is not asked", seen, "w", holdfast.ServiceConfig{Alone: "freeze"}, "nobody asks the witness"},
		{"no store", two, "a", holdfast.ServiceConfig{Style: holdfast.Checkpointed}, "both servers reach"},
		{"a store and a word", two, "a", holdfast.ServiceConfig{Style: holdfast.Checkpointed, Data: "/x", Alone: "freeze"}, "the store decides"},
		{"a store and a witness", seen, "w", holdfast.ServiceConfig{Style: holdfast.Checkpointed, Data: "/x"}, "leave the service out at it"},
		{"a durability that is none", two, "a", holdfast.ServiceConfig{Alone: "freeze", Durability: "disk"}, `write "log" or "memory"`},
		{"a log without a place", two, "a", holdfast.ServiceConfig{Alone: "freeze", Durability: "log"}, "name a directory"},
		{"a store and a durability", two, "a", holdfast.ServiceConfig{Style: holdfast.Checkpointed, Data: "/x", Durability: "log"}, "all is in the store"},
		{"voters", two, "a", holdfast.ServiceConfig{Alone: "freeze", Voters: 2}, "which has no vote"},
	} {
		n := open(t, x.at, x.self)
		if x.cfg.Style == holdfast.Active {
			x.cfg.Style = holdfast.Pair
		}
		if x.cfg.Name = "counter"; x.self != "w" {
			x.cfg.Service, x.cfg.Socket = &counter{}, filepath.Join(folder, "sock")
		}
		var e *holdfast.Error
		if _, err := n.Serve(x.cfg); !errors.As(err, &e) || e.Kind != holdfast.Invalid || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: the error is %v, which does not say %q", x.name, err, x.want)
		}
		n.Close()
	}
}

// TestAJobOfTwoServers: it runs at the one that serves, and goes on there when that one is left alone.
func TestAJobOfTwoServers(t *testing.T) {
	s := &servers{
		T: t, style: holdfast.Pair, c: mortal("a", "b", "w"), folder: t.TempDir(), nodes: map[string]*holdfast.Node{}, at: map[string]*holdfast.Service{},
		fresh: func() session.Service { return &counter{} },
	}
	s.c.Witnesses = []string{"w"}
	begun, release := make(chan string, 2), make(chan struct{})
	s.jobs = func(name string) *holdfast.Jobs {
		return &holdfast.Jobs{Quantum: time.Minute, Run: func(ctx context.Context, _ holdfast.Job) ([]byte, error) {
			begun <- name
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-release:
				return nil, nil
			}
		}}
	}
	for _, name := range []string{"a", "b", "w"} {
		s.start(name)
	}
	s.whole()
	k, err := client.Dial(client.Config{Servers: []string{s.socket("a"), s.socket("b")}, Identity: "web"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(within(t))
	came := make(chan error, 1)
	go func() {
		_, err := k.Run(within(t), nil)
		came <- err
	}()
	server := <-begun
	other := map[string]string{"a": "b", "b": "a"}[server]
	if err := s.nodes[other].Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(server).Call(within(t), client.ExactlyOnce, nil); err != nil { // it is alone
		t.Fatal(err)
	}
	close(release)
	if err := <-came; err != nil {
		t.Errorf("the job of a server that goes on alone: %v", err)
	}
	if _, err := k.Run(within(t), nil); err != nil {
		t.Errorf("a server that is alone takes no job: %v", err)
	}
}

// TestALogOfAnotherStyleIsRefused: a group does not take a pair's for its own.
func TestALogOfAnotherStyleIsRefused(t *testing.T) {
	s := newServers(t, holdfast.Pair)
	s.whole()
	k := s.dial("a")
	for range 3 {
		if _, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range s.nodes {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cfg := holdfast.ServiceConfig{Name: "counter", Service: &counter{}, Socket: s.socket("a"), Data: filepath.Join(s.folder, "a")}
	n := open(t, s.c, "a")
	if _, err := n.Serve(cfg); err == nil || !strings.Contains(err.Error(), "snapshot begins") && !strings.Contains(err.Error(), "record of kind") {
		t.Errorf("a group takes a pair's log, or says: %v", err)
	}
	n.Close()
}

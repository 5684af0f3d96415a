// Package trio runs the three members of a replicated service in this process, over loopback, for tests of
// what is built upon it: real sockets, real clocks, no privileges.
package trio

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

const (
	// SuspectAfter is how long a member is silent before the others go on without it.
	SuspectAfter = 300 * time.Millisecond

	heartbeat = 20 * time.Millisecond

	// serveMost is how long the members may take to find one another.
	serveMost = 20 * time.Second
)

// OpError says which step failed.
type OpError struct {
	Op  string
	Err error
}

// Error gives the step and its cause.
func (e *OpError) Error() string { return "trio: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Trio is three members. Its methods are for one goroutine at a time.
type Trio struct {
	// Sockets are where clients come in, in the order of the members' names.
	Sockets []string

	cfg      holdfast.Config
	service  func() session.Service
	change   []func(*holdfast.ServiceConfig)
	nodes    [3]*holdfast.Node // nil: it is not running
	services [3]*holdfast.Service
}

// New is Open for a test, which fails with it. The members are closed when it ends.
func New(t testing.TB, service func() session.Service, change ...func(*holdfast.ServiceConfig)) *Trio {
	t.Helper()
	m, err := Open(t.TempDir(), service, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Open starts three members of a service, each with its own of what service makes, with sockets in folder, and waits until
// all serve. What else there is to be said of the service, change says.
func Open(folder string, service func() session.Service, change ...func(*holdfast.ServiceConfig)) (*Trio, error) {
	t := &Trio{service: service, change: change, cfg: holdfast.Config{
		Cluster: "trio", Members: map[string][]string{}, Insecure: true, Heartbeat: heartbeat, SuspectAfter: SuspectAfter,
	}}
	for i, at := range Addresses(len(t.nodes)) {
		t.cfg.Members[name(i)] = []string{at}
		t.Sockets = append(t.Sockets, filepath.Join(folder, name(i)+".locks"))
	}
	for i := range t.nodes {
		if err := t.Start(i); err != nil {
			t.Close()
			return nil, err
		}
	}
	if err := t.Await(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Addresses gives free ones to so many processes of a test, here all in one program or not. They are of a host of their own, beside
// 127.0.0.1: whatever else runs on this machine, a member that is started, or started again, finds its port free. It panics if there
// are none.
func Addresses(count int) (all []string) {
	host := fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	for range count {
		p, err := net.ListenPacket("udp", host)
		if err != nil {
			panic(&OpError{"find a port", err})
		}
		defer p.Close() // when all are found, so that no two are the same
		all = append(all, p.LocalAddr().String())
	}
	return all
}

func name(i int) string { return string(rune('a' + i)) }

// Start starts a member that does not run, without a memory of its former life.
func (t *Trio) Start(i int) error {
	c := t.cfg
	c.Name = name(i)
	n, err := holdfast.Open(c)
	if err != nil {
		return &OpError{"open " + c.Name, err}
	}
	of := holdfast.ServiceConfig{Name: "trio", Service: t.service(), Socket: t.Sockets[i]}
	for _, change := range t.change {
		change(&of)
	}
	s, err := n.Serve(of)
	if err != nil {
		n.Close()
		return &OpError{"serve at " + c.Name, err}
	}
	t.nodes[i], t.services[i] = n, s
	return nil
}

// Await waits until all members that run serve.
func (t *Trio) Await() error {
	for i, s := range t.services {
		if t.nodes[i] != nil && !s.Await(serveMost) {
			return &OpError{"wait for " + name(i), fmt.Errorf("it does not serve after %v", serveMost)}
		}
	}
	return nil
}

// Stop ends a member without a word to the others, as a crash would. One that does not run is left alone.
func (t *Trio) Stop(i int) error {
	n := t.nodes[i]
	if n == nil {
		return nil
	}
	t.nodes[i] = nil
	if err := n.Close(); err != nil {
		return &OpError{"stop " + name(i), err}
	}
	return nil
}

// Leave has a member leave the service, and ends it.
func (t *Trio) Leave(i int) error {
	if t.nodes[i] == nil {
		return nil
	}
	if err := t.services[i].Close(); err != nil {
		return &OpError{"leave with " + name(i), err}
	}
	return t.Stop(i)
}

// Status writes how a member that runs sees everything, as JSON.
func (t *Trio) Status(i int, w io.Writer) error {
	if err := t.nodes[i].Status(w); err != nil {
		return &OpError{"ask " + name(i), err}
	}
	return nil
}

// Close stops all members.
func (t *Trio) Close() error {
	var errs []error
	for i := range t.nodes {
		errs = append(errs, t.Stop(i))
	}
	return errors.Join(errs...)
}

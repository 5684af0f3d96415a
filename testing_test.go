package holdfast_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast"
)

// TestMain is a member of a service where its environment says so, for what is killed with SIGKILL
// has to be a process.
func TestMain(m *testing.M) {
	if text := os.Getenv(memberOrder); text != "" {
		fmt.Fprintln(os.Stderr, serveUntilKilled(text))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// cluster is a configuration for processes on this machine, here all in one program.
func cluster(names ...string) holdfast.Config {
	c := holdfast.Config{
		Cluster: "test", Members: map[string][]string{}, Insecure: true,
		Heartbeat: 20 * time.Millisecond, SuspectAfter: 300 * time.Millisecond,
	}
	var held []net.PacketConn
	for _, name := range names {
		p, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		held = append(held, p)
		c.Members[name] = []string{p.LocalAddr().String()}
	}
	for _, p := range held {
		p.Close()
	}
	return c
}

// within is a context for what must happen soon.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// open opens one member.
func open(t testing.TB, c holdfast.Config, name string) *holdfast.Node {
	t.Helper()
	c.Name = name
	n, err := holdfast.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// join joins all members to a group at once.
func join(t testing.TB, g holdfast.GroupConfig, nodes ...*holdfast.Node) []*holdfast.Group {
	t.Helper()
	groups := make([]*holdfast.Group, len(nodes))
	errs := make(chan error, len(nodes))
	ctx := within(t)
	for i, n := range nodes {
		go func() {
			var err error
			groups[i], err = n.Join(ctx, g)
			errs <- err
		}()
	}
	for range nodes {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	return groups
}

// until asks for events until one is what is looked for.
func until(t testing.TB, g *holdfast.Group, what string, found func(holdfast.Event) bool) holdfast.Event {
	t.Helper()
	ctx := within(t)
	for {
		e, err := g.Next(ctx)
		if err != nil {
			t.Fatalf("while waiting for %s: %v", what, err)
		}
		if found(e) {
			return e
		}
	}
}

// untilMembers waits for the view with so many members.
func untilMembers(t testing.TB, g *holdfast.Group, n int) *holdfast.View {
	t.Helper()
	return until(t, g, fmt.Sprintf("a view of %d", n), func(e holdfast.Event) bool {
		return e.Kind == holdfast.Viewed && len(e.View.Members) == n
	}).View
}

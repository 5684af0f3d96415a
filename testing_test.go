package holdfast_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/internal/lab/trio"
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

// patience is how long a test waits for what must happen. A machine that is busy may be slow; one that is not loses nothing.
const patience = 30 * time.Second

// mortal is a cluster of which members crash: the others miss them soon.
func mortal(names ...string) holdfast.Config {
	c := cluster(names...)
	c.SuspectAfter = 300 * time.Millisecond
	return c
}

// cluster is a configuration for processes on this machine, here all in one program. Nobody is missed soon: on a busy machine
// one that lives is silent for some tenths of a second now and then.
func cluster(names ...string) holdfast.Config {
	c := holdfast.Config{
		Cluster: "test", Members: map[string][]string{}, Insecure: true,
		Heartbeat: 20 * time.Millisecond, SuspectAfter: 5 * time.Second,
	}
	for i, at := range trio.Addresses(len(names)) {
		c.Members[names[i]] = []string{at}
	}
	return c
}

// within is a context for what must happen soon.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// says has something waited for in vain, with ever more patience, until the error has all words, and gives the error: how
// much is known of what is wrong after a while depends on the machine.
func says(t testing.TB, wait func(context.Context) error, words ...string) error {
	t.Helper()
	for d := 500 * time.Millisecond; ; d *= 2 {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		err := wait(ctx)
		<-ctx.Done() // an error that came at once is not asked for again at once
		cancel()
		if err == nil {
			t.Fatalf("it was not in vain; %q was expected", words)
		}
		missing := ""
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				missing = w
			}
		}
		if missing == "" {
			return err
		}
		if d > patience/2 {
			t.Fatalf("after %v it says %q, and not %q", d, err, missing)
		}
	}
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

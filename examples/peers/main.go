// Command peers lets processes do one thing at a time without any lock server: they share a lock among themselves.
//
// Start it in three terminals:
//
//	go run ./examples/peers -name ann
//	go run ./examples/peers -name bob
//	go run ./examples/peers -name eve
//
// Each enters the lock, counts to five and leaves. Kill the one that counts: another goes on when its lease is over. Stop it with Ctrl-Z for
// longer than that: when it goes on it finds that it is not the owner any more, and counts no further.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/lock"
	"github.com/holdfast-ha/holdfast/lock/peers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	name := flags.String("name", "ann", "who you are")
	members := flags.String("members", "ann=127.0.0.1:7421,bob=127.0.0.1:7422,eve=127.0.0.1:7423", "who may take part, and where")
	lease := flags.Duration("lease", 3*time.Second, "for how long the others wait for one that is not heard; the same for all")
	turns := flags.Int("turns", 10, "how often to have the lock")
	step := flags.Duration("step", 500*time.Millisecond, "how long it takes to count by one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config := holdfast.Config{Cluster: "peers", Name: *name, Members: map[string][]string{}, Insecure: true}
	for _, member := range strings.Split(*members, ",") {
		who, where, _ := strings.Cut(member, "=")
		config.Members[who] = []string{where}
	}
	node, err := holdfast.Open(config)
	if err != nil {
		return err
	}
	defer node.Close()
	fmt.Fprintln(out, "waiting for the others…")
	locks, err := peers.Join(ctx, node, peers.Config{Group: "turns", Lease: *lease, Label: *name})
	if err != nil {
		return err
	}
	defer locks.Close(context.WithoutCancel(ctx))
	for range *turns {
		if err := turn(ctx, locks, *step, out); err != nil {
			return err
		}
	}
	return nil
}

// turn has the lock once.
func turn(ctx context.Context, locks *lock.Client, step time.Duration, out io.Writer) error {
	l, err := locks.Enter(ctx, "count", lock.Options{Purpose: "an example"})
	if err != nil {
		return err
	}
	defer l.Leave(context.WithoutCancel(ctx))
	for n := 1; n <= 5 && l.Holds(); n++ {
		fmt.Fprintf(out, "token %d: %d\n", l.Token(), n)
		select {
		case <-time.After(step):
		case <-l.Context().Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !l.Holds() {
		fmt.Fprintln(out, context.Cause(l.Context()))
	}
	return nil
}

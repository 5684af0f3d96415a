// Command chat lets people in several terminals talk: everybody sees the same lines in
// the same order, and who comes and goes between the same two lines.
//
// Start it in three terminals:
//
//	go run ./examples/chat -name ann
//	go run ./examples/chat -name bob
//	go run ./examples/chat -name eve
//
// Each line that is typed is multicast with Total and Causal: an answer is never seen
// before what it answers. End the input (Ctrl-D) to leave; kill one and see the others go
// on.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run is the program: it talks until the input ends.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("chat", flag.ExitOnError)
	name := flags.String("name", "ann", "who you are")
	members := flags.String("members", "ann=127.0.0.1:7411,bob=127.0.0.1:7412,eve=127.0.0.1:7413", "who may take part, and where")
	_ = flags.Parse(args) // says what is wrong, and exits
	config := holdfast.Config{Cluster: "chat", Name: *name, Members: map[string][]string{}, Insecure: true}
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
	group, err := node.Join(ctx, holdfast.GroupConfig{Name: "room"})
	if err != nil {
		return err
	}
	shown := make(chan error, 1)
	go func() { shown <- show(group, out) }()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if _, err := group.Multicast(ctx, lines.Bytes(), holdfast.Total|holdfast.Causal); err != nil {
			return err
		}
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := group.Leave(leaving); err != nil {
		return err
	}
	return <-shown
}

// show prints what happens until this member has left.
func show(group *holdfast.Group, out io.Writer) error {
	for event, err := range group.Events(context.Background()) {
		if err != nil {
			return err
		}
		switch event.Kind {
		case holdfast.Viewed:
			fmt.Fprintf(out, "-- here are %s\n", strings.Join(event.View.Members, ", "))
		case holdfast.Message:
			fmt.Fprintf(out, "%s: %s\n", event.From, event.Payload)
		case holdfast.Blocked:
			fmt.Fprintf(out, "-- waiting for %s\n", strings.Join(event.Members, ", "))
		}
	}
	return nil
}

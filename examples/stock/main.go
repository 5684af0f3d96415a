// Command stock is a service that its user has written, with its client: how many of each thing are in a
// warehouse, kept by three members, of which one may fail.
//
// Start three members, and ask them:
//
//	go run ./examples/stock serve -name a
//	go run ./examples/stock serve -name b
//	go run ./examples/stock serve -name c
//	go run ./examples/stock add screws 100
//	go run ./examples/stock take screws 5
//	go run ./examples/stock look screws
//	go run ./examples/stock count screws
//
// Kill a member and ask again. docs/guides/services.md explains the program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The methods of the service: what its owner promises of each.
var methods = map[string]client.Method{
	// What is added twice is there twice: the service remembers the call, and the client repeats it until it is answered.
	"add": {Name: "add", How: client.ExactlyOnce, Timeout: time.Minute},
	// Who takes something stands there and cannot wait for a takeover; but it must not be taken later, or twice.
	"take": {Name: "take", How: client.AtMostOnce, Timeout: 5 * time.Second},
	// Looking changes nothing: it may be asked twice, and of two members when one is slow.
	"look": {Name: "look", How: client.AtLeastOnce, Idempotent: true, Timeout: 5 * time.Second},
	// Statistics: one more or less does not matter.
	"seen": {Name: "seen", How: client.Maybe, Timeout: time.Second},
}

var errSay = errors.New("say: serve, add THING N, take THING N, look THING or count THING")

// run is the program.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errSay
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	name := flags.String("name", "a", "which member this is")
	members := flags.String("members", "a=127.0.0.1:7431,b=127.0.0.1:7432,c=127.0.0.1:7433", "the members, and where they are")
	folder := flags.String("folder", filepath.Join(os.TempDir(), "stock"), "where the members' sockets are, NAME.sock")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	config := holdfast.Config{Cluster: "stock", Name: *name, Members: map[string][]string{}, Insecure: true}
	var sockets []string
	for _, member := range strings.Split(*members, ",") {
		who, where, _ := strings.Cut(member, "=")
		config.Members[who] = []string{where}
		sockets = append(sockets, filepath.Join(*folder, who+".sock"))
	}
	if args[0] == "serve" {
		return serve(ctx, config, filepath.Join(*folder, *name+".sock"), out)
	}
	return ask(ctx, sockets, args[0], flags.Args(), out)
}

// serve is a member, until ctx ends.
func serve(ctx context.Context, config holdfast.Config, socket string, out io.Writer) error {
	node, err := holdfast.Open(config)
	if err != nil {
		return err
	}
	defer node.Close()
	service, err := node.Serve(holdfast.ServiceConfig{
		Name: "stock", Service: newStock(), Socket: socket,
		Jobs: &holdfast.Jobs{Run: count, Orphans: holdfast.Expiration, Quantum: 5 * time.Second},
	})
	if err != nil {
		return err
	}
	for !service.Await(time.Second) {
		if ctx.Err() != nil {
			return nil
		}
	}
	fmt.Fprintf(out, "%s serves at %s\n", config.Name, socket)
	select {
	case <-ctx.Done():
		return service.Close()
	case <-service.Done():
		return service.Err()
	}
}

// count sends somebody through the hall: it takes long, happens at one member, and is stopped when nobody wants to
// know the result any more.
func count(ctx context.Context, j holdfast.Job) ([]byte, error) {
	for shelf := range 5 {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("at shelf %d: %w", shelf, context.Cause(ctx))
		}
	}
	return fmt.Appendf(nil, "all shelves were searched for %s", j.Body), nil
}

// ask calls the service once.
func ask(ctx context.Context, sockets []string, verb string, args []string, out io.Writer) error {
	if _, is := methods[verb]; is && len(args) != map[string]int{"add": 2, "take": 2, "look": 1}[verb] || verb == "count" && len(args) != 1 {
		return errSay
	}
	c, err := client.Dial(client.Config{
		Servers: sockets, Identity: fmt.Sprintf("stock:%d", os.Getpid()), Hedge: 50 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	var reply []byte
	switch m, is := methods[verb]; {
	case verb == "count":
		reply, err = c.Run(ctx, []byte(strings.Join(args, " ")))
	case is:
		reply, err = c.Invoke(ctx, &m, []byte(verb+" "+strings.Join(args, " ")))
	default:
		return fmt.Errorf("there is no verb %q", verb)
	}
	var failed *client.Error
	if errors.As(err, &failed) && failed.Outcome == client.Unknown && verb == "take" {
		return fmt.Errorf("look before you take again: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", reply)
	if verb == "look" {
		seen := methods["seen"]
		_, _ = c.Invoke(ctx, &seen, []byte("seen "+args[0])) // it is only statistics
	}
	return nil
}

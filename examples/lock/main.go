// Command lock appends lines to a file that any number of processes share, one at a time: under a lock of a lock service, and past a
// guard, which refuses whoever was the owner before.
//
// Start it in as many terminals as you like, and stop one with Ctrl-Z for longer than its lease: when it goes on, it finds that it
// is not the owner any more, and its line is refused. Kill all members of the service, and start them again: it goes on, and its
// token is still good.
//
//	go run ./examples/lock -sockets /run/holdfast/locks.locks -file lines
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/guard"
	"github.com/holdfast-ha/holdfast/lock"
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
	flags := flag.NewFlagSet("lock", flag.ContinueOnError)
	sockets := flags.String("sockets", "/run/holdfast/locks.locks", "the sockets of the lock service's members")
	path := flags.String("file", "lines", "the file that is written")
	turns := flags.Int("turns", 10, "how many lines to write")
	pause := flags.Duration("pause", time.Second, "how long each takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	locks, err := lock.Open(lock.Config{Servers: strings.Split(*sockets, ",")})
	if err != nil {
		return err
	}
	defer locks.Close(context.WithoutCancel(ctx))
	file, err := guard.NewFile(*path, "lines")
	if err != nil {
		return err
	}
	for range *turns {
		if err := turn(ctx, locks, file, *pause, out); err != nil {
			return err
		}
	}
	return nil
}

// turn writes one line under the lock.
func turn(ctx context.Context, locks *lock.Client, file *guard.File, pause time.Duration, out io.Writer) error {
	l, err := locks.Enter(ctx, "lines", lock.Options{Purpose: "an example"})
	if err != nil {
		return err
	}
	defer l.Leave(context.WithoutCancel(ctx))
	fmt.Fprintf(out, "token %d: working\n", l.Token())
	select { // this is the work
	case <-time.After(pause):
	case <-l.Context().Done(): // and somebody else may have the lock soon
		fmt.Fprintf(out, "token %d: %v\n", l.Token(), context.Cause(l.Context()))
	case <-ctx.Done():
		return ctx.Err()
	}
	err = file.Update(ctx, guard.Token{Lock: l.Name(), Number: l.Token()}, func(f *os.File) error {
		if _, err := f.Seek(0, io.SeekEnd); err != nil {
			return err
		}
		_, err := fmt.Fprintf(f, "%d %d\n", l.Token(), os.Getpid())
		return err
	})
	if errors.Is(err, guard.ErrStale) {
		fmt.Fprintf(out, "token %d: refused, somebody else was the owner since\n", l.Token())
		return nil
	}
	return err
}

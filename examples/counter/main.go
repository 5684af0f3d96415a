// Command counter is a replicated counter: each member has a copy, every change goes to
// all in the same order, and who joins is given the value.
//
// Start it in three terminals, and one of them again after killing it:
//
//	go run ./examples/counter -name a
//	go run ./examples/counter -name b
//	go run ./examples/counter -name c
//
// Type a number to add it; the answer comes when the change outlives every crash that the
// group does. End the input (Ctrl-D) to leave.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
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

// counter is the replicated state.
type counter struct {
	mu      sync.Mutex
	value   int64
	changes uint64
}

// add applies one message. All members apply the same ones in the same order.
func (c *counter) add(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(payload) == 8 {
		c.value += int64(binary.BigEndian.Uint64(payload))
		c.changes++
	}
}

// snapshot writes the state for a member that joins.
func (c *counter) snapshot(w io.Writer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return binary.Write(w, binary.BigEndian, []uint64{uint64(c.value), c.changes})
}

// restore reads what snapshot wrote.
func (c *counter) restore(r io.Reader) error {
	var state [2]uint64
	if err := binary.Read(r, binary.BigEndian, &state); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.changes = int64(state[0]), state[1]
	return nil
}

// String gives the value and how often it was changed.
func (c *counter) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d after %d changes", c.value, c.changes)
}

// run is the program: it counts until the input ends.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("counter", flag.ExitOnError)
	name := flags.String("name", "a", "which member this is")
	members := flags.String("members", "a=127.0.0.1:7421,b=127.0.0.1:7422,c=127.0.0.1:7423", "the members, and where they are")
	_ = flags.Parse(args) // says what is wrong, and exits
	config := holdfast.Config{Cluster: "counter", Name: *name, Members: map[string][]string{}, Insecure: true}
	for _, member := range strings.Split(*members, ",") {
		who, where, _ := strings.Cut(member, "=")
		config.Members[who] = []string{where}
	}
	node, err := holdfast.Open(config)
	if err != nil {
		return err
	}
	defer node.Close()

	var value counter
	group, err := node.Join(ctx, holdfast.GroupConfig{Name: "counter", Snapshot: value.snapshot, Restore: value.restore})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "joined: %v\n", &value)
	applied := make(chan error, 1)
	go func() { applied <- apply(group, &value) }()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		n, err := strconv.ParseInt(strings.TrimSpace(lines.Text()), 10, 64)
		if err != nil {
			fmt.Fprintln(out, "type a number to add it")
			continue
		}
		change := binary.BigEndian.AppendUint64(nil, uint64(n))
		if _, err := group.Confirm(ctx, change, holdfast.Total|holdfast.FIFO|holdfast.Uniform); err != nil {
			return err
		}
		fmt.Fprintf(out, "added %d\n", n)
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := group.Leave(leaving); err != nil {
		return err
	}
	err = <-applied
	fmt.Fprintf(out, "left: %v\n", &value)
	return err
}

// apply applies every change until this member has left.
func apply(group *holdfast.Group, value *counter) error {
	for event, err := range group.Events(context.Background()) {
		if err != nil {
			return err
		}
		if event.Kind == holdfast.Message {
			value.add(event.Payload)
		}
	}
	return nil
}

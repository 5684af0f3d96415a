package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/internal/lab/trio"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// counters starts three members of a service that counts its calls, and that takes jobs.
func counters() (sockets []string, stop func()) {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	m, err := trio.Open(folder, func() session.Service { return &tally{} }, func(cfg *holdfast.ServiceConfig) {
		cfg.Jobs = &holdfast.Jobs{Run: func(ctx context.Context, j holdfast.Job) ([]byte, error) {
			select {
			case <-time.After(10 * time.Millisecond): // the work
				return fmt.Appendf(nil, "%s for %s", j.Body, j.Client), nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}}
	})
	if err != nil {
		log.Fatal(err)
	}
	return m.Sockets, func() {
		_ = m.Close()
		_ = os.RemoveAll(folder)
	}
}

// A method is declared once, with what may be done with its calls; an error says what became of a call.
func ExampleClient_Invoke() {
	sockets, stop := counters() // of the members
	defer stop()
	next := client.Method{Name: "next", How: client.ExactlyOnce, Timeout: 20 * time.Second}

	c, err := client.Dial(client.Config{Servers: sockets})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(context.Background())
	for range 3 {
		reply, err := c.Invoke(context.Background(), &next, nil)
		var failed *client.Error
		switch {
		case errors.As(err, &failed) && failed.Outcome == client.Unknown:
			fmt.Println("nobody knows whether it was counted:", failed.Class)
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(binary.BigEndian.Uint64(reply))
		}
	}
	// Output:
	// 1
	// 2
	// 3
}

// What takes long is run by one member.
func ExampleClient_Run() {
	sockets, stop := counters()
	defer stop()
	c, err := client.Dial(client.Config{Servers: sockets, Identity: "billing"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	result, err := c.Run(ctx, []byte("invoices printed"))
	fmt.Println(string(result), err)
	// Output: invoices printed for billing <nil>
}

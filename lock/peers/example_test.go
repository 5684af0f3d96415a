package peers_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/lock"
	"github.com/holdfast-ha/holdfast/lock/peers"
)

// Two processes, here in one program, take turns.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	members := addresses("a", "b")
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		all.Go(func() {
			node, err := holdfast.Open(holdfast.Config{
				Cluster: "shop", Name: name, Insecure: true,
				Members: members, // as {"a": {"192.0.2.1:7400"}, "b": {"192.0.2.2:7400"}}
			})
			if err != nil {
				fmt.Println(err)
				return
			}
			defer node.Close()
			locks, err := peers.Join(ctx, node, peers.Config{Group: "locks"})
			if err != nil {
				fmt.Println(err)
				return
			}
			defer locks.Close(ctx)
			l, err := locks.Enter(ctx, "nightly-report", lock.Options{})
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println("one of two is in, with a token:", l.Token() > 0 && l.Holds())
			if err := l.Leave(ctx); err != nil {
				fmt.Println(err)
			}
		})
	}
	all.Wait()
	// Output:
	// one of two is in, with a token: true
	// one of two is in, with a token: true
}

package holdfast_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
)

// TestCallsEndInAnyCombination has every call of the package under way while nodes are
// closed and groups are left, in an order that is drawn: none may hang.
func TestCallsEndInAnyCombination(t *testing.T) {
	for round := range 6 {
		chance := rand.New(rand.NewPCG(uint64(round), 1))
		c := mortal("a", "b", "c")
		if round%3 == 2 {
			c.Transport = "tcp"
		}
		nodes := []*holdfast.Node{open(t, c, "a"), open(t, c, "b"), open(t, c, "c")}
		cfg := holdfast.GroupConfig{Name: "g", QueueMax: 10 << 10}
		if round%2 == 0 {
			cfg.Snapshot = func(w io.Writer) error { _, err := w.Write(make([]byte, 5<<20)); return err }
			cfg.Restore = func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
		}
		groups := join(t, cfg, nodes...)
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		for i, g := range groups {
			reads := chance.IntN(3) > 0
			for range 3 {
				all.Go(func() {
					for n := 0; ; n++ {
						var err error
						if n%10 == 0 {
							_, err = g.Confirm(ctx, make([]byte, 3000), holdfast.Total|holdfast.Uniform)
						} else {
							_, err = g.Multicast(ctx, make([]byte, 3000), holdfast.Total)
						}
						if err != nil {
							return
						}
					}
				})
			}
			if reads {
				all.Go(func() {
					for {
						if _, err := g.Next(ctx); err != nil {
							return
						}
					}
				})
			}
			all.Go(func() {
				for nodes[i].Status(io.Discard) == nil {
				}
			})
		}
		order := chance.Perm(9)
		for _, what := range order {
			i := what % 3
			all.Go(func() {
				switch what / 3 {
				case 0:
					l, done := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Millisecond)
					defer done()
					_ = groups[i].Leave(l)
				case 1:
					nodes[i].Close()
				case 2:
					l, done := context.WithTimeout(ctx, time.Duration(rand.IntN(300))*time.Millisecond)
					defer done()
					if _, err := nodes[i].Join(l, holdfast.GroupConfig{Name: fmt.Sprint("h", i)}); err == nil {
						nodes[i].Close()
					}
				}
			})
		}
		if chance.IntN(2) == 0 {
			cancel()
		}
		done := make(chan struct{})
		go func() { all.Wait(); close(done) }()
		select {
		case <-done:
		case <-within(t).Done():
			panic(fmt.Sprintf("round %d hangs", round)) // with the stacks of all goroutines
		}
		cancel()
	}
}

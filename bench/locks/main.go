// Command locks measures a lock service: enter and leave, by some contenders for one lock each
// or all for the same.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/lock"
)

func main() {
	sockets := flag.String("s", "", "sockets of the members, separated by commas")
	contenders := flag.Int("n", 1, "contenders")
	same := flag.Bool("same", false, "all for one lock")
	length := flag.Duration("d", 2*time.Second, "for how long")
	flag.Parse()
	var mu sync.Mutex
	var all []time.Duration
	longest := time.Duration(0)
	var wg sync.WaitGroup
	end := time.Now().Add(*length)
	for i := range *contenders {
		wg.Go(func() {
			k, err := lock.Open(lock.Config{Servers: strings.Split(*sockets, ",")})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			name := "bench"
			if !*same {
				name = fmt.Sprint("bench", i)
			}
			var took []time.Duration
			last := time.Now()
			for time.Now().Before(end) {
				began := time.Now()
				l, err := k.Enter(context.Background(), name, lock.Options{})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				if err := l.Leave(context.Background()); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
				now := time.Now()
				took = append(took, now.Sub(began))
				mu.Lock()
				longest = max(longest, now.Sub(last))
				mu.Unlock()
				last = now
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
			_ = k.Close(context.Background())
		})
	}
	wg.Wait()
	slices.Sort(all)
	fmt.Printf("%d contenders: %.0f enter+leave/s, median %v, p99 %v, longest %v\n", *contenders,
		float64(len(all))/length.Seconds(), all[len(all)/2], all[len(all)*99/100], longest)
}

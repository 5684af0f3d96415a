package holdfast_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
)

// BenchmarkMulticast is a stream of totally ordered messages of one sender, or of all, in a
// group of three, all in this process, over loopback. An operation is one message delivered to
// all three.
func BenchmarkMulticast(b *testing.B) {
	for _, size := range []int{64, 1024, 8192, 65536} {
		for _, o := range []struct {
			name  string
			order holdfast.Order
		}{{"total", holdfast.Total | holdfast.FIFO}, {"uniform", holdfast.Total | holdfast.FIFO | holdfast.Uniform}} {
			b.Run(fmt.Sprintf("%s/%dB", o.name, size), func(b *testing.B) { stream(b, o.order, size, 1) })
			b.Run(fmt.Sprintf("%s/%dB/all", o.name, size), func(b *testing.B) { stream(b, o.order, size, 3) })
		}
	}
}

func stream(b *testing.B, o holdfast.Order, size, senders int) {
	c := cluster("a", "b", "c")
	groups := join(b, holdfast.GroupConfig{Name: "bench"}, open(b, c, "a"), open(b, c, "b"), open(b, c, "c"))
	for _, g := range groups {
		untilMembers(b, g, 3)
	}
	payload := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	used := processorTime(b)
	b.ResetTimer()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	for _, g := range groups {
		all.Go(func() {
			for n := 0; n < b.N; {
				e, err := g.Next(ctx)
				if err != nil || e.Kind == holdfast.Expelled {
					b.Errorf("after %d messages: %v, error %v", n, e.Kind, err)
					cancel() // the others would wait
					return
				}
				if e.Kind == holdfast.Message {
					n++
				}
			}
		})
	}
	for i, g := range groups[:senders] {
		all.Go(func() {
			for n := i; n < b.N; n += senders {
				if _, err := g.Multicast(ctx, payload, o); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(processorTime(b)-used)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used of all processors: on a machine that others
// use too it varies less than the time that passes.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLatency is one totally ordered message at a time, from its multicast until
// the sender, who does not number it, has it back.
func BenchmarkLatency(b *testing.B) {
	c := cluster("a", "b", "c")
	groups := join(b, holdfast.GroupConfig{Name: "bench"}, open(b, c, "a"), open(b, c, "b"), open(b, c, "c"))
	for _, g := range groups {
		untilMembers(b, g, 3)
	}
	last := groups[0]
	for _, g := range groups {
		if g.View().Members[2] == []string{"a", "b", "c"}[index(groups, g)] {
			last = g
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, g := range groups {
		if g != last {
			go func() { // it must ask for its events, or all wait for it
				for range g.Events(ctx) {
				}
			}()
		}
	}
	payload := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := last.Multicast(context.Background(), payload, holdfast.Total); err != nil {
			b.Fatal(err)
		}
		for kind := holdfast.Viewed; kind != holdfast.Message; {
			e, err := last.Next(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			kind = e.Kind
		}
	}
}

func index(groups []*holdfast.Group, g *holdfast.Group) int {
	for i := range groups {
		if groups[i] == g {
			return i
		}
	}
	return -1
}

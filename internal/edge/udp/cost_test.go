package udp

import (
	"fmt"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestNoAllocation sends and receives batches over two links in the steady state.
func TestNoAllocation(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []uint8
	}{{"sealed", []uint8{1, 2}}, {"clear", nil}} {
		t.Run(c.name, func(t *testing.T) {
			a, b := sealedOrClear(t, 2, c.keys)
			frame := make([]byte, 1000)
			received := 0
			count := func(view.Member, uint8, []byte) { received++ }
			step := func() { exchange(t, a, b, frame, 10, count) }
			step()
			if n := testing.AllocsPerRun(100, step); n != 0 {
				t.Errorf("%v allocations for 10 datagrams over 2 links, want none", n)
			}
			if received != 10*102 {
				t.Errorf("%d frames were handed over, want %d", received, 10*102)
			}
		})
	}
}

// exchange sends frames over all links and receives every copy.
func exchange(t testing.TB, a, b *node, frame []byte, frames int, fn func(view.Member, uint8, []byte)) {
	for range frames {
		if err := a.Send(wire.Envelope{To: 2, Frame: frame}); err != nil {
			t.Fatal(err)
		}
	}
	a.Flush()
	for link := range b.links {
		for taken, tries := 0, 0; taken < frames; tries++ {
			n, err := b.Receive(link+1, fn)
			if err != nil || tries > 1_000_000 {
				t.Fatalf("%d of %d datagrams after %d tries: %v", taken, frames, tries, err)
			}
			taken += n
		}
	}
}

// BenchmarkExchange is one datagram sealed, sent, received and opened, in batches of 64.
func BenchmarkExchange(b *testing.B) {
	for _, links := range []int{1, 2} {
		for _, size := range []int{40, wire.FrameMax} {
			b.Run(fmt.Sprintf("links=%d/size=%d", links, size), func(b *testing.B) {
				from, to := pair(b, links, testRing(b, 1))
				frame := make([]byte, size)
				fn := func(view.Member, uint8, []byte) {}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				for n := 0; n < b.N; n += 64 {
					exchange(b, from, to, frame, 64, fn)
				}
			})
		}
	}
}

package udp

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// burst sends frames to all receivers, to one as unicast, and takes them all.
func burst(t testing.TB, n []*node, e wire.Envelope, frames int, fn func(view.Member, uint8, []byte)) {
	for range frames {
		if err := n[0].Send(e); err != nil {
			t.Fatal(err)
		}
	}
	n[0].Flush()
	for _, m := range n[1:] {
		for taken, tries := 0, 0; taken < frames; tries++ {
			got, err := m.Receive(1, fn)
			if err != nil || tries > 1_000_000 {
				t.Fatalf("%d of %d datagrams after %d tries: %v", taken, frames, tries, err)
			}
			taken += got
		}
	}
}

// BenchmarkBurst is 64 datagrams sealed, sent, received and opened by one thread, on the
// loopback interface and over a switch, to one member, to two, and to a group of two.
// "opened/s" counts what receivers hand over.
func BenchmarkBurst(b *testing.B) {
	const frames = 64
	for _, network := range []string{"loopback", "veth", "veth-group"} {
		for _, receivers := range []int{1, 2} {
			for _, sealed := range []bool{false, true} {
				for _, size := range []int{64, wire.FrameMax} {
					b.Run(fmt.Sprintf("%s/receivers=%d/sealed=%v/size=%d", network, receivers, sealed, size), func(b *testing.B) {
						n := benchNodes(b, network, receivers+1, sealed)
						e := wire.Envelope{To: 2, Frame: make([]byte, size)}
						if receivers > 1 || network == "veth-group" {
							e.To, e.Members = view.Everyone, []view.ID{2, 3}[:receivers]
						}
						received := 0
						fn := func(view.Member, uint8, []byte) { received++ }
						burst(b, n, e, frames, fn) // the first one waits for neighbours to be found
						received = 0
						b.ReportAllocs()
						b.ResetTimer()
						for sent := 0; sent < b.N; sent += frames {
							burst(b, n, e, frames, fn)
						}
						b.ReportMetric(float64(received)/b.Elapsed().Seconds(), "opened/s")
					})
				}
			}
		}
	}
}

func benchNodes(b *testing.B, network string, members int, sealed bool) []*node {
	var r *key.Ring
	if sealed {
		r = testRing(b, 1)
	}
	switch network {
	case "veth":
		return newLAN(b, members).nodes(false, r, netip.AddrPort{})
	case "veth-group":
		return newLAN(b, members).nodes(false, r, netip.MustParseAddrPort("239.192.7.4:7401"))
	}
	return startAll(b, several(members, 1, r))
}

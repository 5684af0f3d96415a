package cast

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive gives a member, in the middle of its work, payloads that another or nobody
// sends. Nothing panics, what there is stays within its bounds, and a payload that is
// dropped for its form changes nothing that is held.
func FuzzReceive(f *testing.F) {
	net := busy()
	for net.fly.Len() > 0 {
		_, e := net.fly.Pop()
		f.Add(uint8(e.from), false, e.data)
	}
	own := net.nodes[0].m.stamp
	message := func(k kind, flags byte, more ...byte) []byte {
		return append(append([]byte{byte(k), flags}, own[:]...), more...)
	}
	packet := func(rank byte, place uint64, body ...byte) []byte {
		return append(binary.BigEndian.AppendUint64(message(kindPacket, 0, rank), place), body...)
	}
	f.Add(uint8(1), false, packet(1, 30, 2, 'a'))
	f.Add(uint8(1), false, packet(1, noRecord<<48|40, bytes.Repeat([]byte{9}, 300)...))
	f.Add(uint8(1), false, packet(1, 40, 0xff, 0xff, 0xff, 1, 1, 2, 3))
	f.Add(uint8(1), true, packet(1, 1<<48-1, 7, 7, 7))
	f.Add(uint8(1), false, message(kindAck, ackAsks, 3, 0, 0, 9, 0, 0, 200, 1, 0))
	f.Add(uint8(2), false, message(kindNack, 0, 0, 2, 0, 70, 1, 1))
	f.Add(uint8(2), true, message(kindNack, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 3))
	f.Fuzz(func(t *testing.T, who uint8, frozen bool, payload []byte) {
		net := busy()
		p := net.nodes[0]
		if frozen {
			p.m.Freeze(net.now)
			before := p.m.Holding()
			defer func() {
				p.m.Complete(net.now, before.Union(view.Cut{nil, {{From: 1, To: 10}}}), &p.out)
			}()
			p.m.Fetch(net.now, []view.Piece{{Rank: 1, Range: view.Range{From: 1, To: 60}, Holder: 3}}, &p.out)
		}
		from := view.Member{ID: view.ID(who), Incarnation: 9}
		before := p.m.Holding()
		p.m.Receive(net.now, from, payload, &p.out)
		if after := p.m.Holding(); !after.Contains(before) || after.Ranges() > 3+view.RangesMax/3 {
			t.Fatalf("held %v, and holds %v", before, after)
		}
		for why, n := range p.m.Drops() {
			if n > 0 && wire.Reason(why) != wire.OtherView && !p.m.Holding().Equal(before) && wire.Reason(why) != wire.Malformed {
				t.Fatalf("dropped as %v and taken all the same", wire.Reason(why))
			}
		}
		for range 8 { // whatever it has begun must go on, and stay bounded
			for rank := range 3 {
				p.m.Agreed(rank)
				p.m.Release(rank, 1<<60)
			}
			p.m.Flush(net.now, &p.out)
			if n := len(p.out.Send); n > repeatMax+64 {
				t.Fatalf("one step sends %d frames", n)
			}
			for _, e := range p.out.Send {
				if _, _, why := wire.Open(e.Frame); why != wire.OK {
					t.Fatalf("sends a frame that is %v", why)
				}
			}
			p.out.Reset()
			if d := p.m.Deadline(); !d.IsZero() && !d.After(net.now) {
				t.Fatal("a deadline has passed")
			}
			net.now = net.now.Add(20 * time.Millisecond)
			p.m.Tick(net.now, &p.out)
		}
	})
}

// busy is three members that have lost some of what they told each other.
func busy() *network {
	net := newNetwork(3, 5, nil, nil)
	net.lose = func(from, to int, payload []byte) bool {
		return payload[0] == byte(kindPacket) && payload[placeAt+7]%4 == 2
	}
	for i, p := range net.nodes {
		p.load, p.sizes = 25, mixed
		p.early = func(k int) bool { return k%3 == i }
	}
	net.run(300 * time.Microsecond)
	return net
}

// FuzzReadRanges proves that what is accepted is ascending, bounded, and can be written
// again to the same bytes.
func FuzzReadRanges(f *testing.F) {
	f.Add(appendRanges(nil, []view.Range{{From: 1, To: 1}}))
	f.Add(appendRanges(nil, []view.Range{{From: 3, To: 9}, {From: 11, To: 11}, {From: 1 << 40, To: 1 << 41}}))
	f.Add([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(b)
		ranges, ok := readRanges(&r, nil)
		if !ok {
			return
		}
		last := uint64(0)
		for _, g := range ranges {
			if g.From <= last || g.To < g.From || g.To > numberMax {
				t.Fatalf("not ascending: %v", ranges)
			}
			last = g.To
		}
		if again := appendRanges(nil, ranges); !bytes.Equal(again, b) {
			t.Fatalf("% x is written again as % x", b, again)
		}
	})
}

// FuzzReadHead proves the same for the head of a record.
func FuzzReadHead(f *testing.F) {
	for _, n := range []int{0, 1, 62, 63, 8190, 8191, recordMax} {
		code, _ := recordHead(n, n%2 == 1)
		b := make([]byte, 8)
		f.Add(b[:putHead(b, code)])
	}
	f.Add([]byte{0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		offset, length, early, ok := readHead(b, 0)
		if !ok || length < 0 {
			return
		}
		var again [10]byte
		code, size := recordHead(length, early)
		if n := putHead(again[:], code); n != size || n != offset || !bytes.Equal(again[:n], b[:n]) || length > recordMax || n > headMax {
			t.Fatalf("% x is %d bytes, early %v, and written again as % x", b[:offset], length, early, again[:n])
		}
	})
}

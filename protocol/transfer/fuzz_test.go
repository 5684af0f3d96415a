package transfer

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive: whatever arrives at a joiner and a donor in the middle of a transfer, nothing
// panics, an owner is asked for nothing absurd, and the joiner hands over nothing but what follows.
func FuzzReceive(f *testing.F) {
	cut := cutOf(3)
	for _, s := range []message{
		{kind: kindWant, group: 7, cut: cut, life: 11, count: 2, ranges: [rangesMax]span{{0, pieceSize}, {5 * pieceSize, askMax}}},
		{kind: kindWant, group: 7, cut: cut, life: 11},
		{kind: kindPiece, group: 7, cut: cut, total: unknown, offset: 3 * pieceSize, data: make([]byte, pieceSize)},
		{kind: kindPiece, group: 7, cut: cut, total: 10*pieceSize + 7, offset: 10 * pieceSize, data: make([]byte, 7)},
		{kind: kindPiece, group: 7, cut: cut, total: pieceSize, offset: 100, data: make([]byte, 9)},
		{kind: kindPiece, group: 7, cut: cut, total: 0},
		{kind: kindSum, group: 7, cut: cut, total: 5, sum: 9},
		{kind: kindGone, group: 7, cut: cut},
	} {
		f.Add(s.append(nil), s.append(nil))
	}
	// Data beyond an end that was told before; it was once counted as the last piece.
	ends := message{kind: kindPiece, group: 7, cut: cut, total: 10*pieceSize + 20, offset: 9 * pieceSize, data: make([]byte, 5)}
	more := message{kind: kindPiece, group: 7, cut: cut, total: unknown, offset: 10 * pieceSize, data: make([]byte, pieceSize)}
	f.Add(ends.append(nil), more.append(nil))
	f.Add([]byte{}, []byte{9})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		m, err := New(Config{Self: view.Member{ID: 1, Incarnation: 11}, Group: 7}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out Output
		now := time.Unix(1e9, 0)
		got := uint64(0)
		m.Offer(now, cut, 100000, false)
		m.Fetch(now, member(2), cut, &out)
		message := message{kind: kindPiece, group: 7, cut: cut, total: unknown, data: make([]byte, pieceSize)}
		for i := range 40 {
			m.Receive(now, member(2), message.append(nil), &out)
			m.Receive(now, member(2), one, &out)
			m.Receive(now, member(2), two, &out)
			m.Tick(now, &out)
			message.offset += pieceSize
			for _, a := range out.Asks {
				if a.Size <= 0 || a.Size > askMax || a.To != member(2) || a.Cut != cut {
					t.Fatalf("the owner is asked %+v", a)
				}
				m.Data(now, a.To, a.Cut, a.Offset, make([]byte, a.Size/(i+1)), i == 30, &out)
			}
			for _, c := range out.Chunks {
				if c.Offset != got {
					t.Fatalf("a chunk at %d after %d bytes", c.Offset, got)
				}
				got += uint64(len(c.Data))
			}
			for _, e := range out.Send {
				h, p, why := wire.Open(e.Frame)
				if s := (&m.in); why != wire.OK || h.Channel != wire.Transfer || !s.parse(p) {
					t.Fatalf("the machine says %x", e.Frame)
				}
			}
			check(t, m)
			out.Reset()
			now = now.Add(time.Millisecond << (i / 4))
		}
	})
}

// FuzzParse: what is read is written again in the same way.
func FuzzParse(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v.message.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s message
		if s.parse(b) && !bytes.Equal(s.append(nil), b) {
			t.Errorf("%x is also %x", b, s.append(nil))
		}
	})
}

// check counts the joiner's pieces anew.
func check(t *testing.T, m *Machine) {
	j := &m.joiner
	if !j.active {
		return
	}
	flying, lost := 0, 0
	for i := j.base; i < j.asked; i++ {
		switch s := j.slot(i); {
		case s.whole && s.flying:
			t.Fatalf("piece %d is whole and on its way", i)
		case s.flying:
			flying++
		case !s.whole:
			lost++
		}
	}
	if flying != j.flying || lost != j.lost || j.asked > j.base+windowMax {
		t.Fatalf("%d on their way, counted as %d; %d lost, counted as %d; %d asked for", flying, j.flying, lost, j.lost, j.asked-j.base)
	}
	if !j.closing && flying == 0 && j.bytes != j.total {
		t.Fatalf("nothing is on its way, %d of %d bytes are here", j.bytes, j.total)
	}
}

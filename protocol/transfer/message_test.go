package transfer

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

type vector struct {
	message message
	hex     string
}

// vectors are those of docs/rfc/0010-transfer.md.
func vectors() []vector {
	cut := view.Name{Epoch: 5, Round: 2, By: 3}
	const head = " 00000007 0000000000000005 00000002 0003 "
	return []vector{
		{message{kind: kindWant, group: 7, cut: cut, life: 9, count: 2, ranges: [rangesMax]span{{2688, 1344}, {8064, 86016}}},
			"01" + head + "0000000000000009 02 0000000000000a80 00000540 0000000000001f80 00015000"},
		{message{kind: kindWant, group: 7, cut: cut, life: 9}, "01" + head + "0000000000000009 00"},
		{message{kind: kindPiece, group: 7, cut: cut, total: unknown, offset: 2688, data: []byte("hold")},
			"02" + head + "ffffffffffffffff 0000000000000a80 686f6c64"},
		{message{kind: kindPiece, group: 7, cut: cut, total: 2692, offset: 2692}, "02" + head + "0000000000000a84 0000000000000a84"},
		{message{kind: kindSum, group: 7, cut: cut, total: 9, sum: 0xe3069283}, "03" + head + "0000000000000009 e3069283"},
		{message{kind: kindGone, group: 7, cut: cut}, "04" + head},
	}
}

func TestMessageGolden(t *testing.T) {
	for _, v := range vectors() {
		want := strings.ReplaceAll(v.hex, " ", "")
		if got := hex.EncodeToString(v.message.append(nil)); got != want {
			t.Errorf("kind %d is\n%s, want\n%s", v.message.kind, got, want)
		}
		var s message
		if b, _ := hex.DecodeString(want); !s.parse(b) {
			t.Errorf("kind %d does not parse", v.message.kind)
		}
	}
}

func TestMalformed(t *testing.T) {
	cut := cutOf(3)
	for _, c := range []struct {
		name string
		s    message
		cut  int // bytes left out at the end
		add  int // and put there
	}{
		{"nothing", message{kind: kindGone}, 19, 0},
		{"half a head", message{kind: kindGone}, 5, 0},
		{"an unknown kind", message{kind: 5, cut: cut}, 0, 0},
		{"bytes after Gone", message{kind: kindGone, cut: cut}, 0, 1},
		{"half a sum", message{kind: kindSum, cut: cut}, 2, 0},
		{"a sum of too much", message{kind: kindSum, cut: cut, total: sizeMax + 1}, 0, 0},
		{"a sum of what is not known", message{kind: kindSum, cut: cut, total: unknown}, 0, 0},
		{"a range too few", message{kind: kindWant, cut: cut, count: 2, ranges: [rangesMax]span{{0, 1}, {1, 1}}}, 12, 0},
		{"a range too many", message{kind: kindWant, cut: cut, count: 1, ranges: [rangesMax]span{{0, 1}}}, 0, 12},
		{"an empty range", message{kind: kindWant, cut: cut, count: 1}, 0, 0},
		{"a long range", message{kind: kindWant, cut: cut, count: 1, ranges: [rangesMax]span{{0, askMax + 1}}}, 0, 0},
		{"a range that ends far out", message{kind: kindWant, cut: cut, count: 1, ranges: [rangesMax]span{{sizeMax - 1, 2}}}, 0, 0},
		{"a range far out", message{kind: kindWant, cut: cut, count: 1, ranges: [rangesMax]span{{sizeMax + 1, 1}}}, 0, 0},
		{"too much together", message{kind: kindWant, cut: cut, count: 9, ranges: [rangesMax]span{
			{0, askMax}, {0, askMax}, {0, askMax}, {0, askMax}, {0, askMax}, {0, askMax}, {0, askMax}, {0, askMax}, {0, 1}}}, 0, 0},
		{"a piece over a boundary", message{kind: kindPiece, cut: cut, total: unknown, offset: 1, data: make([]byte, pieceSize)}, 0, 0},
		{"a piece beyond the end", message{kind: kindPiece, cut: cut, total: 5, offset: 0, data: make([]byte, 6)}, 0, 0},
		{"a piece of nothing", message{kind: kindPiece, cut: cut, total: unknown}, 0, 0},
		{"an absurd size", message{kind: kindPiece, cut: cut, total: sizeMax + 1, data: make([]byte, 6)}, 0, 0},
		{"an absurd offset", message{kind: kindPiece, cut: cut, total: unknown, offset: unknown - 3, data: make([]byte, 6)}, 0, 0},
	} {
		b := c.s.append(nil)
		b = append(b[:len(b)-c.cut], make([]byte, c.add)...)
		var s message
		if s.parse(b) {
			t.Errorf("%s is taken", c.name)
		}
	}
}

// TestRefusals: what does not count is dropped under its name.
func TestRefusals(t *testing.T) {
	cut := cutOf(3)
	piece := message{kind: kindPiece, group: 7, cut: cut, total: unknown, data: make([]byte, 6)}
	foreign, other, want := piece, piece, message{kind: kindWant, group: 7, cut: cut, life: 4}
	foreign.group, other.cut = 8, cutOf(4)
	for _, c := range []struct {
		name string
		from view.Member
		b    []byte
		want wire.Reason
	}{
		{"garbage", member(2), []byte("garbage"), wire.Malformed},
		{"another group", member(2), foreign.append(nil), wire.ForeignGroup},
		{"another cut", member(2), other.append(nil), wire.OtherView},
		{"another donor", member(3), piece.append(nil), wire.Stale},
		{"another life of the donor", view.Member{ID: 2, Incarnation: 99}, piece.append(nil), wire.Stale},
		{"a request for our former life", member(2), want.append(nil), wire.WrongDestination},
		{"nobody", view.Member{}, piece.append(nil), wire.UnknownSender},
	} {
		m, err := New(Config{Self: member(1), Group: 7}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out Output
		now := time.Unix(1e9, 0)
		m.Fetch(now, member(2), cut, &out)
		m.Receive(now, c.from, c.b, &out)
		if m.Dropped(c.want) != 1 || len(out.Chunks)+len(out.Events)+len(out.Asks) > 0 {
			t.Errorf("%s: %d dropped as %v", c.name, m.Dropped(c.want), c.want)
		}
	}
	if _, err := New(Config{}, nil); err == nil || err.Error() != "transfer: self is nobody#0; both its ID and its incarnation must be known" {
		t.Errorf("New: %v", err)
	}
}

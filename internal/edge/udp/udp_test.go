package udp

import (
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

var (
	first  = view.Member{ID: 1, Incarnation: 100}
	second = view.Member{ID: 2, Incarnation: 200}
)

func TestFrameArrives(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []uint8
	}{{"sealed", []uint8{7}}, {"clear", nil}} {
		t.Run(c.name, func(t *testing.T) {
			a, b := sealedOrClear(t, 1, c.keys)
			a.send(2, wire.AllLinks, "one")
			a.send(2, 1, "two")
			b.take(1, 2)
			b.expect(got{first, 1, "one"}, got{first, 1, "two"})
			b.send(1, wire.AllLinks, "back")
			a.take(1, 1)
			a.expect(got{second, 1, "back"})
			a.dropped(nil)
			b.dropped(nil)
		})
	}
}

func sealedOrClear(t *testing.T, links int, ids []uint8) (*node, *node) {
	t.Helper()
	if ids == nil {
		return pair(t, links, nil)
	}
	return pair(t, links, testRing(t, ids...))
}

func TestCopiesOverOtherLinksAreDuplicates(t *testing.T) {
	a, b := pair(t, 3, testRing(t, 1))
	for _, frame := range []string{"x", "y"} {
		a.send(2, wire.AllLinks, frame)
	}
	b.take(2, 2)
	b.take(1, 2)
	b.take(3, 2)
	b.expect(got{first, 2, "x"}, got{first, 2, "y"})
	b.dropped(map[wire.Reason]uint64{wire.Duplicate: 4})
}

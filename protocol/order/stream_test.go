package order

import (
	"slices"
	"testing"
)

// TestEarlyMessagesStayInStreamOrder proves that what came beyond a gap is kept in the
// order of its stream, however it came: the packets of the first must not be released. (A
// message of several packets was, if one that lies in its last packet had come before.)
func TestEarlyMessagesStayInStreamOrder(t *testing.T) {
	want := [][2]uint64{{2, 5}, {5, 5}, {5, 8}, {8, 8}, {9, 9}}
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {1, 0, 3, 2, 4}, {4, 3, 2, 1, 0}, {3, 1, 4, 0, 2}} {
		var s stream
		for _, i := range order {
			s.hold(&envelope{order: Uniform, first: want[i][0], last: want[i][1]}, true)
		}
		var got [][2]uint64
		for i := range s.ahead {
			got = append(got, [2]uint64{s.ahead[i].first, s.ahead[i].last})
		}
		if !slices.Equal(got, want) {
			t.Errorf("early messages that came in the order %v are kept as %v, want %v", order, got, want)
		}
	}
}

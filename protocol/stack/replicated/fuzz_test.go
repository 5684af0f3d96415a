package replicated

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// FuzzDelivered gives members of each style messages that no member has made: nothing panics, and
// no message is taken for a longer one than it is.
func FuzzDelivered(f *testing.F) {
	for style := range styleCount {
		s := begun(f, style)
		for _, m := range s.messages {
			f.Add(uint8(style), uint8(0), m.data, m.data)
		}
	}
	f.Add(uint8(Passive), uint8(1), []byte{2, 1, 2}, []byte{3, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Add(uint8(Voted), uint8(2), []byte{2, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2}, []byte{3, 1, 1, 1, 2, 0, 9})
	f.Fuzz(func(t *testing.T, style, from uint8, a, b []byte) {
		s := begun(t, Style(style%uint8(styleCount)))
		if style >= 128 {
			s = &story{t: t, lines: s.lines, now: s.now}
			s.do("group style=voted tolerance=1")
		}
		for _, data := range [][]byte{a, b, a} {
			for _, to := range s.actors {
				own := bytes.Clone(data)
				to.machine.Delivered(s.now, view.Member{ID: view.ID(from % 5), Incarnation: 1}, own, &to.out)
				if !bytes.Equal(own, data) {
					t.Fatal("a message was changed")
				}
				s.act(to)
			}
		}
		s.deliver(s.actors, false)
		for _, a := range s.actors {
			a.machine.Tick(s.now.Add(time.Second), &a.out)
			a.machine.Deadline()
		}
	})
}

// begun is a group of three that has executed something, with the messages that it took.
func begun(t testing.TB, style Style) *story {
	s := &story{t: t, lines: &scenario.Transcript{}, now: time.Unix(1000, 0)}
	s.do("group style=" + style.String())
	s.do("open m1")
	s.do("deliver")
	s.do("call m1 number=1")
	s.do("deliver")
	return s
}

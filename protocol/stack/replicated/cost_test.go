package replicated

import (
	"testing"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// TestCost: a command that is executed and answered by three members of any style allocates nothing in their
// machines.
func TestCost(t *testing.T) {
	for style := range styleCount {
		t.Run(style.String(), func(t *testing.T) {
			step := commands(t, style)
			for range 5000 { // all rings have grown
				step()
			}
			if n := testing.AllocsPerRun(2000, step); n > 0 {
				t.Errorf("%v allocations a command", n)
			}
		})
	}
}

// BenchmarkCommand is a command at all three members, without the group.
func BenchmarkCommand(b *testing.B) {
	for style := range styleCount {
		b.Run(style.String(), func(b *testing.B) {
			step := commands(b, style)
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

// commands gives what executes one command at three members, over a group that costs nothing.
func commands(t testing.TB, style Style) func() {
	s := &story{t: t, lines: &scenario.Transcript{}, now: begun(t, style).now}
	s.do("group style=" + style.String())
	s.do("deliver")
	r := session.Request{Verb: session.Call, How: session.Maybe, Body: make([]byte, 8)}
	request := r.Append(nil)
	var buffers [4096][]byte
	var queue []sent
	collect := func(a *actor) {
		for _, m := range a.out.Multicast {
			b := append(buffers[len(queue)][:0], m.Data...)
			buffers[len(queue)] = b
			queue = append(queue, sent{a.self, b})
		}
		a.out.Sent()
	}
	return func() {
		queue = queue[:0]
		first := s.actors[0]
		first.machine.Submit(s.now, 1, request, &first.out)
		answers := 0
		for at := 0; ; {
			for _, a := range s.actors {
				collect(a)
				if a.machine.Next() > 0 {
					a.machine.Proceed(s.now, &a.out)
					collect(a)
				}
			}
			if at == len(queue) {
				break
			}
			for ; at < len(queue); at++ {
				for _, a := range s.actors {
					a.machine.Delivered(s.now, queue[at].from, queue[at].data, &a.out)
					answers += len(a.out.Replies)
					a.out.Replies = a.out.Replies[:0]
				}
			}
		}
		for _, a := range s.actors {
			a.out.Reset()
		}
		if answers != 1 {
			t.Fatalf("%v: a command is answered %d times", style, answers)
		}
	}
}

package replicated

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/scenario"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestLongRequestsFillNoMemory: clients that send the longest requests while nothing can leave are refused
// before they fill a primary's memory, as are those with short ones.
func TestLongRequestsFillNoMemory(t *testing.T) {
	for _, size := range []int{0, session.BodyMax} {
		s := begun(t, Passive)
		s.do("full m1")
		first := s.actors[0]
		request := session.Request{Verb: session.Call, How: session.Maybe, Body: make([]byte, size)}
		b, taken := request.Append(nil), 0
		for ; len(first.out.Replies) == 0; taken++ {
			if taken*len(b) > 80<<20 || taken > 10000 {
				t.Fatalf("%d requests of %d bytes wait", taken, len(b))
			}
			first.machine.Submit(s.now, 1, b, &first.out)
		}
		if r, why := session.ParseReply(first.out.Replies[0].Data); why != wire.OK || r.Status != session.Busy {
			t.Errorf("after %d requests of %d bytes a client is told %v", taken, len(b), r.Status)
		}
		first.out.Reset()
		s.do("room m1")
		s.do("deliver")
		first.machine.Submit(s.now, 1, b, &first.out)
		if len(first.out.Replies) != 0 {
			t.Error("it refuses for ever")
		}
	}
}

// long is a service with long replies.
type long struct{ counter }

func (l *long) Apply(cmd session.Command, reply []byte) []byte {
	return append(l.counter.Apply(cmd, reply), make([]byte, session.BodyMax-8)...)
}

// TestLongRepliesFillNoMemory: so are those who are answered much, while nothing is decided.
func TestLongRepliesFillNoMemory(t *testing.T) {
	for _, style := range []Style{Passive, Voted} {
		s := &story{t: t, lines: &scenario.Transcript{}, now: time.Unix(1000, 0)}
		s.do("group style=" + style.String())
		s.do("deliver")
		first := s.actors[0]
		machine, err := (&Config{Self: first.self, Executor: session.NewExecutor(&long{}), Style: style}).machine(0)
		if err != nil {
			t.Fatal(err)
		}
		first.machine = machine
		machine.Viewed(s.now, s.view, &first.out)
		request := session.Request{Verb: session.Call, How: session.Maybe}
		b, answers, taken := request.Append(nil), 0, 0
		for range 1000 {
			machine.Submit(s.now, replica.Client(1), b, &first.out)
			answers += len(first.out.Replies)
			for _, m := range first.out.Multicast {
				if style == Voted {
					machine.Delivered(s.now, first.self, m.Data, &first.out)
					taken++
				}
			}
			first.out.Reset()
			if style == Passive && machine.Next() > 0 {
				machine.Proceed(s.now, &first.out)
				first.out.Reset()
				taken++
			}
		}
		if taken < 60 || taken > 80 {
			t.Errorf("%v: %d replies of a mebibyte wait; %d answers", style, taken, answers)
		}
	}
}

// TestWhatAFullPrimaryDroppedIsForgotten: a backup whose requests the primary had no room for, all of them, goes on sending when
// there is room again.
func TestWhatAFullPrimaryDroppedIsForgotten(t *testing.T) {
	s := begun(t, Passive)
	s.do("full m1")
	first, second := s.actors[0], s.actors[1]
	b := (&session.Request{Verb: session.Call, How: session.Maybe}).Append(nil)
	busy := func(a *actor) (is bool) {
		for _, r := range a.out.Replies {
			p, _ := session.ParseReply(r.Data)
			is = is || p.Status == session.Busy
		}
		a.out.Reset()
		return is
	}
	ask := func(a *actor) bool {
		a.machine.Submit(s.now, 1, b, &a.out)
		return !busy(a)
	}
	for ask(first) {
	}
	for sent := 0; ask(second); sent++ {
		if sent > 10000 {
			t.Fatal("a backup sends on for ever what nobody takes")
		}
		s.act(second)
	}
	s.deliver(s.actors, false)
	s.do("room m1")
	for range 4 {
		s.act(first)
		s.deliver(s.actors, false)
	}
	for range 300 {
		d := second.machine.Deadline()
		if d.IsZero() {
			break
		}
		s.now = d
		second.machine.Tick(s.now, &second.out)
		s.act(second)
	}
	index := first.machine.Sure()
	if !ask(second) {
		t.Fatal("it refuses for ever")
	}
	s.act(second)
	s.deliver(s.actors, false)
	if got := first.machine.Sure(); got != index+1 {
		t.Errorf("after command %d there is command %d", index, got)
	}
}

package pair

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// bench is a pair that is whole, without a network.
type bench struct {
	now     time.Time
	m       [2]*Machine
	out     [2]Output
	request session.Request
	body    []byte
	bytes   []byte
	frames  int
	replies int
}

func newBench(t testing.TB) *bench {
	b := &bench{now: time.Unix(1000000000, 0)}
	for i := range b.m {
		var err error
		b.m[i], err = New(Config{
			Self: view.Member{ID: view.ID(i + 1), Incarnation: 1}, Peer: view.ID(2 - i), Preferred: 1, Policy: Prefer,
			Executor: session.NewExecutor(&register.Witnessed{}),
		}, Recovered{})
		if err != nil {
			t.Fatal(err)
		}
		b.m[i].Start(b.now, &b.out[i])
	}
	for range 30 {
		b.carry()
		b.tick(time.Millisecond)
	}
	open := session.Request{Verb: session.Open, Nonce: 7, Lease: time.Hour}
	b.m[0].Submit(b.now, 1, open.Append(nil), &b.out[0])
	b.carry()
	b.body = (&register.Request{Client: 1, Call: 1, Op: service.Add, Key: 1, Value: 1}).Append(nil)
	b.request = session.Request{Verb: session.Call, How: session.ExactlyOnce, Session: 1, Nonce: 7, Body: b.body}
	b.replies = 0
	if b.m[0].role != Primary || b.m[1].role != Backup {
		t.Fatalf("they are %v and %v", b.m[0].role, b.m[1].role)
	}
	return b
}

// carry carries what was put out to the other, until nothing more is.
func (b *bench) carry() {
	for busy := true; busy; {
		busy = false
		for i := range b.m {
			out, other := &b.out[i], 1-i
			b.replies += len(out.Replies)
			if e := out.Save; e != 0 {
				out.Save = 0
				b.m[i].Persisted(b.now, e, nil, out)
			}
			for _, e := range out.Send {
				busy = true
				b.frames++
				_, payload, _ := wire.Open(e.Frame)
				b.m[other].Receive(b.now, view.Member{ID: view.ID(i + 1), Incarnation: 1}, payload, &b.out[other])
			}
			out.Reset()
		}
	}
}

func (b *bench) tick(d time.Duration) {
	b.now = b.now.Add(d)
	for i := range b.m {
		if !b.m[i].Deadline().After(b.now) {
			b.m[i].Tick(b.now, &b.out[i])
		}
	}
	b.carry()
}

func (b *bench) call() {
	b.request.Number++
	b.request.Acked = b.request.Number - 1
	b.bytes = b.request.Append(b.bytes[:0])
	b.m[0].Submit(b.now, 1, b.bytes, &b.out[0])
	b.carry()
	b.tick(100 * time.Microsecond)
}

func TestACallAllocatesNothing(t *testing.T) {
	b := newBench(t)
	for range 20000 {
		b.call()
	}
	if n := testing.AllocsPerRun(2000, b.call); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

// TestACallCostsWhatTheDocumentationSays: one frame to the backup, and an acknowledgement for those of a millisecond.
func TestACallCostsWhatTheDocumentationSays(t *testing.T) {
	b := newBench(t)
	frames := b.frames
	for range 10000 {
		b.call()
	}
	// A second: 200 heartbeats, 10000 updates, at most one acknowledgement a millisecond.
	if got := b.frames - frames; b.replies != 10000 || got < 10000+200 || got > 10000+1000+200 {
		t.Errorf("10000 calls take %d frames, and have %d answers", got, b.replies)
	}
}

func BenchmarkCall(b *testing.B) {
	x := newBench(b)
	b.ReportAllocs()
	for b.Loop() {
		x.call()
	}
}

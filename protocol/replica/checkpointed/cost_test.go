package checkpointed

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// bench is a primary without a network, and a store that says yes.
type bench struct {
	now     time.Time
	m       *Machine
	out     Output
	serials []uint64
	request session.Request
	body    []byte
	bytes   []byte
	records int
	replies int
}

func newBench(t testing.TB) *bench {
	b := &bench{now: time.Unix(1000000000, 0)}
	var err error
	b.m, err = New(Config{
		Self: view.Member{ID: 1, Incarnation: 1}, Peer: 2, Preferred: 1, Every: time.Hour, Executor: session.NewExecutor(&register.Witnessed{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.m.Start(b.now, &b.out)
	for range 100 {
		b.store()
		b.tick(5 * time.Millisecond)
	}
	open := session.Request{Verb: session.Open, Nonce: 7, Lease: time.Hour}
	b.m.Submit(b.now, 1, open.Append(nil), &b.out)
	b.store()
	b.body = (&register.Request{Client: 1, Call: 1, Op: service.Add, Key: 1, Value: 1}).Append(nil)
	b.request = session.Request{Verb: session.Call, How: session.ExactlyOnce, Session: 1, Nonce: 7, Body: b.body}
	b.replies, b.records = 0, 0
	if b.m.role != Primary {
		t.Fatalf("it is %v", b.m.role)
	}
	return b
}

// store answers what the store was asked.
func (b *bench) store() {
	for {
		b.replies += len(b.out.Replies)
		b.serials = b.serials[:0]
		kind := Kind(0)
		for _, op := range b.out.Store {
			b.serials = append(b.serials, op.Serial)
			if kind = op.Kind; kind == Record {
				b.records++
			}
		}
		b.out.Reset()
		if len(b.serials) == 0 {
			return
		}
		for _, serial := range b.serials {
			r := Result{Serial: serial, Epoch: b.m.epoch}
			if kind == Load {
				r.Part = End
			}
			b.m.Done(b.now, &r, &b.out)
		}
	}
}

func (b *bench) tick(d time.Duration) {
	b.now = b.now.Add(d)
	if !b.m.Deadline().After(b.now) {
		b.m.Tick(b.now, &b.out)
	}
	b.store()
}

func (b *bench) call() {
	b.request.Number++
	b.request.Acked = b.request.Number - 1
	b.bytes = b.request.Append(b.bytes[:0])
	b.m.Submit(b.now, 1, b.bytes, &b.out)
	b.store()
	b.tick(100 * time.Microsecond)
}

func TestACallAllocatesNothing(t *testing.T) {
	b := newBench(t)
	for range 10000 {
		b.call()
	}
	if n := testing.AllocsPerRun(2000, b.call); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

// TestACallCostsWhatTheDocumentationSays: a record, and no frame.
func TestACallCostsWhatTheDocumentationSays(t *testing.T) {
	b := newBench(t)
	for range 10000 {
		b.call()
	}
	if b.replies != 10000 || b.records != 10000 {
		t.Errorf("10000 calls take %d records, and have %d answers", b.records, b.replies)
	}
}

func BenchmarkCall(b *testing.B) {
	x := newBench(b)
	b.ReportAllocs()
	for b.Loop() {
		x.call()
	}
}

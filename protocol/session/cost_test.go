package session

import (
	"io"
	"testing"
	"time"
)

// counter is a service that allocates nothing.
type counter struct{ n uint64 }

func (c *counter) Apply(_ Command, reply []byte) []byte { c.n++; return append(reply, byte(c.n)) }
func (c *counter) Ended(time.Duration, ID)              {}
func (c *counter) Passed(time.Duration)                 {}
func (c *counter) Next() time.Duration                  { return 0 }
func (c *counter) Digest() uint64                       { return c.n }
func (c *counter) Snapshot(io.Writer) error             { return nil }
func (c *counter) Restore(io.Reader) error              { return nil }

// stream is a session in the middle of its life: each call acknowledges the one that is 16 before.
func stream() func() {
	e := NewExecutor(&counter{})
	for n := range uint64(64) {
		do(e, Request{Verb: Open, Nonce: n + 1, Lease: time.Minute})
	}
	r := Request{Verb: Call, How: ExactlyOnce, Session: 7, Nonce: 7, Body: []byte("a body of thirty-two bytes, alas")}
	var request, reply []byte
	return func() {
		r.Number++
		if r.Number > 16 {
			r.Acked = r.Number - 16
		}
		r.At += time.Millisecond
		request = r.Append(request[:0])
		reply = e.Execute(request, reply[:0])
		if reply[1] != byte(OK) && reply[1] != byte(StaleSession) {
			panic(Status(reply[1]).String())
		}
	}
}

func TestCallAllocatesNothing(t *testing.T) {
	step := stream()
	for range 1000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

func TestPassAllocatesNothing(t *testing.T) {
	e := NewExecutor(&counter{})
	if n := testing.AllocsPerRun(100, func() { e.Pass(e.Time() + 1) }); n != 0 {
		t.Errorf("a pass allocates %v times", n)
	}
}

// BenchmarkCall is a remembered call of 32 bytes: reading it, the table, an empty service, the digests.
func BenchmarkCall(b *testing.B) {
	step := stream()
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

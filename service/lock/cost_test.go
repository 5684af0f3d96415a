package lock

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// pair is enter and leave of one session in one lock, with the bytes used again.
type pair struct {
	s            *Service
	at           time.Duration
	enter, leave []byte
	reply        []byte
}

func newPair(tb testing.TB, others int) *pair {
	s, err := New(Config{})
	if err != nil {
		tb.Fatal(err)
	}
	for i := range others {
		q := Request{Kind: Enter, Name: fmt.Sprint("other/", i), Label: "web1:4711"}
		s.Apply(session.Command{Session: session.ID(1000 + i), Body: q.Append(nil)}, nil)
	}
	enter := Request{Kind: Enter, Name: "deploy/production", Label: "web1.example:4711", Purpose: "roll out"}
	leave := Request{Kind: Leave, Name: "deploy/production"}
	return &pair{s: s, enter: enter.Append(nil), leave: leave.Append(nil)}
}

func (p *pair) round(tb testing.TB) {
	p.at += time.Microsecond
	p.reply = p.s.Apply(session.Command{At: p.at, Session: 1, Body: p.enter}, p.reply[:0])
	if Status(p.reply[0]) != Granted {
		tb.Fatalf("replied %v", Status(p.reply[0]))
	}
	binary.BigEndian.PutUint64(p.leave[len(p.leave)-8:], binary.BigEndian.Uint64(p.reply[9:]))
	p.reply = p.s.Apply(session.Command{At: p.at, Session: 1, Body: p.leave}, p.reply[:0])
	if Status(p.reply[0]) != Done {
		tb.Fatalf("replied %v", Status(p.reply[0]))
	}
}

// queue is a lock with so many who want it: each round the owner leaves, the next is
// granted it by a notice, and the former owner stands at the end of the queue again.
type queue struct {
	*pair
	owner session.ID
	token uint64
}

func newQueue(tb testing.TB, contenders int) *queue {
	q := &queue{pair: newPair(tb, 0)}
	for id := session.ID(1); id <= session.ID(contenders); id++ {
		q.reply = q.s.Apply(session.Command{Session: id, Body: q.enter}, q.reply[:0])
	}
	q.owner, q.token = 1, 1
	return q
}

func (q *queue) round(tb testing.TB) {
	q.at += time.Microsecond
	former := q.owner
	binary.BigEndian.PutUint64(q.leave[len(q.leave)-8:], q.token)
	q.reply = q.s.Apply(session.Command{At: q.at, Session: former, Body: q.leave}, q.reply[:0])
	if Status(q.reply[0]) != Done {
		tb.Fatalf("replied %v", Status(q.reply[0]))
	}
	q.s.Notices(q.hear)
	q.reply = q.s.Apply(session.Command{At: q.at, Session: former, Body: q.enter}, q.reply[:0])
	if Status(q.reply[0]) != Queued || q.owner == former {
		tb.Fatalf("replied %v", Status(q.reply[0]))
	}
}

func (q *queue) hear(n Notice) { q.owner, q.token = n.Session, n.Number }

func TestSteadyStateAllocatesNothing(t *testing.T) {
	p := newPair(t, 1000)
	p.round(t)
	if n := testing.AllocsPerRun(5000, func() { p.round(t) }); n != 0 {
		t.Errorf("enter and leave allocate %v times", n)
	}
	q := newQueue(t, 16)
	for range 20 {
		q.round(t)
	}
	if n := testing.AllocsPerRun(5000, func() { q.round(t) }); n != 0 {
		t.Errorf("leave, notice and enter of 16 contenders allocate %v times", n)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	for _, others := range []int{0, 10000} {
		b.Run(fmt.Sprint("others=", others), func(b *testing.B) {
			p := newPair(b, others)
			b.ReportAllocs()
			for b.Loop() {
				p.round(b)
			}
		})
	}
}

func BenchmarkContended(b *testing.B) {
	q := newQueue(b, 16)
	b.ReportAllocs()
	for b.Loop() {
		q.round(b)
	}
}

func BenchmarkDigest(b *testing.B) {
	p := newPair(b, 100)
	b.ReportAllocs()
	for b.Loop() {
		p.s.Digest()
	}
}

// BenchmarkList is a page of 64 of as many locks as there may be.
func BenchmarkList(b *testing.B) {
	s, _ := New(Config{})
	for i := range EntriesMax {
		q := Request{Kind: Enter, Name: fmt.Sprintf("list/%05d", i)}
		s.Apply(session.Command{Session: session.ID(1 + i/SessionMax), Body: q.Append(nil)}, nil)
	}
	q := Request{Kind: List, Name: "list/", After: "list/03000"}
	c, reply := session.Command{Body: q.Append(nil)}, []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		reply = s.Apply(c, reply[:0])
	}
}

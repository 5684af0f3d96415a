package peers

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/lock"
)

func TestWhatIsWrongWithAConfiguration(t *testing.T) {
	self := view.Member{ID: 1, Incarnation: 1}
	seat := view.Seat{Member: view.Member{ID: 1}, Votes: 1}
	service := func(uint64, time.Duration) Service { return nil }
	for want, cfg := range map[string]Config{
		"must be known": {Seats: []view.Seat{seat}, Lease: time.Second, New: service},
		"none is":       {Self: self, Lease: time.Second, New: service},
		"a witness":     {Self: self, Seats: []view.Seat{{Member: self, Witness: true}}, Lease: time.Second, New: service},
		"a lease of 0s": {Self: self, Seats: []view.Seat{seat}, New: service},
		"no service":    {Self: self, Seats: []view.Seat{seat}, Lease: time.Second},
	} {
		if _, err := New(start, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, which does not say %q", err, want)
		}
	}
}

// A view counts when those that must keep a message meet each quorum of it and of a founding.
func TestWhichViewsCarry(t *testing.T) {
	for _, c := range []struct {
		all, here string // votes; w: a witness of one vote
		want      bool
	}{
		{"1", "1", true}, {"11", "1", true}, {"111", "1", false}, {"111", "11", true}, {"11111", "11", false}, {"11111", "111", true},
		{"1111", "11", true}, {"11w", "1w", false}, {"11w", "11", true}, {"11w", "11w", true}, {"211", "2", true}, {"211", "1", false}, {"211", "11", true},
	} {
		seats := func(votes string) (all []view.Seat) {
			for i, v := range votes {
				s := view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 1}, Votes: uint8(v - '0')}
				if v == 'w' {
					s.Votes, s.Witness = 1, true
				}
				all = append(all, s)
			}
			return all
		}
		m := &Machine{cfg: Config{Seats: seats(c.all)}}
		if got := m.carries(&view.View{Seats: seats(c.here)}); got != c.want {
			t.Errorf("%s of %s: %v", c.here, c.all, got)
		}
	}
}

// What is asked before there is a session waits for it, and what nobody waits for any more is not asked.
func TestCallsWaitForASession(t *testing.T) {
	self := view.Member{ID: 1, Incarnation: 1000}
	m, err := New(start, Config{Self: self, Seats: []view.Seat{{Member: self, Votes: 1}}, Lease: time.Second, New: func(floor uint64, window time.Duration) Service {
		s, err := lock.New(lock.Config{Floor: floor, Window: window})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
	if err != nil {
		t.Fatal(err)
	}
	var out Output
	q := lock.Request{Kind: lock.Enter, Name: "x"}
	m.Submit(start, 1, q.Append(nil), &out)
	m.Submit(start, 2, q.Append(nil), &out)
	m.Forget(1)
	if len(out.Multicast) > 0 {
		t.Fatal("something is sent without a view")
	}
	m.Viewed(start, &view.View{Name: view.Name{Epoch: 7}, Seats: []view.Seat{{Member: self, Votes: 1}}}, []view.Member{self}, &out)
	var answered []uint64
	for len(out.Multicast) > 0 {
		sent := out.Multicast
		out = Output{}
		for _, b := range sent {
			m.Delivered(start, self, b, &out)
			for _, r := range out.Results {
				answered = append(answered, r.Call)
			}
			out.Results = nil
		}
	}
	if len(answered) != 1 || answered[0] != 2 {
		t.Errorf("%v are answered", answered)
	}
	for i := range waitingMax + 1 {
		m.Submit(start, uint64(i+10), q.Append(nil), &out)
	}
	if last := out.Results[len(out.Results)-1]; last.Cause != Busy {
		t.Errorf("beyond the bound it is %d", last.Cause)
	}
	m.Close(start, &out)
	m.Submit(start, 5, q.Append(nil), &out)
	if last := out.Results[len(out.Results)-1]; last.Cause != Closed {
		t.Errorf("after Close it is %d", last.Cause)
	}
}

// round enters a lock and leaves it, alone.
func round(m *Machine, out *Output, enter []byte, leave *lock.Request, body []byte) []byte {
	token := uint64(0)
	for _, b := range [][]byte{enter, nil} {
		if b == nil {
			leave.Number = token
			body = leave.Append(body[:0])
			b = body
		}
		out.Reset()
		m.Submit(start, 1, b, out)
		sent := out.Multicast[0]
		m.Delivered(start, m.cfg.Self, sent, out)
		token = m.tokenOf(out)
	}
	return body
}

// tokenOf reads the number of a Granted: the status, the time and the number.
func (m *Machine) tokenOf(out *Output) uint64 {
	b := out.Results[0].Body
	n := uint64(0)
	for _, c := range b[len(b)-8:] {
		n = n<<8 | uint64(c)
	}
	return n
}

func TestEnterAndLeaveAllocateNothing(t *testing.T) {
	m, out := alone(t)
	enter, leave, body := (&lock.Request{Kind: lock.Enter, Name: "x"}).Append(nil), &lock.Request{Kind: lock.Leave, Name: "x"}, []byte(nil)
	do := func() { body = round(m, out, enter, leave, body) }
	for range 10 {
		do()
	}
	if n := testing.AllocsPerRun(100, do); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if m.Service().Owns(m.Session()) {
		t.Error("it is not left")
	}
}

func BenchmarkEnterAndLeave(b *testing.B) {
	m, out := alone(b)
	enter, leave, body := (&lock.Request{Kind: lock.Enter, Name: "x"}).Append(nil), &lock.Request{Kind: lock.Leave, Name: "x"}, []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		body = round(m, out, enter, leave, body)
	}
}

package peers

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/lock"
)

func alone(t testing.TB) (*Machine, *Output) {
	t.Helper()
	self := view.Member{ID: 1, Incarnation: 1000}
	m, err := New(start, Config{
		Self: self, Seats: []view.Seat{{Member: self, Votes: 1}}, Lease: time.Second,
		New: func(floor uint64, window time.Duration) Service {
			s, err := lock.New(lock.Config{Floor: floor, Window: window})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out Output
	m.Viewed(start, &view.View{Name: view.Name{Epoch: 7}, Seats: []view.Seat{{Member: self, Votes: 1}}}, []view.Member{self}, &out)
	pump(m, &out)
	return m, &out
}

// pump delivers what a member that is alone multicasts.
func pump(m *Machine, out *Output) {
	for len(out.Multicast) > 0 {
		sent := append([][]byte(nil), out.Multicast...)
		*out = Output{}
		for _, b := range sent {
			m.Delivered(start, m.cfg.Self, b, out)
		}
	}
}

// FuzzDelivered delivers messages that no member has made, of this member and of another: nothing panics, and what is not a message
// changes nothing.
func FuzzDelivered(f *testing.F) {
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0x80, 0x94, 0xeb, 0xdc, 3})
	f.Add([]byte{2, 1, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Add([]byte{3, 2, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Add([]byte{4, 3, 0, 0, 0, 0, 0, 0, 3, 0xe9, 0, 1, 0, 1, 'x', 0, 0})
	f.Add([]byte{5, 4, 0, 0, 0, 0, 0, 0, 3, 0xe9})
	f.Add([]byte{6, 4, 0, 0, 0, 0, 0, 0, 3, 0xe9})
	f.Add([]byte{7, 4, 0, 0, 0, 0, 0, 0, 3, 0xe9})
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, out := alone(t)
		_, ok := read(payload)
		before := m.index
		m.Delivered(start, m.cfg.Self, payload, out)
		m.Delivered(start, view.Member{ID: 2, Incarnation: 5}, payload, out)
		if !ok && m.index != before {
			t.Errorf("what is no message is executed")
		}
		m.Tick(start.Add(time.Minute), out)
	})
}

// FuzzRestore reads states that no member has written: nothing panics, and what is taken is written the same.
func FuzzRestore(f *testing.F) {
	m, out := alone(f)
	var none, some bytes.Buffer
	m.Submit(start, 1, (&lock.Request{Kind: lock.Enter, Name: "x"}).Append(nil), out)
	pump(m, out)
	if err := m.Snapshot(&some); err != nil {
		f.Fatal(err)
	}
	m.Out(start, out)
	if err := m.Snapshot(&none); err != nil {
		f.Fatal(err)
	}
	f.Add(none.Bytes())
	f.Add(some.Bytes())
	f.Fuzz(func(t *testing.T, state []byte) {
		m, out := alone(t)
		if err := m.Restore(start, bytes.NewReader(state), out); err != nil {
			if m.Service() != nil {
				t.Errorf("a state is kept that is refused: %v", err)
			}
			return
		}
		var again bytes.Buffer
		if err := m.Snapshot(&again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), state) {
			t.Errorf("%x is written as %x", state, again.Bytes())
		}
	})
}

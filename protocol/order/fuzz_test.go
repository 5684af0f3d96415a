package order

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive: whatever a member writes into its stream, nothing panics; what is malformed changes nothing but a
// counter; and the others' messages are delivered all the same when the view closes.
func FuzzReceive(f *testing.F) {
	for engine := range uint8(3) {
		m, _ := three(Engine(engine))
		var all []byte
		for o := range Order(16) {
			if o.Valid() {
				r := m.Encode(nil, o, uint64(o)+1, []byte("payload"))
				f.Add(engine, r)
				all = append(binary.AppendUvarint(all, uint64(len(r))), r...)
			}
		}
		f.Add(engine, all)
	}
	for _, r := range [][]byte{
		{0x10, 0, 1}, {0x10, 0, 2, 1, 1, 2, 9}, {0x20, 2}, {0x20, 1}, {0x30, 7}, {0x30, 0xff, 0xff, 0xff, 0xff, 0x0f},
		{0x40, 0, 1, 1, 1, 2, 2}, {0x40, 1, 0x80, 0x80, 4, 1}, {0x03, 1, 2, 0, 5, 2, 1}, {0x50}, {}, {0x11, 0, 1}, {0x02, 1},
	} {
		for engine := range uint8(3) {
			f.Add(engine, r)
			f.Add(engine, append([]byte{byte(len(r))}, r...))
		}
	}
	f.Fuzz(func(t *testing.T, engine uint8, stream []byte) {
		m, now := three(Engine(engine % 3))
		var out Output
		packet := uint64(1)
		give := func(record []byte, early bool) {
			was := m.dropped[wire.Malformed]
			before := m.streams[1].in
			m.Receive(now, 1, packet, packet, early, record, nil, &out)
			if m.dropped[wire.Malformed] > was && m.streams[1].in != before {
				t.Errorf("% x is malformed and was taken", record)
			}
			packet++
		}
		give(stream, false)
		give(stream, true)
		for rest := stream; len(rest) > 0; { // and as several records, each with its length before it
			n := min(int(rest[0]), len(rest)-1)
			give(rest[1:1+n], n%5 == 4)
			rest = rest[1+n:]
			m.Step(now, &out)
		}
		check(t, m, &out, now)
	})
}

func check(t *testing.T, m *Machine, out *Output, now time.Time) {
	own := uint64(0)
	for o := range Order(16) {
		if o.Valid() {
			own++
			at := 100 + own
			m.Receive(now, 0, at, at, false, m.Encode(nil, o, own, nil), nil, out)
		}
	}
	for range 3 {
		from := len(out.Submit)
		m.Step(now, out)
		m.Held(func(Held) bool { return true })
		for _, r := range out.Submit[from:] {
			own++
			was := m.dropped[wire.Malformed]
			m.Receive(now, 0, 100+own, 100+own, false, append([]byte(nil), r...), nil, out)
			if m.dropped[wire.Malformed] > was && m.engine.stamp() < clockMax/2 {
				t.Errorf("the machine's own record % x is malformed to it", r)
			}
		}
		m.Agreed(0, 100+own)
		m.Agreed(1, 50)
	}
	for rank := range 3 {
		m.Released(rank)
	}
	m.Close(now, out)
	seen := 0
	for _, d := range out.Deliver {
		if d.Rank == 0 {
			seen++
		}
	}
	if l, is := m.engine.(*lamport); is && l.clock > clockMax/2 || seen == 12 {
		return
	}
	t.Errorf("%d of 12 messages were delivered", seen)
}

// three is the first of three members.
func three(engine Engine) (*Machine, time.Time) {
	v := &view.View{Name: view.Name{Epoch: 1}}
	for i := range 3 {
		v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 1}, Votes: 1})
	}
	m, err := New(Config{Self: v.Seats[0].Member, Engine: engine}, nil)
	if err != nil {
		panic(err)
	}
	now := time.Unix(0, 0)
	m.Install(now, v)
	return m, now
}

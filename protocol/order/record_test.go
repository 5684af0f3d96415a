package order

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func unhex(t *testing.T, text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestVectors holds the records against the test vectors of docs/rfc/0008-order.md.
func TestVectors(t *testing.T) {
	var out Output
	m, now := three(Sequencer)
	same := func(what string, got []byte, want string) {
		t.Helper()
		if !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: % x, want %s", what, got, want)
		}
	}
	same("unordered", m.Encode(nil, 0, 1, []byte("hi")), "00 01 68 69")
	same("fifo total uniform", m.Encode(nil, FIFO|Total|Uniform, 300, []byte("hi")), "0d ac 02 68 69")
	for i := range uint64(130) {
		m.Receive(now, 2, i+1, i+1, false, unhex(t, "03 01 00"), nil, &out)
	}
	m.Step(now, &out)
	same("causal", m.Encode(nil, Causal, 2, []byte("hi")), "03 02 01 02 82 01 68 69")
	same("causal again", m.Encode(nil, Causal, 3, []byte("hi")), "03 03 00 68 69")
	out.Reset()
	m.Receive(now, 1, 1, 1, false, unhex(t, "05 01"), nil, &out)
	m.Receive(now, 2, 131, 131, false, unhex(t, "04 83 01"), nil, &out)
	m.Receive(now, 2, 132, 132, false, unhex(t, "04 84 01"), nil, &out)
	m.Step(now, &out)
	same("numbers", out.Submit[0], "10 01 01 02 02")

	m, now = three(Lamport)
	out.Reset()
	m.Receive(now, 1, 1, 1, false, unhex(t, "04 01 ac 02 68 69"), nil, &out)
	m.Step(now, &out)
	same("stamp", out.Submit[0], "30 ac 02")
	same("total with a stamp", m.Encode(nil, Total, 1, []byte("hi")), "04 01 ad 02 68 69")

	m, now = three(ISIS)
	out.Reset()
	m.Receive(now, 2, 1, 1, false, unhex(t, "40 01 02 07"), nil, &out)
	m.Receive(now, 1, 1, 1, false, unhex(t, "05 01"), nil, &out)
	m.Receive(now, 1, 2, 2, false, unhex(t, "05 02"), nil, &out)
	m.Step(now, &out)
	same("proposals", out.Submit[0], "40 01 02 09")
}

// TestMalformed: each of these records changes nothing but a counter.
func TestMalformed(t *testing.T) {
	const every = "sequencer lamport isis"
	for _, c := range []struct{ name, engines, record string }{
		{"nothing", every, ""},
		{"unknown kind", every, "50 01"},
		{"causal without fifo", every, "02 01 00"},
		{"no number", every, "01"},
		{"number zero", every, "01 00"},
		{"number not in its shortest form", every, "01 81 00"},
		{"dependencies end early", every, "03 01 02 00 01"},
		{"a dependency on oneself", every, "03 01 01 01 01"},
		{"a dependency on nobody", every, "03 01 01 03 01"},
		{"a dependency twice", every, "03 01 02 00 01 00 01"},
		{"a dependency on nothing", every, "03 01 01 00 00"},
		{"a dependency on too many", every, "03 01 01 00 80 80 80 80 10"},
		{"a total message without its stamp", "lamport", "04 01"},
		{"a stamp that is zero", "lamport", "04 01 00"},
		{"a stamp that is too great", "lamport", "04 01 81 80 80 80 80 80 80 80 01"},
		{"a clock of zero", "lamport", "30 00"},
		{"a clock and more", "lamport", "30 01 01"},
		{"a low half in a control record", every, "31 01"},
		{"another engine's numbers", "lamport isis", "10 01 01"},
		{"another engine's handover", "lamport isis", "20 02"},
		{"another engine's clock", "sequencer isis", "30 01"},
		{"another engine's proposals", "sequencer lamport", "40 01 01 01"},
		{"numbers of nobody", "sequencer", "10 03 01"},
		{"numbers of nothing", "sequencer", "10"},
		{"no numbers", "sequencer", "10 01 00"},
		{"too many numbers", "sequencer", "10 01 81 80 80 08"},
		{"numbers twice", "sequencer", "10 01 01 01 01"},
		{"numbers that end early", "sequencer", "10 00 01 01"},
		{"a handover to nobody", "sequencer", "20 03"},
		{"a handover to oneself", "sequencer", "20 01"},
		{"a handover and more", "sequencer", "20 02 02"},
		{"proposals for nobody", "isis", "40 03 01 01"},
		{"proposals for nothing", "isis", "40"},
		{"a priority of zero", "isis", "40 00 01 00"},
		{"a priority that is too great", "isis", "40 00 01 81 80 80 80 80 80 80 80 01"},
		{"proposals too far ahead", "isis", "40 00 81 80 40 01"},
		{"proposals twice", "isis", "40 00 01 01 00 01 02"},
	} {
		for _, engine := range engines {
			if !strings.Contains(c.engines, engine.String()) {
				continue
			}
			m, now := three(engine)
			var out Output
			m.Receive(now, 1, 1, 1, false, unhex(t, c.record), nil, &out)
			m.Step(now, &out)
			if m.Dropped(wire.Malformed) != 1 || len(out.Deliver)+len(out.Submit) > 0 {
				t.Errorf("%s, %v: dropped %d, put out %d", c.name, engine, m.Dropped(wire.Malformed), len(out.Deliver)+len(out.Submit))
			}
			m.Receive(now, 1, 2, 2, false, unhex(t, "01 01 68 69"), nil, &out)
			if m.Step(now, &out); len(out.Deliver) != 1 || m.Released(1) != 2 {
				t.Errorf("%s, %v: the next message is not delivered", c.name, engine)
			}
		}
	}
}

// TestEarlyIsWithoutOrder: a message with an order cannot come early.
func TestEarlyIsWithoutOrder(t *testing.T) {
	for _, record := range []string{"01 01", "04 01", "05 01", "03 01 00", "10 01 01"} {
		m, now := three(Sequencer)
		var out Output
		m.Receive(now, 1, 5, 5, true, unhex(t, record), nil, &out)
		if m.Dropped(wire.Malformed) != 1 {
			t.Errorf("%s was taken early", record)
		}
	}
}

// TestBetweenViews: nothing is taken from a stream that is not in the view, nor between views.
func TestBetweenViews(t *testing.T) {
	m, now := three(Sequencer)
	var out Output
	for _, rank := range []int{-1, 3, 64, 1 << 40} {
		m.Receive(now, rank, 1, 1, false, unhex(t, "00 01"), nil, &out)
		m.Agreed(rank, 1)
		if m.Released(rank) != 0 {
			t.Errorf("rank %d has released something", rank)
		}
	}
	m.Close(now, &out)
	m.Close(now, &out)
	m.Receive(now, 1, 1, 1, false, unhex(t, "00 01"), nil, &out)
	m.Step(now, &out)
	if m.Dropped(wire.OtherView) != 5 || len(out.Deliver) != 0 {
		t.Errorf("dropped %d, delivered %d", m.Dropped(wire.OtherView), len(out.Deliver))
	}
	m.Install(now, &view.View{Seats: []view.Seat{{Member: view.Member{ID: 9, Incarnation: 1}}}})
	if m.Step(now, &out); len(out.Submit) > 0 {
		t.Error("a member without a seat speaks")
	}
	for what, call := range map[string]func(){
		"without a seat":  func() { m.Encode(nil, 0, 1, nil) },
		"no valid order":  func() { m.Encode(nil, causal, 1, nil) },
		"too large views": func() { m.Install(now, &view.View{Seats: make([]view.Seat, view.SeatMax+1)}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			call()
		}()
	}
	for _, c := range []Config{{}, {Self: view.Member{ID: 1, Incarnation: 1}, Engine: 3}} {
		if _, err := New(c, nil); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// TestHeaderMax: no header is longer, and one can be nearly as long.
func TestHeaderMax(t *testing.T) {
	v := &view.View{}
	for i := range view.SeatMax {
		v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 1}})
	}
	m, _ := New(Config{Self: v.Seats[0].Member, Engine: Lamport}, nil)
	m.Install(time.Time{}, v)
	m.caused = m.seats
	for i := range m.streams {
		m.streams[i].causes = incrementMax
	}
	m.engine.(*lamport).clock = clockMax - 1
	record := m.Encode(nil, Causal|Total|Uniform, 1<<63, nil)
	if len(record) > HeaderMax || len(record) < HeaderMax-2 {
		t.Errorf("a header of %d bytes; HeaderMax is %d", len(record), HeaderMax)
	}
	var out Output
	m.Receive(time.Time{}, 0, 1, 1, false, record, nil, &out)
	if m.Dropped(wire.Malformed) != 0 {
		t.Error("the longest header is malformed")
	}
}

func TestWords(t *testing.T) {
	for o, want := range map[Order]string{
		0: "unordered", FIFO: "fifo", Causal: "causal", Total: "total", FIFO | Total: "fifo total",
		Causal | Total | Uniform: "causal total uniform", Uniform: "unordered uniform", causal: "invalid", 16: "invalid",
	} {
		if o.String() != want {
			t.Errorf("%d is %q, want %q", o, o, want)
		}
	}
	if s := Engine(7).String() + Wait(0).String() + Wait(70).String() + Turn.String(); s != "unknown enginenothingunknownturn" {
		t.Error(s)
	}
}

// TestControlMax: no step's control records are longer, and they can be nearly as long.
func TestControlMax(t *testing.T) {
	v := &view.View{}
	for i := range view.SeatMax {
		v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 1}})
	}
	m, _ := New(Config{Self: v.Seats[0].Member, Engine: ISIS}, nil)
	m.Install(time.Time{}, v)
	for i := range m.streams {
		m.streams[i].in = 2 * countMax
	}
	m.engine.(*isis).clock = clockMax / 2
	var out Output
	m.Step(time.Time{}, &out)
	if n := len(out.Submit[0]); len(out.Submit) != 1 || n > ControlMax || n < ControlMax-view.SeatMax-2 {
		t.Errorf("%d records, the first of %d bytes; ControlMax is %d", len(out.Submit), n, ControlMax)
	}
}

// TestARecordInPartsIsTheSame: it does not matter how a record lies in packets.
func TestARecordInPartsIsTheSame(t *testing.T) {
	long := " " + strings.Repeat("ab ", 300)
	for _, engine := range []Engine{Sequencer, Lamport, ISIS} {
		for _, text := range []string{
			"00 01 68 69", "0d ac 02 68 69", "03 01 00 68", "03 01 01 02 82 01 68 69", "04 01 ac 02 68 69", "00 01" + long,
			"10 01 01 02 02", "30 ac 02", "40 01 02 09", "20 02", "0d ac", "10 01 01" + long, "",
		} {
			record := unhex(t, text)
			take := func(first []byte, more ...[]byte) string {
				var out Output
				m, now := three(engine)
				m.Receive(now, 1, 1, uint64(1+len(more)), false, first, more, &out)
				m.Step(now, &out)
				for i := range out.Deliver {
					d := &out.Deliver[i]
					d.Payload, d.More = slices.Concat(append([][]byte{d.Payload}, d.More...)...), nil
				}
				return fmt.Sprint(out.Deliver, out.Submit, m.Dropped(wire.Malformed))
			}
			want := take(record)
			for i := range record {
				for k := i + 1; k <= min(len(record), i+3); k++ {
					if got := take(record[:i:i], record[i:k:k], record[k:]); k < len(record) && got != want {
						t.Fatalf("%v: %s in parts of %d, %d: %s, want %s", engine, text, i, k-i, got, want)
					}
					if got := take(record[:i:i], record[i:]); got != want {
						t.Fatalf("%v: %s in parts of %d: %s, want %s", engine, text, i, got, want)
					}
				}
			}
		}
	}
}

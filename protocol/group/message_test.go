package group

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// largest is an outcome of the most seats with a cut of the most ranges, in which nothing is
// small: a long-lived view, and ranges as far apart as the largest window lets them.
func largest() *Outcome {
	const prefix, window = 1<<35 - 1, 4096
	name := view.Name{Epoch: 1<<63 - 1, Round: 1 << 20, By: view.SeatMax}
	o := &Outcome{
		Of: name, Stay: 1<<view.SeatMax - 1, Cut: make(view.Cut, view.SeatMax),
		Era: 1<<63 - 1, First: true, Base: Standing{Era: 1<<63 - 1, Index: 1<<64 - 1},
	}
	o.Next.Name = name
	for rank := range view.SeatMax {
		o.Next.Seats = append(o.Next.Seats, view.Seat{Member: view.Member{ID: view.ID(rank + 1), Incarnation: 1<<64 - 1}, Votes: 255, Witness: rank%2 == 1})
		o.Cut[rank] = []view.Range{{From: 1, To: prefix}}
		at := uint64(prefix)
		for range view.RangesMax / view.SeatMax {
			o.Cut[rank] = append(o.Cut[rank], view.Range{From: at + window/2, To: at + window})
			at += window
		}
	}
	return o
}

func TestOutcomesAndCutsComeBackAsTheyWere(t *testing.T) {
	for _, o := range []*Outcome{
		{},
		{Next: view.View{Name: view.Name{Epoch: 1, Round: 2, By: 3}, Seats: []view.Seat{{Member: view.Member{ID: 3, Incarnation: 1}}}}, Stay: 1, Cut: view.Cut{nil, {{From: 1, To: 1}}, {{From: 3, To: 4}, {From: 6, To: 6}}}},
		{Of: view.Name{Epoch: 9}, Close: true, Cut: view.Cut{}},
		{Next: view.View{Name: view.Name{Epoch: 1 << 33, Round: 1, By: 1}}, Cut: view.Cut{}, Era: 1 << 33, First: true},
		{Next: view.View{Name: view.Name{Epoch: 1 << 34, Round: 1, By: 1}}, Cut: view.Cut{}, Era: 1 << 34, Base: Standing{Era: 1 << 33, Index: 1 << 40}},
		largest(),
	} {
		b := appendOutcome(nil, o)
		r := wire.NewReader(b)
		got := readOutcome(&r)
		if got == nil || !r.Done() {
			t.Fatalf("%d bytes of %v are malformed", len(b), o)
		}
		if got.Of != o.Of || got.Stay != o.Stay || got.Close != o.Close || got.Next.String() != o.Next.String() || !got.Cut.Equal(o.Cut) || got.Era != o.Era || got.Base != o.Base || got.First != o.First {
			t.Errorf("%v came back as %v", o, got)
		}
		if again := appendOutcome(nil, got); !bytes.Equal(b, again) {
			t.Errorf("%v is written in two ways: %x and %x", o, b, again)
		}
		for n := range b {
			short := wire.NewReader(b[:n])
			if readOutcome(&short) != nil && short.Done() {
				t.Errorf("the first %d of %d bytes are taken for whole", n, len(b))
			}
		}
	}
	pieces := []view.Piece{{Rank: 31, Range: view.Range{From: 1, To: 1 << 40}, Holder: 7}, {Range: view.Range{From: 5, To: 5}, Holder: 1}}
	r := wire.NewReader(appendPieces(nil, pieces))
	if got := readPieces(&r); !r.Done() || !reflect.DeepEqual(got, pieces) {
		t.Errorf("%v came back as %v", pieces, got)
	}
}

// A member of the largest group with the most gaps, which has accepted an outcome with as many
// more, must be able to say so: its report is the largest frame there is.
func TestTheLargestReportFitsIntoAFrame(t *testing.T) {
	big := largest()
	var last []byte
	cfg := Config{Self: view.Member{ID: view.SeatMax, Incarnation: 1<<64 - 1}, Terms: "t", Durable: true, Pulse: time.Second, Patience: time.Second}
	for _, s := range big.Next.Seats {
		s.Incarnation = 0
		cfg.Candidates = append(cfg.Candidates, s)
	}
	m, err := New(cfg, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	m.current, m.frozen, m.state = &big.Next, true, In
	m.promised = Ballot{1<<32 - 1, 1}
	m.standing = Standing{Promise: 1<<63 - 1, Era: 1<<63 - 1, Index: 1<<64 - 1}
	m.accepted = proposal{Ballot{1<<32 - 1, 1}, big}
	m.floor, m.lived, m.donor = view.Name{Epoch: 1<<63 - 1}, big.Of, view.SeatMax
	var out Output
	m.Frozen(time.Now(), big.Cut, &out)
	for _, e := range out.Send {
		last = e.Frame
	}
	if len(last) == 0 || len(last) > wire.FrameMax {
		t.Errorf("the largest report has %d bytes; a frame has at most %d", len(last), wire.FrameMax)
	}
	t.Logf("%d bytes of %d", len(last), wire.FrameMax)
}

func TestMalformedPartsAreRefused(t *testing.T) {
	seat := func(id byte, life byte) []byte { return []byte{id << 1, 0, 0, 0, 0, 0, 0, 0, life, 1} }
	head := []byte{0, 0, 0, 1, 1, 1} // of 0.0.nobody, next 1.1.m1
	outcome := func(flags, stay, seats byte, rest ...[]byte) []byte {
		return append(append(bytes.Clone(head), flags, 0, 0, 0, stay, seats), bytes.Join(rest, nil)...)
	}
	read := func(b []byte) bool {
		r := wire.NewReader(b)
		return readOutcome(&r) != nil && r.Done()
	}
	for _, c := range []struct {
		name string
		data []byte
		ok   bool
	}{
		{"nothing is wrong", outcome(0, 1, 1, seat(1, 1), []byte{0}), true},
		{"unknown flags", outcome(8, 1, 1, seat(1, 1), []byte{0}), false},
		{"an era and nothing of it", outcome(2, 1, 1, seat(1, 1), []byte{0}), false},
		{"an era with what it begins with", outcome(2, 1, 1, seat(1, 1), []byte{0, 9, 8, 7}), true},
		{"an era that begins with nothing", outcome(2, 1, 1, seat(1, 1), []byte{0, 9, 0, 0}), true},
		{"era 0", outcome(2, 1, 1, seat(1, 1), []byte{0, 0, 0, 0}), false},
		{"the first era", outcome(6, 1, 1, seat(1, 1), []byte{0, 9, 0, 0}), true},
		{"the first of no era", outcome(4, 1, 1, seat(1, 1), []byte{0}), false},
		{"an era beyond all numbers", outcome(2, 1, 1, seat(1, 1), []byte{0}, bytes.Repeat([]byte{255}, 10), []byte{1, 1}), false},
		{"something behind an era", outcome(2, 1, 1, seat(1, 1), []byte{0, 9, 8, 7, 6}), false},
		{"somebody stays who is not there", outcome(0, 2, 1, seat(1, 1), []byte{0}), false},
		{"a seat of nobody", outcome(0, 1, 1, seat(0, 1), []byte{0}), false},
		{"a seat without a life", outcome(0, 1, 1, seat(1, 0), []byte{0}), false},
		{"two seats of one member", outcome(0, 1, 2, seat(1, 1), seat(1, 2), []byte{0}), false},
		{"too many seats", outcome(0, 1, view.SeatMax+1, seat(1, 1), []byte{0}), false},
		{"a cut of too many ranks", outcome(0, 1, 1, seat(1, 1), []byte{view.SeatMax + 1}), false},
		{"ranges that touch", outcome(0, 1, 1, seat(1, 1), []byte{1, 5, 1, 1, 0}), false},
		{"ranges apart", outcome(0, 1, 1, seat(1, 1), []byte{1, 5, 1, 2, 0}), true},
		{"a range beyond all numbers", outcome(0, 1, 1, seat(1, 1), []byte{1, 5, 1, 2}, bytes.Repeat([]byte{255}, 9), []byte{1}), false},
		{"too many ranges", outcome(0, 1, 1, seat(1, 1), []byte{1, 0}, []byte{view.RangesMax + 1}, bytes.Repeat([]byte{2, 0}, view.RangesMax+1)), false},
	} {
		if got := read(c.data); got != c.ok {
			t.Errorf("%s: taken: %v", c.name, got)
		}
	}
}

// FuzzReceive: whatever arrives at a member that is outside, in a view, frozen or leading a
// change, nothing panics and it is never told to be in a view without it.
func FuzzReceive(f *testing.F) {
	small := &Outcome{Next: view.View{Name: view.Name{Epoch: 5, Round: 1, By: 2}, Seats: []view.Seat{
		{Member: view.Member{ID: 1, Incarnation: 1}, Votes: 1}, {Member: view.Member{ID: 2, Incarnation: 1}, Votes: 1},
	}}, Stay: 3, Cut: view.Cut{{{From: 1, To: 9}}, nil}}
	lasting := *small
	lasting.Era, lasting.Base, lasting.First = 1<<33, Standing{Era: 1 << 32, Index: 7}, true
	of, b := small.Next.Name, Ballot{2, 2}
	void := view.Name{}
	verbs := [][]byte{
		{byte(verbPulse), 200, 1, 2, 0, 5, 1, 2, 0, 0, 0, 0, 0, 1, 't'},
		appendBallot(appendName([]byte{byte(verbPrepare)}, of), b),
		append(appendCut(appendName(append(appendBallot(appendName([]byte{byte(verbReport)}, of), b), 5, 0), of), view.Cut{{{From: 1, To: 3}, {From: 5, To: 6}}}), 0),
		appendPieces(appendBallot(appendName([]byte{byte(verbFill)}, of), b), []view.Piece{{Range: view.Range{From: 1, To: 2}, Holder: 3}}),
		appendBallot(appendName([]byte{byte(verbFilled)}, of), b),
		appendOutcome(appendBallot([]byte{byte(verbPropose)}, b), small),
		appendBallot(appendName([]byte{byte(verbAccepted)}, of), b),
		appendOutcome([]byte{byte(verbCommit)}, small),
		appendBallot(appendName([]byte{byte(verbReject)}, of), b),
		appendApart([]byte{byte(verbApart)}, of, view.Name{Epoch: 9}, false),
		{byte(verbRefuse), 2, 'n', 'o'},
		appendOutcome(appendBallot([]byte{byte(verbPropose)}, b), &lasting),
		appendOutcome([]byte{byte(verbCommit)}, &lasting),
		appendStanding(append(appendCut(appendName(append(appendBallot(appendName([]byte{byte(verbReport)}, void), b), 5, 0), void), nil), 2), Standing{1 << 33, 1 << 32, 9}),
	}
	for i, v := range verbs {
		f.Add(v, verbs[(i+1)%len(verbs)], uint8(i))
		f.Add(v, verbs[(i+5)%len(verbs)], uint8(i+1))
		f.Add(v, verbs[(i+3)%len(verbs)], uint8(i+32))
	}
	f.Fuzz(func(t *testing.T, one, two []byte, stage uint8) {
		n := newNet(t, uint64(stage), 3, stage&8 != 0 && stage&32 == 0)
		if stage&32 != 0 {
			n.disks = map[view.ID]Standing{1: {1, 0, 0}, 2: {3, 2, 4}, 3: {}}
		}
		for i := range n.nodes {
			if i < 2 || stage&1 != 0 {
				n.boot(i)
			}
		}
		n.run(time.Duration(stage&6) * 200 * time.Millisecond)
		x := n.nodes[0]
		if stage&16 != 0 && x.view != nil {
			n.nodes[1].up = false // x begins a change
			n.run(150 * time.Millisecond)
		}
		for _, from := range []view.Member{n.nodes[1].life, {ID: 3, Incarnation: 1 << 62}, {ID: 9, Incarnation: 1}} {
			for _, payload := range [][]byte{one, two} {
				n.step(x, func(out *Output) { x.m.Receive(n.now, from, payload, out) })
				if x.view != nil && !x.view.Has(x.life) {
					t.Fatalf("%v was told to be in %v", x.life, x.view)
				}
			}
		}
		for range 20 {
			n.run(20 * time.Millisecond)
		}
	})
}

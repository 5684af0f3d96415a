package transfer

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// pair is a donor and a joiner in the middle of a transfer without end, and a function that
// takes it one round further: requests to the donor, pieces to the joiner.
type pair struct {
	donor, joiner     *Machine
	toDonor, toJoiner Output
	now               time.Time
	state             []byte
	bytes             int
}

func newPair(t testing.TB) *pair {
	p := &pair{now: time.Unix(1e9, 0), state: make([]byte, askMax)}
	p.donor, _ = New(Config{Self: member(1)}, nil)
	p.joiner, _ = New(Config{Self: member(2)}, nil)
	p.donor.Offer(p.now, cutOf(1), 0, false)
	p.joiner.Fetch(p.now, member(1), cutOf(1), &p.toDonor)
	if len(p.toDonor.Send) == 0 {
		t.Fatal("nothing is asked for")
	}
	return p
}

// serve is the donor's half.
func (p *pair) serve() {
	p.toJoiner.Reset()
	for _, e := range p.toDonor.Send {
		p.donor.Receive(p.now, member(2), e.Frame[wire.HeaderSize:], &p.toJoiner)
	}
	for i := range p.toJoiner.Asks {
		a := p.toJoiner.Asks[i]
		p.donor.Data(p.now, a.To, a.Cut, a.Offset, p.state[:a.Size], false, &p.toJoiner)
	}
	p.now = p.now.Add(100 * time.Microsecond)
}

// take is the joiner's half.
func (p *pair) take() {
	p.toDonor.Reset()
	for _, e := range p.toJoiner.Send {
		p.joiner.Receive(p.now, member(1), e.Frame[wire.HeaderSize:], &p.toDonor)
	}
	for _, c := range p.toDonor.Chunks {
		p.bytes += len(c.Data)
	}
	p.now = p.now.Add(100 * time.Microsecond)
}

func TestStepAllocatesNothing(t *testing.T) {
	p := newPair(t)
	for range 50 {
		p.serve()
		p.take()
	}
	before := p.bytes
	if n := testing.AllocsPerRun(100, p.serve); n != 0 {
		t.Errorf("a round of the donor allocates %v times", n)
	}
	p.take()
	if n := testing.AllocsPerRun(100, func() { p.serve(); p.take() }); n != 0 {
		t.Errorf("a round of both allocates %v times", n)
	}
	if p.bytes < before+100*windowMax*pieceSize {
		t.Errorf("only %d bytes in 100 rounds", p.bytes-before)
	}
}

// TestClockJumps: a clock that is put back or forward costs a repeated request at most.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, -1 << 62, time.Hour, 1 << 62} {
		p := newPair(t)
		for range 20 {
			p.serve()
			p.take()
		}
		p.now = p.now.Add(jump)
		p.serve()
		p.take()
		p.toDonor.Reset() // and all requests are lost
		wait := p.joiner.Deadline().Sub(p.now)
		if wait < 0 || wait > 2*retryMax {
			t.Errorf("after a jump of %v the joiner waits for %v", jump, wait)
		}
		p.now = p.joiner.Deadline()
		p.joiner.Tick(p.now, &p.toDonor)
		before := p.bytes
		p.serve()
		p.take()
		if p.bytes == before {
			t.Errorf("after a jump of %v nothing comes any more", jump)
		}
	}
}

// BenchmarkRound is a window of pieces from the donor's owner to the joiner's, with all
// that both do.
func BenchmarkRound(b *testing.B) {
	p := newPair(b)
	for range 50 {
		p.serve()
		p.take()
	}
	b.SetBytes(windowMax * pieceSize)
	b.ReportAllocs()
	for b.Loop() {
		p.serve()
		p.take()
	}
}

// BenchmarkDonor is the donor's half: requests for a window, the same again and again.
func BenchmarkDonor(b *testing.B) {
	p := newPair(b)
	for range 50 {
		p.serve()
		p.take()
	}
	b.SetBytes(windowMax * pieceSize)
	b.ReportAllocs()
	for b.Loop() {
		p.serve()
	}
}

// BenchmarkJoiner is the joiner's half of one piece: Receive, and handing over.
func BenchmarkJoiner(b *testing.B) {
	p := newPair(b)
	b.SetBytes(pieceSize)
	b.ReportAllocs()
	piece := message{kind: kindPiece, cut: cutOf(1), total: unknown, data: p.state[:pieceSize]}
	frame := make([]byte, 0, wire.FrameMax)
	for b.Loop() {
		p.toDonor.Reset()
		frame = piece.append(frame[:0])
		p.joiner.Receive(p.now, member(1), frame, &p.toDonor)
		p.now = p.now.Add(time.Microsecond)
		piece.offset += pieceSize
	}
	if got, _ := p.joiner.Progress(); got != piece.offset {
		b.Fatalf("%d bytes of %d", got, piece.offset)
	}
}

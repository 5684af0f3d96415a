package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestOutboxPosts(t *testing.T) {
	var o Outbox
	// More than the first buffer holds, so that it must grow while frames lie in it.
	for round := range 3 {
		o.Reset()
		for i := range 100 {
			b := o.Begin(Header{Channel: StateProxy, Fingerprint: uint32(i)})
			if got := o.Room(b); got != FrameMax-HeaderSize {
				t.Fatalf("a new frame has room for %d bytes", got)
			}
			b = append(b, bytes.Repeat([]byte{byte(i)}, 700)...)
			if got := o.Room(b); got != FrameMax-HeaderSize-700 {
				t.Fatalf("after 700 bytes there is room for %d", got)
			}
			o.End(view.ID(i%3+1), uint8(i%2), b)
		}
		if len(o.Send) != 100 {
			t.Fatalf("round %d: %d envelopes", round, len(o.Send))
		}
		for i, e := range o.Send {
			h, payload, reason := Open(e.Frame)
			if reason != OK || h.Fingerprint != uint32(i) || !bytes.Equal(payload, bytes.Repeat([]byte{byte(i)}, 700)) {
				t.Fatalf("round %d: envelope %d was written over: %v", round, i, reason)
			}
			if e.To != view.ID(i%3+1) || e.Link != uint8(i%2) {
				t.Fatalf("envelope %d goes to %v over link %d", i, e.To, e.Link)
			}
		}
	}
}

func TestOutboxAllocatesNothing(t *testing.T) {
	var o Outbox
	message := make([]byte, 900)
	step := func() {
		o.Reset()
		for range 40 {
			o.End(1, AllLinks, append(o.Begin(Header{Channel: Takeover}), message...))
		}
	}
	step()
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("a step of 40 frames allocates %v times", n)
	}
}

func TestOutboxPanicsOnlyForALongFrame(t *testing.T) {
	post := func(size int) (caught any) {
		defer func() { caught = recover() }()
		var o Outbox
		o.End(1, AllLinks, append(o.Begin(Header{Channel: Takeover}), make([]byte, size)...))
		return nil
	}
	if got := post(FrameMax - HeaderSize); got != nil {
		t.Errorf("the longest frame: %v", got)
	}
	if got := fmt.Sprint(post(FrameMax - HeaderSize + 1)); got != "wire: a machine made a frame longer than FrameMax" {
		t.Errorf("a longer one: %v", got)
	}
}

func BenchmarkOutbox(b *testing.B) {
	var o Outbox
	message := make([]byte, 900)
	b.ReportAllocs()
	for b.Loop() {
		o.Reset()
		o.End(1, AllLinks, append(o.Begin(Header{Channel: Takeover}), message...))
	}
}

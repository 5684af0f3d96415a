package wire

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// seal builds a whole frame.
func seal(h Header, message []byte) []byte {
	frame := append(Begin(nil, h), message...)
	Finish(frame)
	return frame
}

func TestFrameRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name    string
		header  Header
		message []byte
	}{
		{"an empty message", Header{Channel: Takeover, Fingerprint: 0xdeadbeef}, nil},
		{"a small one", Header{Channel: StateProxy}, []byte{0, 0xff, 1}},
		{"the longest", Header{Channel: Identify, Fingerprint: 1}, bytes.Repeat([]byte{0xa5}, FrameMax-HeaderSize)},
		{"a channel nobody knows", Header{Channel: 255}, []byte("x")},
	} {
		frame := seal(c.header, c.message)
		before := bytes.Clone(frame)
		h, payload, reason := Open(frame)
		if reason != OK || h != c.header || !bytes.Equal(payload, c.message) {
			t.Errorf("%s: Open gave %+v, %d bytes, %v", c.name, h, len(payload), reason)
		}
		if !bytes.Equal(frame, before) {
			t.Errorf("%s: Open wrote to the frame", c.name)
		}
	}
}

// TestFrameGolden holds the layout still: docs/rfc/0001-frame.md has the same bytes.
func TestFrameGolden(t *testing.T) {
	got := hex.EncodeToString(seal(Header{Channel: StateProxy, Fingerprint: 0x01020304}, []byte("holdfast")))
	if want := "0102000001020304" + "2cf6c894" + "686f6c6466617374"; got != want {
		t.Errorf("frame\n got %s\nwant %s", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := seal(Header{Channel: Takeover, Fingerprint: 7}, []byte("message"))
	change := func(at int, to byte) []byte {
		frame := bytes.Clone(good)
		frame[at] = to
		return frame
	}
	long := make([]byte, FrameMax+1)
	long[0] = Version
	for _, c := range []struct {
		name  string
		frame []byte
		want  Reason
	}{
		{"nothing", nil, Short},
		{"a header less one byte", good[:HeaderSize-1], Short},
		{"the version before ours", change(0, 0), WrongVersion},
		{"the version after ours", change(0, Version+1), WrongVersion},
		{"a byte too many", long, Long},
		{"another channel", change(1, 9), BadChecksum},
		{"another fingerprint", change(7, 8), BadChecksum},
		{"a damaged checksum", change(8, good[8]^1), BadChecksum},
		{"a damaged message", change(HeaderSize, 'M'), BadChecksum},
		{"a message cut short", good[:len(good)-1], BadChecksum},
		{"a message gone on", append(bytes.Clone(good), 0), BadChecksum},
		{"a feature from the future", seal(Header{Channel: Takeover, Features: 0x8000}, nil), UnknownFeature},
	} {
		_, payload, reason := Open(c.frame)
		if reason != c.want || payload != nil {
			t.Errorf("%s: Open gave %d bytes and %q, want none and %q", c.name, len(payload), reason, c.want)
		}
	}
}

// TestOpenNoticesEveryBit is what CRC-32C promises for any single flipped bit.
func TestOpenNoticesEveryBit(t *testing.T) {
	good := seal(Header{Channel: Takeover, Fingerprint: 7}, []byte("a message of some bytes"))
	for bit := range 8 * len(good) {
		frame := bytes.Clone(good)
		frame[bit/8] ^= 1 << (bit % 8)
		if _, _, reason := Open(frame); reason == OK {
			t.Errorf("bit %d may be flipped unseen", bit)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]Reason{}
	for r := range Reason(ReasonCount) {
		name := r.String()
		if other, taken := seen[name]; name == "" || taken {
			t.Errorf("reason %d is named %q, as is reason %d", r, name, other)
		}
		seen[name] = r
	}
	if got := Reason(ReasonCount).String(); got != "unknown reason" {
		t.Errorf("a reason from nowhere is named %q", got)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(seal(Header{Channel: Takeover, Fingerprint: 7}, []byte("message")))
	f.Add(seal(Header{Channel: 9, Features: 1}, nil))
	f.Add(make([]byte, FrameMax+1))
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := bytes.Clone(frame)
		h, payload, reason := Open(frame)
		if !bytes.Equal(frame, before) {
			t.Fatal("Open wrote to the frame")
		}
		if int(reason) >= ReasonCount {
			t.Fatalf("Open gave reason %d", reason)
		}
		if reason != OK {
			if payload != nil {
				t.Fatalf("Open gave a payload and %q", reason)
			}
			return
		}
		if again := seal(h, payload); !bytes.Equal(again, frame) {
			t.Fatalf("a frame has two encodings:\n%x\n%x", frame, again)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	frame := seal(Header{Channel: StateProxy}, make([]byte, FrameMax-HeaderSize))
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, reason := Open(frame); reason != OK {
			b.Fatal(reason)
		}
	}
}

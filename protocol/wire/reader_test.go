package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

func TestReaderRoundTrip(t *testing.T) {
	b := []byte{0x12}
	b = binary.BigEndian.AppendUint16(b, 0x3456)
	b = binary.BigEndian.AppendUint32(b, 0x789abcde)
	b = binary.BigEndian.AppendUint64(b, math.MaxUint64-1)
	for _, v := range []uint64{0, 127, 128, math.MaxUint64} {
		b = binary.AppendUvarint(b, v)
	}
	b = AppendBlock(b, []byte("block"))
	b = AppendBlock(b, nil)
	b = append(b, "tail"...)

	r := NewReader(b)
	if got := r.U8(); got != 0x12 {
		t.Errorf("U8: %#x", got)
	}
	if got := r.U16(); got != 0x3456 {
		t.Errorf("U16: %#x", got)
	}
	if got := r.U32(); got != 0x789abcde {
		t.Errorf("U32: %#x", got)
	}
	if got := r.U64(); got != math.MaxUint64-1 {
		t.Errorf("U64: %#x", got)
	}
	for _, want := range []uint64{0, 127, 128, math.MaxUint64} {
		if got := r.Uvarint(); got != want {
			t.Errorf("Uvarint: %d, want %d", got, want)
		}
	}
	if got := r.Block(5); string(got) != "block" {
		t.Errorf("Block: %q", got)
	}
	if got := r.Block(5); len(got) != 0 {
		t.Errorf("empty Block: %q", got)
	}
	if r.Done() || r.Failed() || r.Len() != 4 {
		t.Errorf("before the tail: done %v, failed %v, %d bytes left", r.Done(), r.Failed(), r.Len())
	}
	if got := r.Bytes(4); string(got) != "tail" || !r.Done() {
		t.Errorf("tail: %q, done %v", got, r.Done())
	}
}

func TestReaderFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes []byte
		read  func(*Reader)
	}{
		{"U8 of nothing", nil, func(r *Reader) { r.U8() }},
		{"U16 of one byte", []byte{1}, func(r *Reader) { r.U16() }},
		{"U32 of three", []byte{1, 2, 3}, func(r *Reader) { r.U32() }},
		{"U64 of seven", make([]byte, 7), func(r *Reader) { r.U64() }},
		{"more bytes than there are", []byte{1}, func(r *Reader) { r.Bytes(2) }},
		{"less bytes than none", []byte{1}, func(r *Reader) { r.Bytes(-1) }},
		{"Uvarint of nothing", nil, func(r *Reader) { r.Uvarint() }},
		{"Uvarint without an end", []byte{0x80, 0x80}, func(r *Reader) { r.Uvarint() }},
		{"Uvarint of more than 64 bits", bytes.Repeat([]byte{0xff}, 11), func(r *Reader) { r.Uvarint() }},
		{"Uvarint longer than it need be", []byte{0x80, 0x00}, func(r *Reader) { r.Uvarint() }},
		{"a block longer than its bound", AppendBlock(nil, []byte("four")), func(r *Reader) { r.Block(3) }},
		{"a block longer than the message", []byte{4, 'o', 'n', 'e'}, func(r *Reader) { r.Block(10) }},
		{"a block of an absurd length", binary.AppendUvarint(nil, math.MaxUint64), func(r *Reader) { r.Block(math.MaxInt) }},
		{"the caller's own limit", []byte{1}, func(r *Reader) { r.Fail() }},
	} {
		r := NewReader(c.bytes)
		c.read(&r)
		if !r.Failed() || r.Done() || r.Len() != 0 {
			t.Errorf("%s: failed %v, done %v, %d bytes left", c.name, r.Failed(), r.Done(), r.Len())
		}
		if r.U8() != 0 || r.U16() != 0 || r.U32() != 0 || r.U64() != 0 || r.Uvarint() != 0 || r.Bytes(0) != nil || r.Block(9) != nil {
			t.Errorf("%s: a failed reader still gives something", c.name)
		}
	}
}

// TestReaderBytesAreCapped guards the caller who appends to what it was given.
func TestReaderBytesAreCapped(t *testing.T) {
	message := []byte("onetwo")
	r := NewReader(message)
	_ = append(r.Bytes(3), "XYZ"...)
	if string(message) != "onetwo" {
		t.Errorf("appending to a field wrote over the next one: %q", message)
	}
}

// FuzzReader reads hostile bytes with a hostile program: each byte of script is one call.
func FuzzReader(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, []byte{0, 1, 2, 3, 4, 5, 6})
	f.Add(AppendBlock(nil, []byte("block")), []byte{6, 0})
	f.Add(bytes.Repeat([]byte{0xff}, 20), []byte{5, 5})
	f.Fuzz(func(t *testing.T, message, script []byte) {
		r := NewReader(message)
		for _, call := range script {
			left := r.Len()
			switch call % 7 {
			case 0:
				r.U8()
			case 1:
				r.U16()
			case 2:
				r.U32()
			case 3:
				r.U64()
			case 4:
				if got := r.Bytes(int(call) / 7); len(got) > left {
					t.Fatalf("%d bytes out of %d", len(got), left)
				}
			case 5:
				v := r.Uvarint()
				read := message[len(message)-left:][:left-r.Len()]
				if !r.Failed() && !bytes.Equal(binary.AppendUvarint(nil, v), read) {
					t.Fatalf("%d has a second encoding %x", v, read)
				}
			case 6:
				if got := r.Block(int(call) / 7); len(got) > int(call)/7 {
					t.Fatalf("a block of %d bytes passed the bound %d", len(got), call/7)
				}
			}
			if r.Len() > left || r.Failed() && r.Len() != 0 {
				t.Fatalf("%d bytes left after %d", r.Len(), left)
			}
		}
	})
}
